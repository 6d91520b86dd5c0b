/** Start and end of OpenTelemetry, and what a collector gets: played by a server of the test, on loopback. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { metrics } from '@opentelemetry/api';
import { schemaUrl } from '../../../src/telemetry/conventions.ts';
import { createMeters } from '../../../src/telemetry/meter.ts';
import { checkTelemetryEnv, startTelemetry } from '../../../src/telemetry/sdk.ts';
import { handMadeFigures, sourcesOf } from '../../support/figures.ts';
import { parseExposition } from '../../support/openmetrics.ts';
import { until } from '../../support/until.ts';

type Export = { path: string | undefined; headers: IncomingHttpHeaders; body: Buffer };
type Point = {
  asInt?: number;
  asDouble?: number;
  attributes: { key: string }[];
  startTimeUnixNano: string;
  timeUnixNano: string;
};
type Metric = {
  name: string;
  sum?: { dataPoints: Point[]; aggregationTemporality: number; isMonotonic: boolean };
  histogram?: { dataPoints: Point[]; aggregationTemporality: number };
  exponentialHistogram?: { dataPoints: (Point & { count: string | number; sum: number })[] };
};

type FakeCollector = {
  url: string;
  exports: Export[];
  answer: { status: number; json?: object };
  /** What comes over the connections that there are is lost from now on, as behind a balancer that has forgotten them. */
  loseConnections(): void;
  close(): Promise<void>;
};

/** Takes every export and answers with the status that the test has set; 0 is no answer at all. */
async function startCollector(): Promise<FakeCollector> {
  const exports: Export[] = [];
  const answer: FakeCollector['answer'] = { status: 200 };
  const lost = new WeakSet<Socket>();
  let open: Socket[] = [];
  const server: Server = createServer(async (request, response) => {
    if (lost.has(request.socket)) return;
    exports.push({ path: request.url, headers: request.headers, body: await buffer(request) });
    if (answer.status !== 0)
      response.writeHead(answer.status).end(answer.json && JSON.stringify(answer.json));
  });
  server.on('connection', (socket: Socket) => open.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const loseConnections = (): void => {
    for (const socket of open) lost.add(socket);
    open = [];
  };
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, exports, answer, loseConnections, close };
}

function start(env: Record<string, string>, registerGlobally = false) {
  const lines: string[] = [];
  const log = {
    warn: (_fields: object, message: string) => void lines.push(`warn ${message}`),
    info: (_fields: object, message: string) => void lines.push(`info ${message}`),
  };
  const figures = handMadeFigures();
  const telemetry = startTelemetry({ env, registerGlobally, instanceId: 'one', log });
  const meters = createMeters(telemetry.meterProvider, sourcesOf(figures));
  return { ...telemetry, figures, meters, lines };
}

function metricsIn({ headers, body }: Export): Metric[] {
  const json = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
  const { resourceMetrics } = JSON.parse(json.toString());
  return resourceMetrics[0].scopeMetrics.flatMap((scope: { metrics: Metric[] }) => scope.metrics);
}

function sumIn(one: Export, name: string) {
  const sum = metricsIn(one).find((metric) => metric.name === name)?.sum;
  assert.ok(sum, `${name} is in the export`);
  return { ...sum, values: sum.dataPoints.map(({ asInt, asDouble }) => Number(asInt ?? asDouble)) };
}

test('a collector gets the figures over OTLP as the variables ask, and the final totals at the end', async () => {
  const collector = await startCollector();
  const { figures, lines, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=harbour',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_METRIC_EXPORT_INTERVAL: '250',
  });
  await until('two exports', () => collector.exports.length >= 2);
  figures.gateway.opened = 41;
  figures.gateway.connectionTime = 0.5;
  await shutdown(5_000);
  const last = collector.exports.at(-1)!;
  assert.equal(last.path, '/v1/metrics');
  assert.equal(last.headers['x-tenant'], 'harbour');
  assert.match(last.headers['user-agent'] ?? '', /^tidegauge\/\d/);
  const opened = sumIn(last, 'tidegauge.connection.opened');
  assert.deepEqual([opened.values, opened.aggregationTemporality, opened.isMonotonic], [[41], 2, true]);
  assert.deepEqual(sumIn(last, 'tidegauge.connection.time').values, [0.5]);
  assert.deepEqual(lines, ['info exporting metrics by OTLP']);
  await collector.close();
});

