/** The standard environment variables: what each means, and which values are refused with which words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OtelSettings, type OtlpSettings, parseOtelEnv } from '../../../src/telemetry/otel-env.ts';

function parsed(env: Record<string, string>): OtelSettings {
  const { settings, faults } = parseOtelEnv(env);
  assert.deepEqual(faults, []);
  return settings;
}

const otlpOf = (env: Record<string, string>): OtlpSettings => {
  const { otlp } = parsed({ OTEL_METRICS_EXPORTER: 'otlp', ...env });
  assert.ok(otlp);
  return otlp;
};

test('without variables nothing is pushed', () => {
  assert.deepEqual(parsed({}), {
    isDisabled: false,
    otlp: undefined,
    isConsole: false,
    exportIntervalMs: 60_000,
    exportTimeoutMs: 30_000,
    hasSdkMetrics: false,
    serviceName: undefined,
    resourceAttributes: {},
    warnings: [],
  });
});

test('OTLP is on when it or an endpoint is named, and off when others are', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
  const cases: [env: Record<string, string>, isOn: boolean][] = [
    [{ OTEL_METRICS_EXPORTER: 'otlp' }, true],
    [endpoint, true],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://collector:4318/x' }, true],
    [{ OTEL_METRICS_EXPORTER: '' }, false],
    [{ ...endpoint, OTEL_METRICS_EXPORTER: 'none' }, false],
    [{ ...endpoint, OTEL_METRICS_EXPORTER: 'prometheus' }, false],
    [{ ...endpoint, OTEL_METRICS_EXPORTER: ' prometheus, otlp ' }, true],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, false],
  ];
  for (const [env, isOn] of cases) assert.equal(parsed(env).otlp !== undefined, isOn, JSON.stringify(env));
  assert.equal(parsed({ OTEL_METRICS_EXPORTER: 'console' }).isConsole, true);
});

test('OTLP has the defaults of the specification', () => {
  assert.deepEqual(otlpOf({}), {
    protocol: 'http/protobuf',
    url: 'http://localhost:4318/v1/metrics',
    headers: {},
    timeoutMs: 10_000,
    compression: 'none',
    temporality: 'cumulative',
    histogramAggregation: 'explicit_bucket_histogram',
  });
  assert.equal(otlpOf({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }).url, 'http://localhost:4317');
});

test('a general endpoint is a base, one for metrics is taken as it is', () => {
  const general = (url: string, more = {}) => otlpOf({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...more }).url;
  assert.equal(general('http://c:4318'), 'http://c:4318/v1/metrics');
  assert.equal(general('https://c/base/'), 'https://c/base/v1/metrics');
  assert.equal(
    general('http://c:4318', { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://m/own' }),
    'http://m/own',
  );
  const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
  assert.equal(general('http://c:4317', grpc), 'http://c:4317');
  assert.equal(general('c:4317', grpc), 'https://c:4317');
  assert.equal(general('c:4317', { ...grpc, OTEL_EXPORTER_OTLP_INSECURE: 'true' }), 'http://c:4317');
});

test('a wrong value is told although the protocol in use has no need of it', () => {
  const { faults } = parseOtelEnv({ OTEL_EXPORTER_OTLP_INSECURE: 'maybe' });
  assert.match(faults.join(), /OTEL_EXPORTER_OTLP_INSECURE/);
});

test('a variable for metrics goes before the general one, and headers are put together', () => {
  const otlp = otlpOf({
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: '2000',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=1, b = two%20words ,',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'a=3',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'Delta',
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: 'base2_exponential_bucket_histogram',
    OTEL_EXPORTER_OTLP_CERTIFICATE: '/ca.pem',
  });
  assert.deepEqual(otlp, {
    protocol: 'http/json',
    url: 'http://localhost:4318/v1/metrics',
    headers: { a: '3', b: 'two words' },
    timeoutMs: 2_000,
    compression: 'gzip',
    temporality: 'delta',
    histogramAggregation: 'base2_exponential_bucket_histogram',
    certificate: { variable: 'OTEL_EXPORTER_OTLP_CERTIFICATE', path: '/ca.pem' },
  });
});

test('an export does not take longer than the interval between two', () => {
  const { exportIntervalMs, exportTimeoutMs } = parsed({ OTEL_METRIC_EXPORT_INTERVAL: '5000' });
  assert.deepEqual([exportIntervalMs, exportTimeoutMs], [5_000, 5_000]);
  assert.equal(parsed({ OTEL_METRIC_EXPORT_TIMEOUT: '1000' }).exportTimeoutMs, 1_000);
});

test('the resource comes from its two variables', () => {
  const settings = parsed({
    OTEL_SERVICE_NAME: 'gauge-7',
    OTEL_RESOURCE_ATTRIBUTES: 'k8s.pod.name=tidegauge-0,deployment.environment.name=pre%2Dprod',
  });
  assert.equal(settings.serviceName, 'gauge-7');
  assert.deepEqual(settings.resourceAttributes, {
    'k8s.pod.name': 'tidegauge-0',
    'deployment.environment.name': 'pre-prod',
  });
});

test('OTEL_CONFIG_FILE is not silently without effect', () => {
  const [warning] = parsed({ OTEL_CONFIG_FILE: '/etc/otel.yaml' }).warnings;
  assert.match(warning ?? '', /^OTEL_CONFIG_FILE is set, but .* not read/);
});

const faults: [name: string, value: string, remedy: RegExp][] = [
  ['OTEL_SDK_DISABLED', 'yes', /one of false, true$/],
  ['OTEL_METRICS_EXPORTER', 'otlp,statsd', /otlp, console, prometheus, none/],
  ['OTEL_METRICS_EXPORTER', 'none,otlp', /none alone/],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http', /one of http\/protobuf, http\/json, grpc$/],
  ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'udp', /one of http\/protobuf, http\/json, grpc$/],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', /a URL such as http:\/\/host:4318$/],
  ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', 'ftp://collector', /a URL/],
  ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd', /one of none, gzip$/],
  ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s', /milliseconds above 0$/],
  ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'monthly', /one of cumulative, delta, lowmemory$/],
  ['OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION', 'fine', /base2_exponential_bucket_histogram$/],
  ['OTEL_METRIC_EXPORT_INTERVAL', 'often', /milliseconds above 0$/],
  ['OTEL_METRIC_EXPORT_INTERVAL', '0', /milliseconds above 0$/],
  ['OTEL_METRIC_EXPORT_INTERVAL', '4294967296', /milliseconds above 0$/],
  ['OTEL_METRIC_EXPORT_TIMEOUT', '70000', /at most OTEL_METRIC_EXPORT_INTERVAL, which is 60000$/],
  ['OTEL_RESOURCE_ATTRIBUTES', 'no-value', /key=value/],
  ['OTEL_RESOURCE_ATTRIBUTES', 'a=%zz', /key=value/],
];

for (const [name, value, remedy] of faults) {
  test(`${name}=${value} is a fault that names variable, value and remedy`, () => {
    const [fault = '', ...others] = parseOtelEnv({ [name]: value }).faults;
    assert.ok(fault.startsWith(`${name}: "${value}" cannot be used; it must be `), fault);
    assert.match(fault, remedy);
    assert.equal(others.length, 0);
  });
}

test('headers that no request can have are a fault, and are not repeated', () => {
  for (const headers of ['authorization=Bearer%20s3cr%C3%A9t', 's%20p=1', 'a=1%0A2', 'key-bin=1']) {
    const { faults: all } = parseOtelEnv({ OTEL_EXPORTER_OTLP_HEADERS: headers });
    assert.deepEqual(all.length, 1, headers);
    assert.match(
      all[0]!,
      /^OTEL_EXPORTER_OTLP_HEADERS: the value cannot be used; .* that a header may have$/,
    );
  }
});

test('an export is not tried longer than its reader waits for it, or it would arrive behind the next', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };
  assert.equal(parsed(endpoint).otlp?.timeoutMs, 10_000);
  assert.equal(parsed({ ...endpoint, OTEL_METRIC_EXPORT_INTERVAL: '2000' }).otlp?.timeoutMs, 2_000);
});

test('all faults are told at once, and a secret is not repeated', () => {
  const { faults: all } = parseOtelEnv({
    OTEL_EXPORTER_OTLP_HEADERS: 'Bearer hunter2',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'me:hunter2@collector:4318',
    OTEL_METRICS_EXPORTER: 'x',
    OTEL_SDK_DISABLED: '1',
  });
  assert.equal(all.length, 4);
  assert.ok(all.every((fault) => !fault.includes('hunter2')));
});
