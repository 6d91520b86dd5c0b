/**
 * OTLP by the standard variables into a real collector: what arrives there is what /metrics shows and what the
 * clients counted, to the last digit and to the last export. A collector that is away, or stands still, changes
 * nothing for clients and keeps nobody from leaving.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { type OtlpMetricsRequest, type OtlpSink, startOtlpSink } from '../support/collector.ts';
import { deliveriesTo, exercise, exerciseEnv, passersBy, publish } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { parseText } from '../support/openmetrics.ts';
import { startOtlpRelay } from '../support/otlp-relay.ts';
import {
  exportedSeries,
  metricsOf,
  namesByTemporality,
  readAtMs,
  resourceOf,
  summedSeries,
} from '../support/otlp-series.ts';
import { skipWithout } from '../support/real-part.ts';
import {
  differences,
  type SeriesValues,
  scrapeCounters,
  scrapeText,
  stoodStill,
  summed,
} from '../support/series.ts';
import { until } from '../support/until.ts';
import { connectClient, type WsClient } from '../support/ws-client.ts';

const intervalMs = 1_000;
const fastExports = {
  OTEL_METRIC_EXPORT_INTERVAL: String(intervalMs),
  OTEL_EXPORTER_OTLP_TIMEOUT: '900',
};
/** How long main.ts waits for the last export, and what the rest of leaving may take. */
const lastExportMs = 10_000;
const marginMs = 2_000;

type Temporality = 'cumulative' | 'delta';
type Drained = {
  deliveries: { matched: number; sent: number; queued: number; dropped: Record<string, number> };
  closed: Record<string, number>;
};

const ways = [
  { protocol: 'http/protobuf', temporality: 'cumulative' },
  { protocol: 'http/protobuf', temporality: 'delta' },
  { protocol: 'grpc', temporality: 'cumulative' },
  { protocol: 'grpc', temporality: 'delta' },
  { protocol: 'http/json', temporality: 'cumulative' },
] as const;

