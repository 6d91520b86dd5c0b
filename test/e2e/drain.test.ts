/**
 * Leaving, with real sockets and many of them: ten thousand clients are closed over a window and nobody is cut off
 * (H1), what each has received is what was counted as sent to it, at whatever instant the drain begins (H2), and the
 * last export has the final totals (H3; that it has them by every protocol is in otlp.test.ts).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Connection } from '../../src/gateway/connection.ts';
import type { OtlpMetricsRequest } from '../support/collector.ts';
import { type CrowdClient, connectCrowd } from '../support/crowd.ts';
import { startGateway } from '../support/gateway-process.ts';
import { startOtlpRelay } from '../support/otlp-relay.ts';
import { exportedSeries } from '../support/otlp-series.ts';
import { summed } from '../support/series.ts';
import { startTestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { clientFrame, connectRaw, handshake } from '../support/ws-client.ts';

type Drained = {
  seconds: number;
  deliveries: { matched: number; sent: number; queued: number; dropped: Record<string, number> };
  closed: Record<string, number>;
};

const calm = { starting: false, draining: true, bus: false, capacity: false };

const sumOf = (clients: readonly CrowdClient[], figure: (client: CrowdClient) => number): number =>
  clients.reduce((sum, client) => sum + figure(client), 0);

/** How many values lie in each tenth of the range from 0 to `end`; what lies beyond is in the last. */
function tenths(values: readonly number[], end: number): number[] {
  const counts = Array<number>(10).fill(0);
  for (const value of values) counts[Math.min(9, Math.max(0, Math.floor((value / end) * 10)))]! += 1;
  return counts;
}

/** Dials again and again until it is told to stop. Answers with the heads of the answers, or what failed instead. */
async function dialLate(url: string, mayGoOn: () => boolean): Promise<string[]> {
  const answers: string[] = [];
  while (mayGoOn()) {
    const answer = connectRaw(url)
      .then(async ({ socket, text, ended }) => {
        socket.write(handshake(Number(new URL(url).port)));
        await ended;
        return text().split('\r\n\r\n')[0]!;
      })
      .catch((error: unknown) => String(error));
    const head = await answer;
    if (mayGoOn()) answers.push(head);
    await wait(50);
  }
  return answers;
}

test('10,000 clients are closed over the window, and late dials are refused with an answer (H1), and the last export has it all (H3)', async (t) => {
  const CLIENTS = 10_000;
  const WINDOW_MS = 10_000;
  const BEYOND_THE_WINDOW_MS = 2_000;
  const relay = await startOtlpRelay();
  const gateway = await startGateway({
    TIDEGAUGE_DRAIN_WINDOW: `${WINDOW_MS}ms`,
    OTEL_EXPORTER_OTLP_ENDPOINT: relay.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });
  try {
    const crowd = await connectCrowd(gateway.url, CLIENTS);
    const startedMs = performance.now();
    gateway.child.signal('SIGTERM');
    await until('it is not ready', async () => (await fetch(`${gateway.url}/readyz`)).status === 503);
    const left = (): number =>
      crowd.reduce((sum, { closeCode }) => sum + (closeCode === undefined ? 1 : 0), 0);
    const late = dialLate(gateway.url, () => left() > CLIENTS / 50);
    // What is published meanwhile goes to those who are still there.
    const publishing = (async () => {
      while (left() > CLIENTS / 50) {
        const answer = await fetch(`${gateway.url}/publish/public.tide`, {
          method: 'POST',
          body: 'x'.repeat(100),
        });
        await answer.arrayBuffer();
        await wait(500);
      }
    })();
    const answers = await late;
    await publishing;
    const codes = Map.groupBy(await Promise.all(crowd.map(({ ended }) => ended)), (code) => code);
    const exit = await gateway.child.exited;
    const tookMs = performance.now() - startedMs;
    t.diagnostic(`${CLIENTS} clients, a window of ${WINDOW_MS} ms: gone after ${Math.round(tookMs)} ms`);

    assert.deepEqual(exit, { code: 0, signal: null });
    assert.deepEqual(
      [...codes].map(([code, all]) => [code, all.length]),
      [[1012, CLIENTS]],
    );
    assert.equal(
      sumOf(crowd, ({ afterClose }) => afterClose),
      0,
    );
    // The promise. A busy machine takes a tenth of a second.
    assert.ok(tookMs <= WINDOW_MS + BEYOND_THE_WINDOW_MS, `leaving took ${tookMs} ms`);

    const closes = crowd.map(({ closedAtMs }) => closedAtMs - startedMs);
    const spread = tenths(closes, WINDOW_MS);
    t.diagnostic(`closes by tenth of the window: ${spread.join(' ')}`);
    // Never early, whatever the machine does. A late one may be in the next tenth, together with those of that one.
    spread.reduce((sum, count, index) => {
      assert.ok(sum + count <= ((index + 1) * CLIENTS) / 10 + CLIENTS / 50, `early: ${spread}`);
      return sum + count;
    }, 0);
    assert.ok(Math.max(...closes) >= WINDOW_MS * 0.95);
    assert.ok(Math.max(...spread) < CLIENTS * 0.4, `a herd: ${spread}`);

    const hints = crowd.flatMap(({ hint }) =>
      hint === undefined ? [] : [hint.atMs + hint.afterMs - startedMs],
    );
    const told = tenths(hints, WINDOW_MS);
    t.diagnostic(`to reconnect, as they were told, by tenth: ${told.join(' ')}`);
    assert.ok(hints.length > CLIENTS / 2, `only ${hints.length} were told`);
    assert.ok(Math.max(...told) < CLIENTS * 0.4 && Math.min(...told.slice(3, 9)) > 0, `hints: ${told}`);
    for (const { words } of crowd) assert.ok((words.reconnect ?? 0) <= 1);

    assert.ok(answers.length > 10, `only ${answers.length} dials`);
    for (const head of answers)
      assert.match(head, /^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: (?:[1-9]|10)(?:\r\n|$)/);
    assert.ok(
      new Set(answers.map((head) => /Retry-After: \d+/.exec(head)![0])).size > 1,
      'all are to return at once',
    );

    const lines = gateway.lines();
    const drained = lines.find(({ msg }) => msg === 'drained') as unknown as Drained;
    assert.equal(drained.closed.drain, CLIENTS);
    assert.ok(drained.deliveries.matched > CLIENTS);
    assert.equal(drained.deliveries.sent, drained.deliveries.matched);
    assert.equal(
      drained.deliveries.sent,
      sumOf(crowd, ({ published }) => published),
    );
    assert.ok(lines.filter(({ msg }) => msg === 'still draining').length >= 5);

    const last: OtlpMetricsRequest = JSON.parse(relay.requests.at(-1)!.body.toString());
    const totals = exportedSeries(last);
    const total = (name: string, label?: string): number => summed(totals, `tidegauge_${name}`, label);
    assert.equal(total('deliveries_matched_total'), drained.deliveries.matched);
    assert.equal(total('deliveries_sent_total'), drained.deliveries.sent);
    assert.equal(total('connection_closed_total', 'close_reason="drain"'), CLIENTS);
    assert.equal(total('connection_opened_total'), CLIENTS);
    assert.deepEqual(
      ['connection_active', 'drain_remaining', 'deliveries_queued', 'ledger_drift'].map((name) =>
        total(name),
      ),
      [0, 0, 0, 0],
    );
  } finally {
    await gateway.stop();
    await relay.stop();
  }
});

