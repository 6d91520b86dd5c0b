/**
 * The standard OpenTelemetry environment variables, as far as they concern metrics: parsed and checked. Pure; the
 * environment is handed in. An empty value counts as unset, as the specification has it.
 *
 * The SDK itself warns of wrong values at most, and goes on with another. Here each is a fault that stops the
 * start, because a figure that goes nowhere is noticed on the night it is needed.
 */
import { EnvironmentReader, type OtelEnvironment, otlpNames, otlpPrefix } from './environment-reader.ts';

export type { OtelEnvironment } from './environment-reader.ts';

export const otlpProtocols = ['http/protobuf', 'http/json', 'grpc'] as const;
export type OtlpProtocol = (typeof otlpProtocols)[number];
export const temporalities = ['cumulative', 'delta', 'lowmemory'] as const;
export type Temporality = (typeof temporalities)[number];
const compressions = ['none', 'gzip'] as const;
const exporters = ['otlp', 'console', 'prometheus', 'none'] as const;
export const histogramAggregations = [
  'explicit_bucket_histogram',
  'base2_exponential_bucket_histogram',
] as const;

export type OtlpSettings = {
  protocol: OtlpProtocol;
  url: string;
  headers: Readonly<Record<string, string>>;
  timeoutMs: number;
  compression: (typeof compressions)[number];
  temporality: Temporality;
  histogramAggregation: (typeof histogramAggregations)[number];
  /** PEM files. */
  certificate?: NamedFile;
  clientKey?: NamedFile;
  clientCertificate?: NamedFile;
};

/** A path, and the variable that it stands in. */
export type NamedFile = { variable: string; path: string };

export type OtelSettings = {
  isDisabled: boolean;
  /** Off unless an endpoint or `otlp` is named. */
  otlp: OtlpSettings | undefined;
  isConsole: boolean;
  exportIntervalMs: number;
  exportTimeoutMs: number;
  /** Figures of the SDK about its readers. */
  hasSdkMetrics: boolean;
  serviceName: string | undefined;
  resourceAttributes: Readonly<Record<string, string>>;
  /** Things that are set and have no effect, each as a sentence. */
  warnings: string[];
};

/** Every fault at once: the variable, the value, and what it must be. */
export function checkTelemetryEnv(env: OtelEnvironment): string[] {
  return parseOtelEnv(env).faults;
}

export function parseOtelEnv(env: OtelEnvironment): { settings: OtelSettings; faults: string[] } {
  const read = new EnvironmentReader(env);
  const { otlp, isConsole } = exportersOf(read);
  const intervals = intervalsOf(read);
  const settings: OtelSettings = {
    isDisabled: read.flag('OTEL_SDK_DISABLED'),
    // Else one that is tried again after the reader has given it up would arrive behind the next.
    otlp: otlp && { ...otlp, timeoutMs: Math.min(otlp.timeoutMs, intervals.exportTimeoutMs) },
    isConsole,
    ...intervals,
    hasSdkMetrics: read.flag('OTEL_NODE_EXPERIMENTAL_SDK_METRICS'),
    serviceName: read.text('OTEL_SERVICE_NAME'),
    resourceAttributes: read.pairs('OTEL_RESOURCE_ATTRIBUTES'),
    warnings: [],
  };
  if (read.text('OTEL_CONFIG_FILE') !== undefined) {
    settings.warnings.push(
      'OTEL_CONFIG_FILE is set, but declarative configuration is not read here: use the OTEL_ variables',
    );
  }
  return { settings, faults: read.faults };
}

/** What is set, a line each, without what may be a secret: headers, and credentials in an address. */
export function renderTelemetryEnv(env: OtelEnvironment): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('OTEL_') && env[name]?.trim())
    .sort()
    .map((name) => {
      const value = env[name]!.trim();
      if (/_HEADERS$/.test(name)) return `${name} (set, not shown)`;
      return `${name}=${value.replace(/^(\w+:\/\/)[^/?#@]*@/, '$1…@')}`;
    });
}