test('with delta temporality each export has the difference, and amounts stay amounts', async () => {
  const collector = await startCollector();
  const { figures, shutdown } = start({
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/in`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
    OTEL_METRIC_EXPORT_INTERVAL: '250',
  });
  figures.gateway.opened = 40;
  figures.gateway.active = 40;
  await until('the first forty', () =>
    collector.exports.some((one) => sumIn(one, 'tidegauge.connection.opened').values[0] === 40),
  );
  figures.gateway.opened = 42;
  figures.gateway.active = 42;
  await shutdown(5_000);
  const total = collector.exports.reduce(
    (sum, one) => sum + sumIn(one, 'tidegauge.connection.opened').values[0]!,
    0,
  );
  assert.equal(total, 42);
  const last = collector.exports.at(-1)!;
  assert.equal(sumIn(last, 'tidegauge.connection.opened').aggregationTemporality, 1);
  assert.deepEqual(sumIn(last, 'tidegauge.connection.active').values, [42]);
  assert.equal(last.path, '/in');
  await collector.close();
});

test('with lowmemory temporality histograms have differences, and counters, which are observed, have totals', async () => {
  const collector = await startCollector();
  const { figures, meters, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'lowmemory',
  });
  figures.gateway.opened = 40;
  meters.gateway.fanoutDuration(0.001);
  await shutdown(5_000);
  const ours = metricsIn(collector.exports[0]!).filter(({ name }) => name.startsWith('tidegauge.'));
  const temporalities = (kind: 'sum' | 'histogram') =>
    new Set(ours.flatMap((metric) => metric[kind]?.aggregationTemporality ?? []));
  assert.deepEqual([...temporalities('sum')], [2]);
  assert.deepEqual([...temporalities('histogram')], [1]);
  await collector.close();
});

test('without a protocol the export is protobuf', async () => {
  const collector = await startCollector();
  const { shutdown } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  await shutdown(5_000);
  assert.equal(collector.exports.length, 1);
  assert.equal(collector.exports[0]!.headers['content-type'], 'application/x-protobuf');
  assert.ok(collector.exports[0]!.body.includes('tidegauge.connection.opened'));
  await collector.close();
});

test('over gRPC the service for metrics is called, with the headers as metadata', async () => {
  const calls: Record<string, unknown>[] = [];
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    calls.push(headers);
    stream.resume();
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    // One empty message: no compression, length 0.
    stream.end(Buffer.alloc(5));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { lines, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=harbour',
  });
  await shutdown(5_000);
  server.close();
  assert.equal(calls.length, 1);
  assert.equal(calls[0]![':path'], '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export');
  assert.equal(calls[0]!['x-tenant'], 'harbour');
  assert.deepEqual(lines, ['info exporting metrics by OTLP']);
});

test('an outage of the collector is logged when it begins and when it ends, and counted', async () => {
  const collector = await startCollector();
  collector.answer.status = 400;
  const { lines, scrape, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_METRIC_EXPORT_INTERVAL: '10',
  });
  await until('three refused exports', () => collector.exports.length >= 3);
  collector.answer.status = 200;
  await until('the end of the outage', () => lines.length >= 3);
  const samples = parseExposition(String((await scrape(undefined)).body));
  const exported = samples.filter(
    ({ name }) => name === 'otel_sdk_exporter_metric_data_point_exported_total',
  );
  assert.ok(exported.some(({ labels, value }) => labels.error_type !== undefined && value > 500));
  assert.ok(exported.some(({ labels, value }) => labels.error_type === undefined && value > 200));
  await shutdown(5_000);
  assert.deepEqual(lines, [
    'info exporting metrics by OTLP',
    'warn metrics cannot be exported; trying on at each interval',
    'info metrics are exported again',
  ]);
  await collector.close();
});

test('a collector that does not answer delays the end no longer than allowed, and reports go on meanwhile', async () => {
  const collector = await startCollector();
  collector.answer.status = 0;
  const { lines, snapshot, figures, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_TIMEOUT: '400',
  });
  const ended = shutdown(60_000);
  const startedMs = performance.now();
  await shutdown(30);
  assert.ok(performance.now() - startedMs < 300);
  assert.equal(lines.at(-1), 'warn telemetry did not end in time; the last export may be missing');
  figures.gateway.active = 3;
  assert.equal((await snapshot.collect()).value('tidegauge.connection.active'), 3);
  await collector.close();
  await ended;
  await assert.rejects(snapshot.collect(), /shut down/);
});

test('the last export does not wait for one that nobody answers, and has the final totals', async () => {
  const collector = await startCollector();
  collector.answer.status = 0;
  const { figures, forceFlush, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });
  void forceFlush();
  await until('the first is under way', () => collector.exports.length === 1);
  collector.answer.status = 200;
  figures.gateway.opened = 41;
  void shutdown(20_000);
  await until('the last has come', () => collector.exports.length === 2, { timeoutMs: 5_000 });
  assert.deepEqual(sumIn(collector.exports[1]!, 'tidegauge.connection.opened').values, [41]);
  await collector.close();
});

test('the last export does not trust a connection that was kept', async () => {
  const collector = await startCollector();
  const { figures, forceFlush, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });
  await forceFlush();
  collector.loseConnections();
  figures.gateway.opened = 41;
  const ended = shutdown(20_000);
  await until('the last has come', () => collector.exports.length === 2, { timeoutMs: 5_000 });
  assert.deepEqual(sumIn(collector.exports[1]!, 'tidegauge.connection.opened').values, [41]);
  await ended;
  await collector.close();
});

test('a backend that refuses a part of an export is quoted in the log, once until it says something else', async () => {
  const collector = await startCollector();
  const { lines, forceFlush, shutdown } = start(
    { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
    true,
  );
  const refuse = async (rejectedDataPoints: number, exports: number): Promise<void> => {
    collector.answer.json = { partialSuccess: { rejectedDataPoints, errorMessage: 'too old' } };
    for (let done = 0; done < exports; done += 1) await forceFlush();
  };
  await refuse(3, 2);
  await refuse(4, 1);
  collector.answer.json = {};
  await shutdown(5_000);
  await collector.close();
  const said = lines.filter((line) => line.startsWith('warn'));
  assert.equal(said.length, 2, said.join('\n'));
  assert.match(said[0]!, /^warn OpenTelemetry: .*"rejectedDataPoints":3,"errorMessage":"too old"/);
  assert.match(said[1]!, /"rejectedDataPoints":4/);
});

test('a disabled SDK sends and serves nothing, and the reports work', async () => {
  const collector = await startCollector();
  const { figures, snapshot, scrape, shutdown } = start({
    OTEL_SDK_DISABLED: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  });
  figures.gateway.active = 9;
  assert.equal((await snapshot.collect()).value('tidegauge.connection.active'), 9);
  assert.equal(
    String((await scrape(undefined)).body),
    '# OTEL_SDK_DISABLED is true: no metrics are served here.\n',
  );
  await shutdown(1_000);
  assert.equal(collector.exports.length, 0);
  await collector.close();
});

test('the resource names service, version and instance, and the environment may add to it', async () => {
  const { scrape, shutdown } = start({
    OTEL_RESOURCE_ATTRIBUTES: 'service.namespace=port,service.version=9.9.9',
  });
  const target = parseExposition(String((await scrape(undefined)).body)).find(
    ({ name }) => name === 'target_info',
  );
  assert.deepEqual(
    Object.entries(target!.labels)
      .filter(([label]) => label.startsWith('service_'))
      .sort(),
    [
      ['service_instance_id', 'one'],
      ['service_name', 'tidegauge'],
      ['service_namespace', 'port'],
      ['service_version', '9.9.9'],
    ],
  );
  assert.ok(
    Object.keys(target!.labels).every((label) => !label.startsWith('process_')),
    'no command line',
  );
  await shutdown(1_000);
});

test('what an export tells was counted over a time, which differences share out without a gap', async () => {
  for (const temporality of ['cumulative', 'delta']) {
    const collector = await startCollector();
    const { meters, forceFlush, shutdown } = start({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
    });
    // Of the second kind only in the second export.
    for (const reason of ['normal', 'drain'] as const) {
      await wait(5);
      meters.gateway.connectionClosed(1, reason);
      await forceFlush();
    }
    const times = collector.exports.map((one) => {
      // What the machine and the container count begins with the first export, which has an instant of it.
      const ours = metricsIn(one).filter(
        ({ name }) => !/^(system|container|tidegauge\.container)\./.test(name),
      );
      const timed = ours.filter(({ sum, histogram }) => sum?.isMonotonic || histogram);
      const points = timed.flatMap(({ sum, histogram }) => (sum ?? histogram)!.dataPoints);
      for (const { startTimeUnixNano: start, timeUnixNano: end } of points)
        assert.ok(BigInt(start) < BigInt(end), `${temporality}: from ${start} to ${end}`);
      const recorded = timed.find(({ name }) => name === 'tidegauge.connection.duration')!.histogram!;
      return recorded.dataPoints.at(-1)!;
    });
    assert.equal(times.length, 2);
    const [first, second] = times;
    const begin = temporality === 'delta' ? first!.timeUnixNano : first!.startTimeUnixNano;
    assert.equal(second!.startTimeUnixNano, begin);
    await shutdown(5_000);
    await collector.close();
  }
});

for (const temporality of ['cumulative', 'delta'] as const) {
  test(`an export may have exponential buckets, ${temporality}, while everybody else has those of the catalogue`, async () => {
    const collector = await startCollector();
    const { meters, snapshot, scrape, forceFlush, shutdown } = start({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
      OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: 'base2_exponential_bucket_histogram',
    });
    for (const recipients of [3, 9]) {
      meters.gateway.fanoutRecipients(recipients);
      await wait(5);
      await forceFlush();
    }
    const name = 'tidegauge.fanout.recipients';
    const told = collector.exports.map((one) => {
      const metrics = metricsIn(one).filter((metric) => metric.name === name);
      assert.equal(metrics.length, 1, 'it comes once');
      assert.equal(metrics[0]!.histogram, undefined);
      return metrics[0]!.exponentialHistogram!.dataPoints[0]!;
    });
    const [first, second] = told;
    const isDelta = temporality === 'delta';
    assert.deepEqual(
      told.map(({ count, sum }) => ({ count: Number(count), sum })),
      [{ count: 1, sum: 3 }, isDelta ? { count: 1, sum: 9 } : { count: 2, sum: 12 }],
    );
    for (const { startTimeUnixNano: from, timeUnixNano: to } of told) assert.ok(BigInt(from) < BigInt(to));
    assert.equal(second!.startTimeUnixNano, isDelta ? first!.timeUnixNano : first!.startTimeUnixNano);
    assert.equal((await snapshot.collect()).histogram(name)?.sum, 12);
    assert.match(
      String((await scrape(undefined)).body),
      /\ntidegauge_fanout_recipients_bucket{le="5.0"} 1\n/,
    );
    await shutdown(5_000);
    await collector.close();
  });
}

test('scopes of ours, each in one piece, and the resource say which conventions they follow', async () => {
  const collector = await startCollector();
  const { meters, shutdown } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  });
  // So that its scope has what is observed and what is recorded.
  meters.gateway.fanoutBatch(1);
  await shutdown(5_000);
  const [{ schemaUrl: ofResource, scopeMetrics }] = JSON.parse(
    collector.exports[0]!.body.toString(),
  ).resourceMetrics;
  assert.equal(ofResource, schemaUrl);
  const ofScopes = Object.fromEntries(
    scopeMetrics.map((one: { scope: { name: string }; schemaUrl?: string }) => [
      one.scope.name,
      one.schemaUrl,
    ]),
  );
  assert.equal(Object.keys(ofScopes).length, scopeMetrics.length, 'no scope comes twice');
  const ours = Object.keys(ofScopes).filter((name) => name.startsWith('tidegauge/'));
  assert.ok(ours.length >= 6, ours.join());
  for (const name of ours) assert.equal(ofScopes[name], schemaUrl, name);
  await collector.close();
});

test('for the process it is registered globally, alone, and can be started again after its end', async () => {
  for (let round = 0; round < 2; round += 1) {
    const { snapshot, scrape, shutdown } = start({}, true);
    const global = metrics.getMeterProvider();
    metrics.getMeter('a library').createCounter('library.calls').add(3);
    assert.match(String((await scrape(undefined)).body), /^library_calls_total 3$/m);
    assert.equal((await snapshot.collect()).value('tidegauge.connection.limit'), 1_000);
    assert.throws(() => start({}, true), /registered in this process already/);
    assert.equal((await snapshot.collect()).value('tidegauge.connection.limit'), 1_000);
    await shutdown(1_000);
    assert.notEqual(metrics.getMeterProvider(), global);
  }
});

test('two private ones in a process have their own figures', async () => {
  const [first, second] = [start({}), start({})];
  first.figures.gateway.active = 1;
  second.figures.gateway.active = 2;
  const active = async ({ snapshot }: typeof first) =>
    (await snapshot.collect()).value('tidegauge.connection.active');
  assert.deepEqual([await active(first), await active(second)], [1, 2]);
  await first.shutdown(1_000);
  assert.equal(await active(second), 2);
  await second.shutdown(1_000);
});

test('wrong variables, and files that are not there or of another kind, are told before anything starts', () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector:4318',
    OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: '/no/such/ca.pem',
    OTEL_EXPORTER_OTLP_CLIENT_KEY: import.meta.filename,
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: import.meta.filename,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'pigeon',
  };
  const told = [
    /^OTEL_EXPORTER_OTLP_PROTOCOL: "pigeon" cannot be used/,
    /^OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: the authority file \/no\/such\/ca.pem cannot be read: ENOENT/,
    /^OTEL_EXPORTER_OTLP_CLIENT_KEY: the key file .* cannot be used: it holds no private key in PEM/,
    /^OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: the certificate file .* cannot be used: it holds no certificate/,
  ];
  const faults = checkTelemetryEnv(env);
  assert.equal(faults.length, told.length);
  for (const [index, fault] of faults.entries()) assert.match(fault, told[index]!);
  assert.throws(() => start(env), /pigeon/);
  assert.deepEqual(checkTelemetryEnv({}), []);
});

test('there is one copy of the metrics SDK, else a reader of ours would be a stranger to the SDK', async () => {
  const root = join(import.meta.dirname, '../../..');
  const packages = ['sdk-metrics', 'core', 'resources', 'api'].map((name) => `@opentelemetry/${name}`);
  const { stdout } = await promisify(execFile)('npm', ['ls', '--all', '--json', ...packages], { cwd: root });
  const versions = new Map<string, Set<string>>();
  const visit = (node: {
    dependencies?: Record<string, { version?: string; dependencies?: object }>;
  }): void => {
    for (const [name, child] of Object.entries(node.dependencies ?? {})) {
      if (packages.includes(name))
        versions.set(name, (versions.get(name) ?? new Set()).add(child.version ?? ''));
      visit(child as typeof node);
    }
  };
  visit(JSON.parse(stdout));
  assert.deepEqual([...versions.keys()].sort(), [...packages].sort());
  for (const [name, found] of versions) assert.equal(found.size, 1, `${name}: ${[...found]}`);
});