describe('OTLP into a collector', { skip: await skipWithout('otelcol') }, () => {
  let sink: OtlpSink;
  before(async () => {
    sink = await startOtlpSink();
  });
  after(() => sink?.stop());

  for (const { protocol, temporality } of ways) {
    test(`${protocol}, ${temporality}: exports agree with /metrics, and the last with the clients`, async () => {
      const serviceName = `tide-${protocol.replace('/', '-')}-${temporality}`;
      const gateway = await startGateway({
        ...exerciseEnv,
        ...fastExports,
        OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? sink.grpcEndpoint : sink.httpEndpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
        OTEL_SERVICE_NAME: serviceName,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=harbour,service.name=not-this-one',
        TIDEGAUGE_DRAIN_DELAY: '200ms',
        TIDEGAUGE_DRAIN_WINDOW: '2s',
      });
      const exports = async (): Promise<OtlpMetricsRequest[]> =>
        (await sink.received()).filter((request) => resourceOf(request)['service.name'] === serviceName);
      try {
        const clients = await exercise(gateway);
        await agreesWithMetrics(gateway, exports, temporality);
        checkTemporality((await exports()).at(-1)!, temporality);
        checkResource((await exports()).at(-1)!, await scrapeText(gateway));
        // Leaving in the middle of it: what is under way counts too, and is in the last export.
        const before = deliveriesTo(clients[0]!);
        const publishing = publish(gateway, 10_000).catch(() => {});
        await until('messages are under way', () => deliveriesTo(clients[0]!) > before + 20, { everyMs: 1 });
        const drained = await leave(gateway, clients);
        await publishing;
        const all = await untilFinal(exports, clients.length);
        const totals = temporality === 'delta' ? summedSeries(all) : exportedSeries(all.at(-1)!);
        checkFinalTotals(totals, drained, clients);
      } finally {
        await gateway.stop();
      }
    });
  }

  for (const protocol of ['http/protobuf', 'grpc'] as const) {
    test(`${protocol}: after an outage of the collector the next export carries the true totals`, async () => {
      const first = await startOtlpSink();
      const gateway = await startGateway({
        ...exerciseEnv,
        ...fastExports,
        OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? first.grpcEndpoint : first.httpEndpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      });
      const said = (message: string): number => gateway.lines().filter(({ msg }) => msg === message).length;
      let second: OtlpSink | undefined;
      try {
        await exercise(gateway);
        await until('an export', async () => (await first.received()).length > 0);
        await first.kill();
        await publish(gateway, 10);
        await until('several exports have failed', async () => (await failedExports(gateway)) >= 3);
        await publish(gateway, 10);
        second = await startOtlpSink(first.ports);
        const { received } = second;
        await agreesWithMetrics(gateway, received, 'cumulative');
        const [next] = await received();
        assert.equal(summed(exportedSeries(next!), 'messaging_client_sent_messages_total'), 30);
        assert.equal(said('metrics cannot be exported; trying on at each interval'), 1);
        assert.equal(said('metrics are exported again'), 1);
      } finally {
        await gateway.stop();
        await second?.stop();
      }
    });
  }

  describe('that is not there', { concurrency: true }, () => {
    const cases: { what: string; start(): Promise<{ endpoint: string; stop(): Promise<void> }> }[] = [
      {
        what: 'because nobody listens',
        start: async () => ({ endpoint: await deadEndpoint(), stop: async () => {} }),
      },
      {
        what: 'because it stands still',
        start: async () => {
          const frozen = await startOtlpSink();
          await frozen.freeze();
          return { endpoint: frozen.httpEndpoint, stop: () => frozen.kill() };
        },
      },
      { what: 'because it drips its answer', start: startDrip },
    ];
    for (const { what, start } of cases) {
      test(`${what}: clients notice nothing, and the gateway leaves in time`, async () => {
        const { endpoint, stop } = await start();
        // Time-outs as they are by default: these are the longest that leaving may have to wait for.
        const gateway = await startGateway({
          OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
          OTEL_METRIC_EXPORT_INTERVAL: '1000',
        });
        try {
          const clients = await Promise.all([connectClient(gateway.wsUrl), connectClient(gateway.wsUrl)]);
          await publish(gateway, 200);
          for (const client of clients) {
            await until('every message is there', () => deliveriesTo(client) === 200);
            const numbers = client.messages.slice(1).map((text) => (JSON.parse(text) as { n: number }).n);
            assert.deepEqual(
              numbers,
              numbers.toSorted((one, other) => one - other),
            );
          }
          assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200);
          const leavesAtMs = performance.now();
          gateway.child.signal('SIGTERM');
          for (const { closed } of clients) assert.equal((await closed).code, 1012);
          const clientsGoneMs = performance.now() - leavesAtMs;
          assert.ok(clientsGoneMs < marginMs, `clients had to wait for ${clientsGoneMs} ms`);
          assert.deepEqual(await gateway.child.exited, { code: 0, signal: null });
          const tookMs = performance.now() - leavesAtMs;
          assert.ok(tookMs < lastExportMs + marginMs, `leaving took ${tookMs} ms`);
        } finally {
          await gateway.stop();
          await stop();
        }
      });
    }
  });
});