function exportersOf(read: EnvironmentReader): Pick<OtelSettings, 'otlp' | 'isConsole'> {
  const named = read.list('OTEL_METRICS_EXPORTER', exporters);
  if (named.includes('none') && named.length > 1) {
    read.fault('OTEL_METRICS_EXPORTER', 'none alone, or a list without it');
  }
  // Read in any case, so that a wrong value is told before the day on which OTLP is switched on.
  const otlp = otlpOf(read);
  const hasEndpoint = read.first('ENDPOINT') !== undefined;
  const isWanted = named.length === 0 ? hasEndpoint : named.includes('otlp');
  return { otlp: isWanted ? otlp : undefined, isConsole: named.includes('console') };
}

function otlpOf(read: EnvironmentReader): OtlpSettings {
  const protocol = read.oneOf(read.first('PROTOCOL'), otlpProtocols, 'http/protobuf');
  const certificate = fileOf(read, 'CERTIFICATE');
  const clientKey = fileOf(read, 'CLIENT_KEY');
  const clientCertificate = fileOf(read, 'CLIENT_CERTIFICATE');
  return {
    protocol,
    url: urlOf(read, protocol),
    headers: {
      ...read.secretPairs(otlpNames('HEADERS').general),
      ...read.secretPairs(otlpNames('HEADERS').metrics),
    },
    timeoutMs: read.milliseconds(read.first('TIMEOUT'), 10_000),
    compression: read.oneOf(read.first('COMPRESSION'), compressions, 'none'),
    temporality: read.oneOf(`${otlpPrefix}METRICS_TEMPORALITY_PREFERENCE`, temporalities, 'cumulative'),
    histogramAggregation: read.oneOf(
      `${otlpPrefix}METRICS_DEFAULT_HISTOGRAM_AGGREGATION`,
      histogramAggregations,
      'explicit_bucket_histogram',
    ),
    ...(certificate === undefined ? {} : { certificate }),
    ...(clientKey === undefined ? {} : { clientKey }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
  };
}

function fileOf(read: EnvironmentReader, suffix: string): NamedFile | undefined {
  const variable = read.first(suffix);
  const path = read.text(variable);
  return variable === undefined || path === undefined ? undefined : { variable, path };
}

/** The endpoint for metrics is taken as it is; the general one is a base, which OTLP over HTTP appends a path to. */
function urlOf(read: EnvironmentReader, protocol: OtlpProtocol): string {
  const { metrics, general } = otlpNames('ENDPOINT');
  const isInsecure = read.flag(read.first('INSECURE'));
  if (protocol === 'grpc') {
    const url = read.url(metrics, true) ?? read.url(general, true) ?? 'http://localhost:4317';
    return url.includes('://') ? url : `${isInsecure ? 'http' : 'https'}://${url}`;
  }
  const base = read.url(general, false) ?? 'http://localhost:4318';
  return read.url(metrics, false) ?? `${base.replace(/\/$/, '')}/v1/metrics`;
}

/** Export interval and time-out; the second may not be longer, or exports would overtake each other. */
function intervalsOf(read: EnvironmentReader): Pick<OtelSettings, 'exportIntervalMs' | 'exportTimeoutMs'> {
  const exportIntervalMs = read.milliseconds('OTEL_METRIC_EXPORT_INTERVAL', 60_000);
  const preset = Math.min(30_000, exportIntervalMs);
  const exportTimeoutMs = read.milliseconds('OTEL_METRIC_EXPORT_TIMEOUT', preset);
  if (exportTimeoutMs > exportIntervalMs) {
    read.fault(
      'OTEL_METRIC_EXPORT_TIMEOUT',
      `at most OTEL_METRIC_EXPORT_INTERVAL, which is ${exportIntervalMs}`,
    );
  }
  return { exportIntervalMs, exportTimeoutMs };
}
