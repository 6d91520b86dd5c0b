/** Leaving as those outside see it: readiness, refusals, hints, reports, the log, the bus, and the end of the program. */
import assert from 'node:assert/strict';
import { Agent, type IncomingMessage, request } from 'node:http';
import { describe, test } from 'node:test';
import { connectCrowd } from '../support/crowd.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { scrapeText } from '../support/series.ts';
import { startTestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient, connectRaw, handshake, upgradeRaw } from '../support/ws-client.ts';

/** So many that closing them takes the minute. */
const HOLDING = 600;
const longWindow = { TIDEGAUGE_DRAIN_WINDOW: '1m' };

async function dial(url: string): Promise<string> {
  const { socket, text, ended } = await connectRaw(url);
  socket.write(handshake(Number(new URL(url).port)));
  await ended;
  return text();
}

async function isNotReady({ url }: { url: string }): Promise<void> {
  await until('it is not ready', async () => (await fetch(`${url}/readyz`)).status === 503);
}

const said = (gateway: GatewayProcess, message: string) =>
  gateway.lines().filter(({ msg }) => msg === message);

test('during the delay it is not ready, admits whoever comes, and says how many are left', async () => {
  const gateway = await startGateway({ TIDEGAUGE_DRAIN_DELAY: '3s' });
  try {
    const early = await connectClient(gateway.wsUrl);
    const startedMs = performance.now();
    gateway.child.signal('SIGTERM');
    await isNotReady(gateway);
    const late = await connectClient(gateway.wsUrl);
    const { reasons } = (await (await fetch(`${gateway.url}/health`)).json()) as { reasons: string[] };
    assert.deepEqual(reasons, ['draining']);
    const text = await scrapeText(gateway);
    assert.match(text, /^tidegauge_drain_remaining 2$/m);
    assert.match(text, /^tidegauge_ready_ratio\{tidegauge_ready_reason="draining"\} 1$/m);
    const answer = await fetch(`${gateway.url}/publish/public.tide`, { method: 'POST', body: 'still here' });
    assert.equal(answer.status, 202);
    for (const { messages, closed } of [early, late]) {
      await until('the message', () => messages.includes('still here'));
      assert.deepEqual(await closed, { code: 1012, reason: 'drain' });
    }
    assert.ok(performance.now() - startedMs >= 3_000, 'it did not wait');
    assert.deepEqual(await gateway.child.exited, { code: 0, signal: null });
    const [begun] = said(gateway, 'draining');
    assert.deepEqual([begun?.connections, begun?.delayMs, begun?.windowMs], [1, 3_000, 0]);
    assert.deepEqual(said(gateway, 'still draining')[0]?.phase, 'delaying');
    assert.ok((said(gateway, 'drained')[0]?.seconds as number) >= 3);
  } finally {
    await gateway.stop();
  }
});

test('while it closes, upgrades get 503, reports and probes go on, and a second signal closes all the others', async () => {
  const gateway = await startGateway(longWindow);
  try {
    const clients = await connectCrowd(gateway.url, HOLDING);
    gateway.child.signal('SIGTERM');
    await isNotReady(gateway);
    assert.equal((await fetch(`${gateway.url}/livez`)).status, 200);
    assert.equal((await fetch(`${gateway.url}/stats`)).status, 200);
    const { body, status } = await fetch(`${gateway.url}/health`).then(async (answer) => ({
      status: answer.status,
      body: (await answer.json()) as { reasons: string[] },
    }));
    assert.deepEqual([status, body.reasons], [503, ['draining']]);
    assert.match(await dial(gateway.url), /^HTTP\/1\.1 503 [\s\S]*Retry-After: \d+[\s\S]*"draining"/);
    await until('all have been told', () => clients.every(({ hint, closeCode }) => hint ?? closeCode));
    const isConnected = clients.filter(({ closeCode }) => closeCode === undefined).length;
    assert.ok(isConnected > HOLDING / 2, `only ${isConnected} were left`);
    gateway.child.signal('SIGTERM');
    const codes = new Set(await Promise.all(clients.map(({ ended }) => ended)));
    assert.deepEqual(codes, new Set([1012]));
    assert.deepEqual(await gateway.child.exited, { code: 0, signal: null });
    const { seconds, closed } = said(gateway, 'drained')[0] as unknown as {
      seconds: number;
      closed: { drain: number };
    };
    assert.equal(closed.drain, HOLDING);
    assert.ok(seconds < 45, `it took ${seconds} s`);
    assert.equal(said(gateway, 'hurrying').length, 1);
  } finally {
    await gateway.stop();
  }
});

