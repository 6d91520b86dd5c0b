/** Promise F20: in a container with a memory limit, newcomers are refused before the kernel kills. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createControlGroup, type TestGroup, witnessKeyed } from '../support/control-groups.ts';
import { startGateway } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { clientFrame, connectRaw, handshake } from '../support/ws-client.ts';

const MIB = 2 ** 20;
/** As the chart has it, and as Node has it by itself. */
const cases = [
  { limitMiB: 256, options: '--max-old-space-size-percentage=50' },
  { limitMiB: 160, options: '' },
];

/** Each with a hundred channels of its own, which takes some sixty kilobytes. */
const subscription = (client: number): Buffer => {
  const channels = Array.from({ length: 100 }, (_, index) => `public.${'c'.repeat(100)}.${client}.${index}`);
  return clientFrame(1, JSON.stringify({ type: 'subscribe', channels }));
};

function kills(group: TestGroup): number {
  const folder = group.folder('memory');
  return group.version === 1
    ? witnessKeyed(folder, 'memory.oom_control', 'oom_kill')
    : witnessKeyed(folder, 'memory.events', 'oom_kill');
}

for (const { limitMiB, options } of cases) {
  const made = createControlGroup(`tidegauge-limit-${process.pid}-${limitMiB}`, {
    memoryLimitBytes: limitMiB * MIB,
  });
  if (typeof made === 'string' && process.env.CI === 'true') throw new Error(made);

  test(`with ${limitMiB} MiB (NODE_OPTIONS=${options}) clients are refused, the others stay, and all may leave at once`, {
    skip: typeof made === 'string' ? made : false,
  }, async () => {
    const group = made as TestGroup;
    const gateway = await startGateway({ NODE_OPTIONS: options }, [], [], group);
    const port = Number(new URL(gateway.url).port);
    const statuses = { 101: 0, 503: 0, other: 0 };
    const sockets: Awaited<ReturnType<typeof connectRaw>>['socket'][] = [];
    let lastRefusal = '';
    const dial = async (client: number): Promise<void> => {
      const { socket, text } = await connectRaw(gateway.url);
      sockets.push(socket);
      socket.write(handshake(port));
      while (!text().includes('\r\n\r\n') && !socket.destroyed) await wait(5);
      const status = text().slice(9, 12);
      statuses[status === '101' || status === '503' ? status : 'other'] += 1;
      if (status === '101') socket.write(subscription(client));
      else lastRefusal = text();
    };
    try {
      for (let dialled = 0; dialled < 8_000 && statuses[503] < 100; dialled += 50)
        await Promise.all(Array.from({ length: 50 }, (_, index) => dial(dialled + index)));
      assert.ok(statuses[503] >= 100 && statuses.other === 0, JSON.stringify(statuses));
      assert.match(lastRefusal, /"code":"overloaded"/);
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      assert.match(metrics, new RegExp(`^tidegauge_connection_active(?:\\{.*\\})? ${statuses[101]}$`, 'm'));
      assert.equal((await fetch(`${gateway.url}/readyz`)).status, 503);
      for (const socket of sockets) socket.destroy();
      const isReady = async (): Promise<boolean> => (await fetch(`${gateway.url}/readyz`)).ok;
      await until('it takes others again', isReady, { timeoutMs: 60_000, everyMs: 200 });
      assert.deepEqual([gateway.child.exit, kills(group)], [null, 0]);
    } finally {
      for (const socket of sockets) socket.destroy();
      await gateway.stop();
      await group.remove();
    }
  });
}