describe('an OTLP request', { concurrency: true }, () => {
  test('carries the headers, the path and the compression that were asked for', async () => {
    const relay = await startOtlpRelay();
    const gateway = await startGateway({
      ...fastExports,
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${relay.endpoint}/tenant/metrics`,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hush-hush,x-harbour=cuxhaven,x-tide=low',
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'x-tide=high',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    });
    try {
      const { path, headers } = await until('a request', () => relay.requests[0]);
      assert.equal(path, '/tenant/metrics');
      assert.equal(headers.authorization, 'Bearer hush-hush');
      assert.equal(headers['x-harbour'], 'cuxhaven');
      assert.equal(headers['x-tide'], 'high');
      assert.equal(headers['content-type'], 'application/x-protobuf');
      assert.equal(headers['content-encoding'], 'gzip');
      assert.ok(
        headers['user-agent']?.includes(`tidegauge/${packageJson.version}`),
        String(headers['user-agent']),
      );
      assert.doesNotMatch(gateway.child.log(), /hush-hush/);
    } finally {
      await gateway.stop();
      await relay.stop();
    }
  });

  test('is not made with OTEL_METRICS_EXPORTER=none, and /metrics serves all the same', async () => {
    const relay = await startOtlpRelay();
    const gateway = await startGateway({
      ...fastExports,
      OTEL_EXPORTER_OTLP_ENDPOINT: relay.endpoint,
      OTEL_METRICS_EXPORTER: 'none',
    });
    try {
      await connectClient(gateway.wsUrl);
      assert.match(await scrapeText(gateway), /^tidegauge_connection_active 1$/m);
    } finally {
      await gateway.stop();
    }
    assert.equal(relay.requests.length, 0);
    await relay.stop();
  });

  test('is not made with OTEL_SDK_DISABLED, /metrics is empty, and the reports tell the truth', async () => {
    const relay = await startOtlpRelay();
    const gateway = await startGateway({
      ...fastExports,
      OTEL_EXPORTER_OTLP_ENDPOINT: relay.endpoint,
      OTEL_SDK_DISABLED: 'true',
    });
    try {
      const clients = await Promise.all([connectClient(gateway.wsUrl), connectClient(gateway.wsUrl)]);
      await publish(gateway, 7);
      for (const client of clients) await until('all messages', () => deliveriesTo(client) === 7);
      const json = async (path: string) => (await (await fetch(`${gateway.url}${path}`)).json()) as never;
      const stats = (await json('/stats')) as { connections: { active: number }; nats: { InMsgs: number } };
      assert.deepEqual([stats.connections.active, stats.nats.InMsgs], [2, 7]);
      const { connections } = (await json('/metrics/enhanced')) as { connections: Record<string, number> };
      assert.equal(connections.messages_sent_total, 2 * 8);
      const { system } = (await json('/metrics/system')) as { system: { memory: Record<string, number> } };
      assert.ok(system.memory.heap_alloc_mb! > 1);
      assert.deepEqual(parseText(await scrapeText(gateway)), []);
      gateway.child.signal('SIGTERM');
      assert.equal((await gateway.child.exited).code, 0);
    } finally {
      await gateway.stop();
    }
    assert.equal(relay.requests.length, 0);
    await relay.stop();
  });
});

/** Waits for an export that was read after now; all counters that stand still around it must be in it. */
async function agreesWithMetrics(
  gateway: GatewayProcess,
  exports: () => Promise<OtlpMetricsRequest[]>,
  temporality: Temporality,
): Promise<void> {
  const earlier = await scrapeCounters(gateway);
  const nowMs = Date.now();
  const upTo = await until('an export', async () => {
    const all = await exports();
    const index = all.findIndex((request) => readAtMs(request) > nowMs);
    return index >= 0 && all.slice(0, index + 1);
  });
  const still = stoodStill(earlier, await scrapeCounters(gateway));
  const totals = temporality === 'delta' ? summedSeries(upTo) : exportedSeries(upTo.at(-1)!);
  assert.ok(still.size > 150, `only ${still.size} series stood still`);
  for (const name of ['deliveries_sent', 'messages', 'connection_opened', 'io_bytes', 'connection_closed']) {
    assert.ok(
      [...still.keys()].some((key) => key.startsWith(`tidegauge_${name}_total{`)),
      name,
    );
  }
  assert.deepEqual(differences(still, totals), []);
}

function checkTemporality(request: OtlpMetricsRequest, temporality: Temporality): void {
  const { cumulative, delta } = namesByTemporality(request);
  const rising = metricsOf(request)
    .filter(({ sum, histogram }) => sum?.isMonotonic === true || histogram !== undefined)
    .map(({ name }) => name);
  if (temporality === 'cumulative') assert.deepEqual(delta, []);
  else assert.deepEqual(delta.toSorted(), rising.toSorted());
  // A level is a level, whatever is preferred: differences of it would be of no use to anybody.
  assert.ok(cumulative.includes('tidegauge.connection.active'));
}

/** The resource is that of target_info, which is what /metrics says of it. */
function checkResource(request: OtlpMetricsRequest, text: string): void {
  const resource = resourceOf(request);
  const info = parseText(text).find(({ name }) => name === 'target_info')!.samples[0]!;
  const asLabels = Object.entries(resource).map(([key, value]) => [key.replaceAll('.', '_'), value]);
  assert.deepEqual(Object.fromEntries(asLabels), info.labels);
  assert.equal(resource['service.version'], packageJson.version);
  assert.equal(resource['deployment.environment.name'], 'harbour');
  assert.match(resource['service.instance.id']!, /^[0-9a-f-]{36}$/);
  assert.deepEqual(
    Object.keys(resource).filter((key) => key.startsWith('process.')),
    [],
  );
}

/** SIGTERM, farewell to each client, exit code 0. Answers with what the log says of the end. */
async function leave(gateway: GatewayProcess, clients: readonly WsClient[]): Promise<Drained> {
  gateway.child.signal('SIGTERM');
  for (const { closed } of clients) assert.deepEqual(await closed, { code: 1012, reason: 'drain' });
  assert.deepEqual(await gateway.child.exited, { code: 0, signal: null });
  return gateway.lines().find(({ msg }) => msg === 'drained') as unknown as Drained;
}

/** All exports up to the one that has the drain in it: the collector writes a moment later what it has accepted. */
function untilFinal(
  exports: () => Promise<OtlpMetricsRequest[]>,
  drained: number,
): Promise<OtlpMetricsRequest[]> {
  return until('the last export', async () => {
    const all = await exports();
    const closed = summed(summedSeries(all), 'tidegauge_connection_closed_total', 'close_reason="drain"');
    return closed === drained && all;
  });
}

function checkFinalTotals(totals: SeriesValues, { deliveries, closed }: Drained, clients: WsClient[]): void {
  const total = (name: string, label?: string): number => summed(totals, `tidegauge_${name}`, label);
  assert.equal(total('deliveries_matched_total'), deliveries.matched);
  assert.equal(total('deliveries_sent_total'), deliveries.sent);
  assert.equal(total('deliveries_queued'), deliveries.queued);
  for (const [reason, count] of Object.entries(deliveries.dropped)) {
    assert.equal(total('deliveries_dropped_total', `drop_reason="${reason}"`), count, reason);
  }
  for (const [reason, count] of Object.entries(closed)) {
    assert.equal(total('connection_closed_total', `close_reason="${reason}"`), count, reason);
    assert.equal(total('connection_duration_seconds_count', `close_reason="${reason}"`), count, reason);
  }
  assert.equal(total('connection_opened_total'), total('connection_closed_total'));
  assert.equal(total('connection_active'), 0);
  assert.equal(total('drain_remaining'), 0);
  assert.equal(total('ready_ratio', 'ready_reason="draining"'), 1);
  // A clean close means: what was counted as sent has been received.
  const count = (figure: (client: WsClient) => number): number =>
    clients.reduce((sum, client) => sum + figure(client), 0);
  assert.equal(deliveries.sent, count(deliveriesTo));
  assert.equal(total('messages_total', '="transmit"'), count(({ messages }) => messages.length) + passersBy);
  assert.equal(
    total('messages_total', '="receive"'),
    count(({ sent }) => sent.messages),
  );
  assert.equal(total('ledger_drift'), 0);
}

/** By the exporter's own account. */
async function failedExports(gateway: GatewayProcess): Promise<number> {
  const operations = 'otel_sdk_exporter_operation_duration_seconds_count';
  return summed(await scrapeCounters(gateway), operations, 'error_type=');
}

/** An address where somebody was a moment ago. */
async function deadEndpoint(): Promise<string> {
  const relay = await startOtlpRelay();
  await relay.stop();
  return relay.endpoint;
}

/** It answers one byte at a time, and never comes to an end. */
async function startDrip(): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/x-protobuf' });
    const drip = setInterval(() => response.write(' '), 100);
    response.once('close', () => clearInterval(drip));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
