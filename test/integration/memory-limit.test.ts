/** Promise F20: in a container with a memory limit, newcomers are refused before the kernel kills. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createControlGroup, type TestGroup, witnessKeyed } from '../support/control-groups.ts';
import { startGateway } from '../support/gateway-process.ts';
import { clientFrame, connectRaw, handshake } from '../support/ws-client.ts';

const MIB = 2 ** 20;
const made = createControlGroup(`tidegauge-limit-${process.pid}`, { memoryLimitBytes: 160 * MIB });
if (typeof made === 'string' && process.env.CI === 'true') throw new Error(made);

/** Each with a hundred channels of its own, which takes some sixty kilobytes. */
const subscription = (client: number): Buffer => {
  const channels = Array.from({ length: 100 }, (_, index) => `public.${'c'.repeat(100)}.${client}.${index}`);
  return clientFrame(1, JSON.stringify({ type: 'subscribe', channels }));
};

test('clients who use up the memory are refused from then on, and the others stay', {
  skip: typeof made === 'string' ? made : false,
}, async () => {
  const group = made as TestGroup;
  const gateway = await startGateway({}, [], [], group);
  const port = Number(new URL(gateway.url).port);
  const statuses = { 101: 0, 503: 0, other: 0 };
  const sockets: Awaited<ReturnType<typeof connectRaw>>['socket'][] = [];
  let lastRefusal = '';
  const dial = async (client: number): Promise<void> => {
    const { socket, text } = await connectRaw(gateway.url);
    sockets.push(socket);
    socket.write(handshake(port));
    while (!text().includes('\r\n\r\n') && !socket.destroyed)
      await new Promise((next) => setTimeout(next, 5));
    const status = text().slice(9, 12);
    statuses[status === '101' || status === '503' ? status : 'other'] += 1;
    if (status === '101') socket.write(subscription(client));
    else lastRefusal = text();
  };
  try {
    for (let dialled = 0; dialled < 6_000 && statuses[503] < 100; dialled += 50)
      await Promise.all(Array.from({ length: 50 }, (_, index) => dial(dialled + index)));
    assert.equal(gateway.child.exit, null);
    assert.ok(statuses[503] >= 100 && statuses.other === 0, JSON.stringify(statuses));
    assert.match(lastRefusal, /"code":"overloaded"/);
    const folder = group.folder('memory');
    const kills =
      group.version === 1
        ? witnessKeyed(folder, 'memory.oom_control', 'oom_kill')
        : Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(folder, 'memory.events'), 'latin1'))![1]);
    assert.equal(kills, 0);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    assert.match(metrics, new RegExp(`^tidegauge_connection_active(?:\\{.*\\})? ${statuses[101]}$`, 'm'));
    assert.equal((await fetch(`${gateway.url}/readyz`)).status, 503);
  } finally {
    for (const socket of sockets) socket.destroy();
    await gateway.stop();
    await group.remove();
  }
});