test('of two that share a port, the one that closes leaves all newcomers to the other', async () => {
  const shared = { TIDEGAUGE_REUSE_PORT: 'true', ADMIN_PORT: '0', TIDEGAUGE_DRAIN_WINDOW: '1m' };
  const leaving = await startTestService(shared);
  const staying = await startTestService({ ...shared, PORT: new URL(leaving.url).port });
  const opened = async ({ collect }: typeof leaving) =>
    (await collect()).value('tidegauge.connection.opened') as number;
  try {
    // The kernel chooses by the ports of both ends: it is enough to come until each has somebody.
    await until('both have clients', async () => {
      await connectClient(leaving.wsUrl);
      return (await opened(leaving)) > 0 && (await opened(staying)) > 0;
    });
    const [before, others] = [await opened(leaving), await opened(staying)];
    const drained = leaving.service.drain();
    await until('it refuses', () => leaving.service.gateway.drain.isRefusing);
    for (let newcomers = 1; newcomers <= 20; newcomers += 1) await connectClient(leaving.wsUrl);
    assert.deepEqual([await opened(leaving), await opened(staying)], [before, others + 20]);
    assert.equal((await leaving.getJson('/readyz')).status, 503);
    await drained;
  } finally {
    await Promise.all([leaving, staying].map(({ service }) => service.hurry()));
    await Promise.all([leaving.stop(), staying.stop()]);
  }
});

test('a client that follows the hint has left by itself, and was not closed by the drain', async () => {
  const { service, wsUrl, url, log, stop } = await startTestService({ TIDEGAUGE_DRAIN_WINDOW: '10s' });
  try {
    // The others make the window as long as it is.
    const others = await connectCrowd(url, 30);
    const client = await connectClient(wsUrl);
    const drained = service.drain();
    // The other gateway is not part of this: it leaves as soon as it is told.
    await client.heard('reconnect').catch(() => {});
    client.socket.close(1000);
    await drained;
    assert.deepEqual(new Set(await Promise.all(others.map(({ ended }) => ended))), new Set([1012]));
    const { closed } = log.find(({ message }) => message === 'drained') as unknown as {
      closed: { normal: number; drain: number };
    };
    assert.deepEqual([closed.normal, closed.drain], [1, 30]);
  } finally {
    await stop();
  }
});

test('a peer that never answers is ended in a bounded time, and does not keep the others', async () => {
  const { service, url, wsUrl, log, stop } = await startTestService();
  try {
    const mute = await upgradeRaw(url);
    mute.pause();
    const polite = await connectClient(wsUrl);
    let isOver = false;
    const drained = service.drain().then(() => {
      isOver = true;
    });
    assert.deepEqual(await polite.closed, { code: 1012, reason: 'drain' });
    assert.equal(isOver, false);
    await drained;
    mute.destroy();
    const { closed, seconds } = log.find(({ message }) => message === 'drained') as unknown as {
      closed: { drain: number };
      seconds: number;
    };
    assert.equal(closed.drain, 2);
    assert.ok(seconds >= 1 && seconds < 10, `it took ${seconds} s`);
  } finally {
    await stop();
  }
});

