/**
 * The standard OpenTelemetry variables that the gateway reads, as settings of the chart. A test holds this list against
 * the page of settings, in both directions, and against the parser.
 *
 * OTEL_RESOURCE_ATTRIBUTES is not among them: the chart writes it from what Kubernetes knows of the pod, and takes
 * further attributes as `resourceAttributes`.
 */
import type { SettingDeclaration } from '../src/config.ts';
import { histogramAggregations, otlpProtocols, temporalities } from '../src/telemetry/otel-env.ts';

export type OtelSetting = Omit<SettingDeclaration, 'schema'>;

type Form = Pick<OtelSetting, 'kind' | 'accepts'> &
  Partial<Pick<OtelSetting, 'choices' | 'bounds' | 'isSecret'>>;

const url: Form = { kind: 'text', accepts: 'a URL such as http://collector:4318' };
const milliseconds: Form = { kind: 'integer', accepts: 'milliseconds', bounds: [1, 2 ** 31 - 1] };
const flag: Form = { kind: 'flag', accepts: 'true or false' };
const file: Form = { kind: 'text', accepts: 'a path' };
const text: Form = { kind: 'text', accepts: 'text' };
const secretPairs: Form = {
  kind: 'text',
  accepts: 'pairs key=value, separated by commas',
  isSecret: true,
};
const choice = (choices: readonly string[]): Form => ({
  kind: 'choice',
  accepts: `one of ${choices.join(', ')}`,
  choices,
});

function otel(env: string, form: Form, doc: string, preset?: string): OtelSetting {
  return { env, default: preset, doc, isSecret: false, ...form };
}

/** The general variable and the one for metrics, which goes before it. */
function otlp(suffix: string, form: Form, doc: string, preset?: string): OtelSetting[] {
  return [
    otel(`OTEL_EXPORTER_OTLP_${suffix}`, form, doc, preset),
    otel(
      `OTEL_EXPORTER_OTLP_METRICS_${suffix}`,
      form,
      `${doc} For metrics only; goes before the general one.`,
    ),
  ];
}

export const otelSettings: readonly OtelSetting[] = [
  otel('OTEL_SERVICE_NAME', text, 'The name of the service in every figure that leaves.', 'tidegauge'),
  otel(
    'OTEL_METRICS_EXPORTER',
    { kind: 'list', accepts: 'otlp, console, prometheus, none' },
    'What is exported to.',
  ),
  ...otlp('ENDPOINT', url, 'The collector. Set: metrics are exported by OTLP.'),
  ...otlp('PROTOCOL', choice(otlpProtocols), 'How OTLP is spoken.', 'http/protobuf'),
  ...otlp('HEADERS', secretPairs, 'Headers of each export; they often carry a token.'),
  ...otlp('TIMEOUT', milliseconds, 'How long one export may take.', '10000'),
  ...otlp('COMPRESSION', choice(['none', 'gzip']), 'Whether exports are compressed.', 'none'),
  ...otlp('INSECURE', flag, 'Over gRPC, for an endpoint without a scheme: no TLS.', 'false'),
  ...otlp(
    'CERTIFICATE',
    file,
    "Path of a PEM file with the authority that signed the collector's certificate.",
  ),
  ...otlp('CLIENT_KEY', file, "Path of a PEM file with the client's key."),
  ...otlp('CLIENT_CERTIFICATE', file, "Path of a PEM file with the client's certificate."),
  otel(
    'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE',
    choice(temporalities),
    'Totals since the start, or differences.',
    'cumulative',
  ),
  otel(
    'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION',
    choice(histogramAggregations),
    'Fixed buckets, or exponential ones.',
    'explicit_bucket_histogram',
  ),
  otel('OTEL_METRIC_EXPORT_INTERVAL', milliseconds, 'Time between two exports.', '60000'),
  otel('OTEL_METRIC_EXPORT_TIMEOUT', milliseconds, 'How long collecting and exporting may take.', '30000'),
  otel('OTEL_NODE_EXPERIMENTAL_SDK_METRICS', flag, 'Also figures of the SDK about its readers.', 'false'),
  otel('OTEL_SDK_DISABLED', flag, 'No metrics leave the process, by OTLP or by /metrics.', 'false'),
];
