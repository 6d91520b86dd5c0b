/** The scrape in both formats, read by a strict parser; which format is chosen; and what a scrape survives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { expositionFormat } from '../../../src/telemetry/accept.ts';
import { instruments } from '../../../src/telemetry/catalogue.ts';
import { createMeters } from '../../../src/telemetry/meter.ts';
import { type SeriesKind, seriesName } from '../../../src/telemetry/metric-names.ts';
import { OwnMetrics } from '../../../src/telemetry/own-metrics.ts';
import { contentTypes, createPrometheusReader, emptyScrape } from '../../../src/telemetry/prometheus.ts';
import { renderBoundary } from '../../../src/telemetry/series.ts';
import { handMadeFigures, sourcesOf } from '../../support/figures.ts';
import { parseExposition, parseOpenMetrics, parseText, type Sample } from '../../support/openmetrics.ts';

const openMetrics = 'application/openmetrics-text';
const awkward = 'a "quoted" \\ name\nof two lines';

function start() {
  const figures = handMadeFigures();
  const own = new OwnMetrics();
  const prometheus = createPrometheusReader(own);
  const resource = resourceFromAttributes({ 'service.name': 'tidegauge', 'deployment.note': awkward });
  const provider = new MeterProvider({ resource, readers: [prometheus.reader] });
  let asked = 0;
  const meters = createMeters(own.meterProvider(provider), {
    ...sourcesOf(figures),
    http() {
      asked += 1;
      return figures.http;
    },
  });
  meters.gateway.connectionClosed(5.5, 'normal');
  meters.gateway.fanoutRecipients(700);
  meters.recordGcPause(0.0003, 'minor');
  meters.recordRequest(0.2, { method: 'GET', route: '/stats', status: 200, scheme: 'http' });
  return { ...prometheus, figures, provider, meters, timesAsked: () => asked };
}

/** Series and values, in any order; a boundary is a number, however it is written. */
function comparable(samples: readonly Sample[]): string[] {
  return samples
    .map(({ name, labels, value }) => {
      const le = labels.le === undefined ? {} : { le: Number(labels.le.replace('+Inf', 'Infinity')) };
      return JSON.stringify([name, Object.entries({ ...labels, ...le }).sort(), value]);
    })
    .sort();
}