describe('POST /drain', () => {
  const headers = { authorization: 'Bearer open-sesame' };
  const drain = async ({ url }: GatewayProcess): Promise<unknown[]> => {
    const answer = await fetch(`${url}/drain`, { method: 'POST', headers });
    return [answer.status, await answer.json()];
  };

  test('does what SIGTERM does, once, and a signal that follows does not hurry it', async () => {
    const gateway = await startGateway({ ...longWindow, TIDEGAUGE_ADMIN_TOKEN: 'open-sesame' });
    try {
      const clients = await connectCrowd(gateway.url, 30);
      assert.deepEqual(await drain(gateway), [202, { status: 'draining', connections: 30 }]);
      await isNotReady(gateway);
      const [status] = await drain(gateway);
      assert.equal(status, 202);
      gateway.child.signal('SIGTERM');
      const codes = new Set(await Promise.all(clients.map(({ ended }) => ended)));
      assert.deepEqual(codes, new Set([1012]));
      assert.deepEqual(await gateway.child.exited, { code: 0, signal: null });
      const counts = ['draining', 'hurrying', 'gone'].map((message) => said(gateway, message).length);
      assert.deepEqual(counts, [1, 0, 1]);
      // Thirty clients at a tenth of a second each.
      assert.ok((said(gateway, 'drained')[0]?.seconds as number) >= 3);
    } finally {
      await gateway.stop();
    }
  });

  test('is answered also when there is nobody to wait for', async () => {
    const gateway = await startGateway({ TIDEGAUGE_ADMIN_TOKEN: 'open-sesame' });
    try {
      assert.deepEqual(await drain(gateway), [202, { status: 'draining', connections: 0 }]);
      assert.deepEqual(await gateway.child.exited, { code: 0, signal: null });
    } finally {
      await gateway.stop();
    }
  });
});

test('idle HTTP connections are kept to the end of the drain, and then end at once', async () => {
  const { service, url, stop } = await startTestService();
  const agent = new Agent({ keepAlive: true });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(`${url}/livez`, { agent }).once('response', resolve).once('error', reject).end();
  });
  const { socket } = answer;
  const ended = new Promise((resolve) => socket.once('close', resolve));
  answer.resume();
  await new Promise((resolve) => answer.once('end', resolve));
  await service.drain();
  assert.equal(socket.destroyed, false, 'reports go on until the end');
  await stop();
  await ended;
  agent.destroy();
});

describe('the bus in a drain', { skip: await skipWithout('nats-server') }, () => {
  test('that goes away and comes back costs those who are left a gap, and nobody the goodbye', async () => {
    const nats = await startNatsServer();
    const { service, url, ready, stop } = await startTestService({ ...longWindow, NATS_URL: nats.url });
    try {
      await ready();
      const clients = await connectCrowd(url, HOLDING);
      const drained = service.drain();
      await nats.kill();
      await until('the bus is gone', () => service.bus.state !== 'connected');
      await nats.restart();
      await until('the bus is back', () => service.bus.state === 'connected');
      const left = clients.filter(({ closeCode }) => closeCode === undefined);
      assert.ok(left.length > 0);
      await until('they are told', () => left.some(({ words }) => words.gap === 1));
      await service.hurry();
      await drained;
      assert.deepEqual(new Set(await Promise.all(clients.map(({ ended }) => ended))), new Set([1012]));
    } finally {
      await stop();
      await nats.stop();
    }
  });

  for (const fault of ['kill', 'freeze'] as const) {
    test(`that has gone (${fault}) keeps nobody from leaving`, async () => {
      const nats = await startNatsServer();
      const { service, url, log, ready, stop } = await startTestService({ NATS_URL: nats.url });
      try {
        await ready();
        const clients = await connectCrowd(url, 5);
        await nats[fault]();
        await service.drain();
        assert.deepEqual(new Set(await Promise.all(clients.map(({ ended }) => ended))), new Set([1012]));
        assert.equal(service.bus.state, 'closed');
        const { seconds } = log.find(({ message }) => message === 'drained') as unknown as {
          seconds: number;
        };
        // Found out by its pings, a frozen server would take more than that.
        assert.ok(seconds < 8, `it took ${seconds} s`);
      } finally {
        await stop();
        await nats.stop();
      }
    });
  }
});
