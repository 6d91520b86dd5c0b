/**
 * The semantic-convention registry of our own instruments, from the catalogue, in the form that OpenTelemetry's weaver
 * reads: a definition manifest and files of the format `definition/2`. Pure; otel/generate.ts writes it.
 *
 * Only our own names are defined here. Metrics and attributes of OpenTelemetry's conventions are imported and
 * referenced from the version that the manifest depends on, so nobody has to wonder which definition holds.
 */
import { attributeBriefs } from '../src/telemetry/catalogue/attributes.ts';
import type { Attribute, ClosedSet, InstrumentKind } from '../src/telemetry/catalogue/declaration.ts';
import {
  type Instrument,
  instruments,
  isWhole,
  type OwnAttribute,
  type Scope,
  scopes,
} from '../src/telemetry/catalogue.ts';
import { schemaUrl as conventionsUrl, conventionsVersion } from '../src/telemetry/conventions.ts';
import { seriesName } from '../src/telemetry/metric-names.ts';
import { registryUrl } from './schema.ts';

const fileFormat = 'definition/2';
/** As long as the version is below 1, no name of ours is promised for ever. */
const stability = 'development';

const weaverInstruments: Readonly<Record<InstrumentKind, string>> = {
  counter: 'counter',
  upDownCounter: 'updowncounter',
  gauge: 'gauge',
  histogram: 'histogram',
};

/** By file name. */
export function registryFiles(): Record<string, object> {
  return {
    'manifest.yaml': manifest(),
    'imports.yaml': { file_format: fileFormat, imports: { metrics: importedMetrics() } },
    'attributes.yaml': { file_format: fileFormat, attributes: ownAttributes() },
    ...Object.fromEntries(scopes.map(metricFile).filter(([, file]) => file.metrics.length > 0)),
  };
}

function manifest(): object {
  return {
    description: 'The instruments of Tidegauge, a WebSocket gateway for NATS.',
    schema_url: registryUrl,
    stability,
    dependencies: [
      {
        schema_url: conventionsUrl,
        registry_path: `https://github.com/open-telemetry/semantic-conventions@v${conventionsVersion}[model]`,
      },
    ],
  };
}

function importedMetrics(): string[] {
  return instruments
    .filter((one) => one.stability !== 'ours')
    .map(({ name }) => name)
    .sort();
}

function ownAttributes(): object[] {
  const values = new Map<string, ClosedSet>();
  for (const [name, set] of instruments.flatMap(attributesOf)) {
    if (name in attributeBriefs) values.set(name, set as ClosedSet);
  }
  return [...values]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, set]) => ({
      key,
      brief: attributeBriefs[key as OwnAttribute],
      stability,
      type: { members: set.map((value) => ({ id: value, value, stability })) },
    }));
}

function metricFile(scope: Scope): [name: string, file: { file_format: string; metrics: object[] }] {
  const own = instruments.filter((one) => one.scope === scope && one.stability === 'ours');
  return [`${scope.replace('tidegauge/', '')}.yaml`, { file_format: fileFormat, metrics: own.map(metric) }];
}

function metric(instrument: Instrument): object {
  const { name, kind, unit, counts, scope } = instrument;
  const attributes = attributesOf(instrument);
  return {
    name,
    brief: counts,
    note: noteOf(instrument),
    instrument: weaverInstruments[kind],
    unit,
    stability,
    ...(attributes.length === 0 ? {} : { attributes: attributes.map((one) => reference(instrument, one)) }),
    annotations: {
      instrumentation_scope: scope,
      code_generation: { metric_value_type: isWhole(instrument) ? 'int' : 'double' },
      ...(isNamespace(name)
        ? { naming_conventions: { policy_exceptions: ['metric_namespace_collision'] } }
        : {}),
    },
  };
}

function noteOf({ name, kind, unit, not, source, question, boundaries }: Instrument): string {
  return [
    `It answers: ${question}`,
    `It is not: ${not}`,
    `Source: ${source}.`,
    ...(boundaries === undefined ? [] : [`Bucket boundaries: ${boundaries.join(', ')}.`]),
    `In Prometheus: \`${seriesName(name, unit, kind)}\`.`,
    '',
  ].join('\n');
}

/** Observed instruments have each attribute on each point; of a histogram the declaration says which may be absent. */
function reference({ onlyIf = {} }: Instrument, [name, values]: Attribute): object {
  const condition = onlyIf[name];
  return {
    ref: name,
    requirement_level:
      condition === undefined ? 'required' : { conditionally_required: `If and only if ${condition}.` },
    ...(name in attributeBriefs || 'upTo' in values
      ? {}
      : { note: `One of ${values.map(code).join(', ')}.` }),
  };
}

function attributesOf({ attributes = [], implied }: Instrument): readonly Attribute[] {
  return implied === undefined ? attributes : [...attributes, [implied[0], implied[1]]];
}

/** Weaver's rules want to be told when a metric's name begins another's on purpose. */
function isNamespace(name: string): boolean {
  return instruments.some((other) => other.name.startsWith(`${name}.`));
}

function code(text: string): string {
  return `\`${text}\``;
}
