/**
 * A program for a test: starts and stops services in the way that its argument names, and prints which resources
 * were active before and after, as JSON. It never calls process.exit: when it does not end, something was left.
 */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { startTestService, type TestService } from './test-service.ts';
import { until } from './until.ts';
import { connectClient, connectRaw, handshake, upgradeRaw, type WsClient } from './ws-client.ts';

const natsEnv = (): Record<string, string> => ({ NATS_URL: process.env.NATS_URL! });

async function connectAll({ wsUrl }: TestService): Promise<WsClient[]> {
  return await Promise.all(Array.from({ length: 5 }, () => connectClient(wsUrl)));
}

/** All that may hang on a gateway when it stops: half a request, half a handshake, garbage, and silence. */
async function hangOn({ url }: TestService): Promise<void> {
  for (const bytes of ['', 'GET /livez HTTP/1.1\r\nhost: x\r\n', handshake(1).slice(0, 50), '\0\0\0\0']) {
    (await connectRaw(url)).socket.write(bytes);
  }
  const idle = await connectRaw(url);
  idle.socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('its answer', () => idle.text().includes('alive'));
  await upgradeRaw(url);
}

const scenarios: Record<string, () => Promise<unknown>> = {
  'with clients that are drained': async () => {
    const service = await startTestService();
    const clients = await connectAll(service);
    await service.stop();
    for (const { closed } of clients) assert.equal((await closed).code, 1012);
  },
  'with clients that are cut off': async () => {
    const service = await startTestService();
    const clients = await connectAll(service);
    await service.service.close();
    await service.telemetry.shutdown(1_000);
    // The close frame goes out first, and nobody waits for an answer.
    for (const { closed } of clients) assert.equal((await closed).code, 1012);
    const { opened, closed } = service.service.gateway.ledger;
    assert.deepEqual({ opened, cut: closed.drain }, { opened: 5, cut: 5 });
  },
  'with all sorts of connections left': async () => {
    const service = await startTestService();
    await hangOn(service);
    await service.service.close();
    await service.telemetry.shutdown(1_000);
  },
  'with every step taken twice': async () => {
    const service = await startTestService();
    await connectAll(service);
    await Promise.all([service.service.drain(), service.service.drain()]);
    await Promise.all([service.service.hurry(), service.service.hurry()]);
    await Promise.all([service.service.close(), service.service.close()]);
    await service.stop();
  },
  'without anybody': async () => await (await startTestService()).stop(),
  'three times': async () => {
    for (let round = 0; round < 3; round += 1) {
      const service = await startTestService();
      await connectAll(service);
      await service.stop();
    }
  },
  'on a port that is taken': async () => {
    const first = await startTestService();
    await assert.rejects(startTestService({ PORT: new URL(first.url).port }), /EADDRINUSE/);
    await first.stop();
  },
  'with NATS': async () => {
    const service = await startTestService(natsEnv());
    await connectAll(service);
    await service.ready();
    await service.stop();
  },
  'with NATS, cut off': async () => {
    const service = await startTestService(natsEnv());
    await connectAll(service);
    await service.ready();
    await service.service.close();
    await service.telemetry.shutdown(1_000);
  },
  'with NATS, while it connects': async () => {
    const service = await startTestService(natsEnv());
    await service.stop();
  },
  'on a port that is taken, while it connects to NATS': async () => {
    const first = await startTestService();
    const env = { PORT: new URL(first.url).port, NATS_URL: 'nats://127.0.0.1:1' };
    await assert.rejects(startTestService(env), /EADDRINUSE/);
    await first.stop();
  },
  'with a NATS that is not there': async () => {
    const service = await startTestService({ NATS_URL: 'nats://127.0.0.1:1' });
    const clients = await connectAll(service);
    assert.equal(service.service.bus.state, 'connecting');
    await service.stop();
    for (const { closed } of clients) assert.equal((await closed).code, 1012);
  },
  'with a NATS that is not there, cut off': async () => {
    const service = await startTestService({ NATS_URL: 'nats://127.0.0.1:1' });
    await connectAll(service);
    await service.service.close();
    await service.telemetry.shutdown(1_000);
  },
};

/** Loads and makes once what the process then keeps for good. */
async function warmUp(): Promise<void> {
  const service = await startTestService();
  await fetch(`${service.url}/metrics/enhanced`);
  await service.stop();
}

/** Files that are open without being active: Linux tells. */
function openFiles(): string[] {
  if (process.platform !== 'linux') return [];
  const targets = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      // The descriptor of the listing itself.
      return '';
    }
  });
  return targets.filter((target) => target.startsWith('/')).sort();
}

const scenario = scenarios[process.argv[2]!];
if (scenario === undefined) {
  process.stdout.write(JSON.stringify(Object.keys(scenarios)));
} else {
  const active = (): string[] => process.getActiveResourcesInfo().sort();
  // The streams are there from the first use on.
  assert.ok(process.stdout.writable);
  const streams = active().length;
  await warmUp();
  await until('calm', () => active().length === streams);
  const before = [...active(), ...openFiles()];
  await scenario();
  // Sockets of both sides close within the next turns of the event loop.
  const isCalm = (): boolean => active().length === streams;
  await until('calm again', isCalm, { timeoutMs: 1_500 }).catch(() => undefined);
  process.stdout.write(JSON.stringify({ before, after: [...active(), ...openFiles()] }));
}