/** A number from 0 up to this, the same ones for the same seed. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fffffff;
    return (state / 0x7fffffff) * below;
  };
}

describe('the account at the end is exact, whenever the drain begins (H2)', () => {
  const INSTANTS = 20;
  for (let instant = 1; instant <= INSTANTS; instant += 1) {
    test(`instant ${instant} of ${INSTANTS}`, async () => {
      const random = createRandom(instant * 7_919);
      const { service, url, stop } = await startTestService({ TIDEGAUGE_DRAIN_WINDOW: '500ms' });
      const { gateway, bus } = service;
      let published = 0;
      const pump = setInterval(() => {
        for (let burst = random(8); burst > 1 && bus.state === 'connected'; burst -= 1) {
          published += 1;
          bus.publish(`public.${published % 3}`, Buffer.from(`#${published} `.padEnd(random(2_000), 'x')));
        }
      }, 1);
      try {
        const crowd = await connectCrowd(url, 60);
        const byId = new Map<string, Connection>([...gateway.connections].map((one) => [one.id, one]));
        crowd.forEach((client, index) => {
          if (index % 3 === 0) return;
          const channels = index % 3 === 1 ? ['public.1'] : ['public.1', 'public.*'];
          client.socket.write(clientFrame(0x1, JSON.stringify({ type: 'subscribe', channels })));
        });
        await wait(random(100));
        // Some read nothing for a while, and find in their buffers what came meanwhile.
        for (const { socket } of crowd.slice(0, 10)) {
          setTimeout(() => socket.pause(), random(300));
          setTimeout(() => socket.resume(), 300 + random(400));
        }
        await service.drain();
        const codes = await Promise.all(crowd.map(({ ended }) => ended));
        assert.deepEqual(new Set(codes), new Set([1012]));
        for (const { id, published: received, words, afterClose } of crowd) {
          const { delivered, matched, queued, messagesSent } = byId.get(id)!.counts;
          const own = Object.values(words).reduce((sum, count) => sum + count, 0);
          assert.deepEqual(
            { received, messages: received + own, afterClose },
            { received: delivered, messages: messagesSent, afterClose: 0 },
          );
          assert.deepEqual([matched, queued], [delivered, 0]);
        }
        const { deliveries, messages, ledgerDrift } = gateway.figures(calm);
        const total = sumOf(crowd, (client) => client.published);
        assert.equal(deliveries.sent, total);
        assert.equal(deliveries.matched, total);
        assert.ok(total > crowd.length);
        assert.equal(
          messages.transmit,
          total + sumOf(crowd, ({ words }) => Object.values(words).reduce((sum, count) => sum + count, 0)),
        );
        assert.deepEqual([deliveries.queued, ledgerDrift], [0, 0]);
      } finally {
        clearInterval(pump);
        await stop();
      }
    });
  }
});