test('both formats are well-formed and say the same', async () => {
  const { scrape } = start();
  const text = await scrape(undefined);
  const open = await scrape(openMetrics);
  assert.equal(text.contentType, 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(open.contentType, 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  const textSamples = parseText(String(text.body)).flatMap(({ samples }) => samples);
  const openSamples = parseOpenMetrics(String(open.body)).flatMap(({ samples }) => samples);
  assert.ok(textSamples.length > 250);
  assert.deepEqual(comparable(openSamples), comparable(textSamples));
});

/** As the library writes it, once the names are ours; each scrape is worked out anew there. */
function serializedByLibrary(collected: ResourceMetrics): string {
  const units = new Map<string, string>(instruments.map(({ name, unit }) => [name, unit]));
  const kinds = new Map<string, SeriesKind>(instruments.map(({ name, kind }) => [name, kind]));
  const scopeMetrics = collected.scopeMetrics.map(({ scope, metrics }) => ({
    scope,
    metrics: metrics.map((metric) => {
      const { name } = metric.descriptor;
      const series = seriesName(name, units.get(name)!, kinds.get(name)!);
      return { ...metric, descriptor: { ...metric.descriptor, name: series, unit: '' } };
    }),
  }));
  return new PrometheusSerializer('', false, undefined, false, true).serialize({
    ...collected,
    scopeMetrics,
  });
}

test('the text says what the library’s own serializer would, at each scrape anew', async () => {
  const { scrape, figures, reader, meters } = start();
  const limitBytes = figures.container!.memoryLimitBytes!;
  for (let round = 0; round < 5; round += 1) {
    const body = String((await scrape(undefined)).body);
    // Nothing changes between the two, and so both have the same figures.
    const witness = parseText(serializedByLibrary((await reader.collect()).resourceMetrics));
    const families = parseText(body);
    const heads = (all: typeof families) =>
      all.map(({ name, type, help }) => JSON.stringify([name, type, help])).sort();
    assert.deepEqual(heads(families), heads(witness));
    assert.deepEqual(
      comparable(families.flatMap(({ samples }) => samples)),
      comparable(witness.flatMap(({ samples }) => samples)),
    );
    figures.gateway.active += 3;
    figures.process.cpuTime.user += 0.125;
    meters.gateway.connectionClosed(0.5, round === 0 ? 'normal' : 'drain');
    // One series goes and comes back, with the value that it had.
    const { container } = figures;
    if (round % 2 === 0) delete container!.memoryLimitBytes;
    else container!.memoryLimitBytes = limitBytes;
  }
});

test('what others record with the SDK is told anew at each scrape', async () => {
  const prometheus = createPrometheusReader(new OwnMetrics());
  const meter = new MeterProvider({ readers: [prometheus.reader] }).getMeter('of others');
  const histogram = meter.createHistogram('took', { advice: { explicitBucketBoundaries: [1, 10] } });
  const gauge = meter.createGauge('level');
  const told = async () => {
    const samples = parseText(String((await prometheus.scrape(undefined)).body)).flatMap(
      (family) => family.samples,
    );
    const sample = (name: string) => samples.find((one) => one.name === name)?.value;
    return [sample('took_count'), sample('took_sum'), sample('level')];
  };
  histogram.record(5);
  gauge.record(0);
  assert.deepEqual(await told(), [1, 5, 0]);
  assert.deepEqual(await told(), [1, 5, 0]);
  histogram.record(0);
  assert.deepEqual(await told(), [2, 5, 0]);
  histogram.record(7);
  gauge.record(Number.POSITIVE_INFINITY);
  assert.deepEqual(await told(), [3, 12, Number.POSITIVE_INFINITY]);
  gauge.record(-1);
  assert.deepEqual(await told(), [3, 12, -1]);
});

test('instruments of one name in two scopes are one family, unless they are of two types', async () => {
  const prometheus = createPrometheusReader(new OwnMetrics());
  const provider = new MeterProvider({ readers: [prometheus.reader] });
  for (const scope of ['a', 'b'])
    provider.getMeter(scope).createCounter('requests', { unit: '{request}' }).add(1, { scope });
  provider.getMeter('c').createUpDownCounter('requests_total', { unit: '{request}' }).add(7);
  for (const accept of [undefined, openMetrics]) {
    const samples = parseExposition(String((await prometheus.scrape(accept)).body));
    assert.deepEqual(
      samples
        .filter(({ name }) => name === 'requests_total')
        .map(({ labels, value }) => [labels.scope, value]),
      [
        ['a', 1],
        ['b', 1],
      ],
    );
  }
});

test('attributes that become one label share it, in the order of their names', async () => {
  const prometheus = createPrometheusReader(new OwnMetrics());
  const resource = resourceFromAttributes({
    'pod.name': 'dots',
    a: 1,
    pod_name: 'underscore',
    'pod-name': 'dash',
  });
  const provider = new MeterProvider({ resource, readers: [prometheus.reader] });
  provider.getMeter('a').createCounter('requests').add(1);
  for (const accept of [undefined, openMetrics]) {
    const samples = parseExposition(String((await prometheus.scrape(accept)).body));
    const target = samples.find(({ name }) => name === 'target_info');
    assert.deepEqual(target?.labels, { a: '1', pod_name: 'dash;dots;underscore' });
  }
});

test('every family is named as its instrument is translated, with its type and its explanation', async () => {
  const { scrape } = start();
  const families = new Map(
    parseText(String((await scrape(undefined)).body)).map((family) => [family.name, family]),
  );
  const types = {
    counter: 'counter',
    upDownCounter: 'gauge',
    gauge: 'gauge',
    histogram: 'histogram',
  } as const;
  for (const { name, unit, kind, counts } of instruments) {
    const series = seriesName(name, unit, kind);
    const family = families.get(series);
    if (kind === 'histogram' && family === undefined) continue;
    assert.deepEqual([family?.type, family?.help], [types[kind], counts], name);
    families.delete(series);
  }
  assert.deepEqual([...families.keys()], ['target_info']);
});

test('OpenMetrics tells the unit where the name ends in it', async () => {
  const { scrape } = start();
  const units = new Map(
    parseOpenMetrics(String((await scrape(openMetrics)).body)).map(({ name, unit }) => [name, unit]),
  );
  assert.equal(units.get('process_cpu_time_seconds'), 'seconds');
  assert.equal(units.get('process_cpu_utilization_ratio'), 'ratio');
  assert.equal(units.get('tidegauge_io_bytes'), 'bytes');
  assert.equal(units.get('tidegauge_connection_active'), undefined);
});

test('labels are the attributes alone, and the resource is in target_info, whatever characters it has', async () => {
  const { scrape } = start();
  for (const accept of [undefined, openMetrics]) {
    const samples = parseExposition(String((await scrape(accept)).body));
    const [target, ...others] = samples.filter(({ name }) => name === 'target_info');
    assert.deepEqual(target, {
      name: 'target_info',
      labels: { service_name: 'tidegauge', deployment_note: awkward },
      value: 1,
    });
    assert.equal(others.length, 0);
    const closed = samples.find(({ name }) => name === 'tidegauge_connection_closed_total');
    assert.deepEqual(Object.keys(closed!.labels), ['tidegauge_close_reason', 'tidegauge_close_initiator']);
  }
});

test('a boundary has one way to be written', () => {
  const boundaries = [0, 0.0001, 0.00001, 0.25, 1, 10, 14_400, 100_000, 262_144, 1_048_576, 5e9, Infinity];
  assert.deepEqual(boundaries.map(renderBoundary), [
    ...['0.0', '0.0001', '1e-05', '0.25', '1.0', '10.0', '14400.0', '100000.0', '262144.0'],
    ...['1.048576e+06', '5e+09', '+Inf'],
  ]);
});

test('the format is the one that the scraper likes best, and text in doubt', () => {
  const cases: [accept: string | undefined, format: string][] = [
    [undefined, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['application/*', 'text'],
    ['text/plain', 'text'],
    ['application/json', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    ['application/openmetrics-text; version=1.0.0', 'openmetrics'],
    ['Application/OpenMetrics-Text; Version="1.0.0"', 'openmetrics'],
    ['application/openmetrics-text; version=0.0.1', 'text'],
    ['application/openmetrics-text; version=2.0.0', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=nonsense', 'text'],
    ['application/openmetrics-text;q=0.5,text/plain;q=0.4', 'openmetrics'],
    ['application/openmetrics-text;q=0.5,text/plain;q=0.6', 'text'],
    ['text/plain;version=0.0.4;q=0.5,*/*;q=0.1,application/openmetrics-text;q=0.5', 'openmetrics'],
    // What Prometheus 3 sends, without and with a preference for text.
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    ['text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2', 'text'],
  ];
  for (const [accept, format] of cases) assert.equal(expositionFormat(accept), format, String(accept));
});

test('scrapes of one turn share one reading, and a later one has its own', async () => {
  const { scrape, timesAsked } = start();
  const answers = await Promise.all([scrape(undefined), scrape(openMetrics), scrape(undefined)]);
  assert.equal(timesAsked(), 1);
  assert.equal(answers[0].body, answers[2].body);
  await scrape(undefined);
  assert.equal(timesAsked(), 2);
});

test('a scrape shows the figures as they are, and changes nothing of the SDK', async () => {
  const { scrape, figures, reader } = start();
  const active = async () =>
    parseExposition(String((await scrape(undefined)).body)).find(
      ({ name }) => name === 'tidegauge_connection_active',
    )?.value;
  assert.equal(await active(), 0);
  figures.gateway.active = 12;
  assert.equal(await active(), 12);
  const { resourceMetrics } = await reader.collect();
  const names = resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
    metrics.map(({ descriptor }) => descriptor.name),
  );
  assert.ok(names.includes('tidegauge.connection.active') && !names.includes('tidegauge_connection_active'));
});

test('a part that cannot be read is missing and counted, and the scrape succeeds', async () => {
  const own = new OwnMetrics();
  const prometheus = createPrometheusReader(own);
  createMeters(own.meterProvider(new MeterProvider({ readers: [prometheus.reader] })), {
    ...sourcesOf(handMadeFigures()),
    gateway() {
      throw new Error('broken');
    },
  });
  const samples = parseExposition(String((await prometheus.scrape(openMetrics)).body));
  assert.equal(samples.filter(({ name }) => name.startsWith('tidegauge_connection_')).length, 0);
  const errors = samples.find(
    ({ name, labels }) =>
      name === 'tidegauge_telemetry_collection_errors_total' &&
      labels.tidegauge_telemetry_source === 'gateway',
  );
  assert.equal(errors?.value, 1);
});

test('a scrape of nothing is well-formed too', () => {
  for (const accept of [undefined, openMetrics]) {
    const { contentType, body } = emptyScrape(accept, 'switched off');
    assert.equal(contentType, contentTypes[expositionFormat(accept)]);
    assert.match(String(body), accept === undefined ? /^# switched off\n$/ : /^# EOF\n$/);
  }
});
