/**
 * The page of instruments, as Markdown, from the catalogue: for the person who meets a figure at night. Pure; it is
 * written by `npm run generate`, and a test keeps the file fresh.
 */

import { attributeBriefs } from './catalogue/attributes.ts';
import type { Attribute, InstrumentKind, Stability } from './catalogue/declaration.ts';
import { type Instrument, instruments, type OwnAttribute, type Scope, scopes } from './catalogue.ts';
import { type LegacyField, type LegacyFields, legacyDocuments } from './legacy-fields.ts';
import { labelName, seriesName } from './metric-names.ts';

const introduction = `<!-- Generated from src/telemetry/catalogue.ts and legacy-fields.ts by \`npm run generate\`; change them there. -->

# Instruments

Every figure that Tidegauge has, by the part it belongs to. Each line under a name is the name of the series in
Prometheus, the same whether it was scraped from \`/metrics\` or pushed by OTLP; a dot in an attribute becomes an
underscore in a label. The JSON documents are rendered from the same instruments; the [last part](#the-json-documents)
goes through their fields, and how they differ from those of the Go server whose clients they serve.

- A **counter** only rises, from the start of the process. Look at its rate.
- An **up-down counter** is an amount that can be summed over replicas. A **gauge** should not be summed.
- A **histogram** has the series \`_bucket\`, \`_sum\` and \`_count\`, from the first event on. All other series are
  there from the first collection, with 0 for what has not happened.
- A figure that the platform cannot tell has no series, and neither has one that cannot be read just now: that is
  counted in \`tidegauge.telemetry.collection.errors\`. CPU time, the CPU limit, resident memory, V8's heap and the time
  of the event loop, from which others are computed, keep their last value until they can be read again.
- Values of attributes are closed sets, and no attribute is ever an identifier, so the number of series does not
  depend on the load.

A name is guaranteed by OpenTelemetry's semantic conventions, in the state given (stable, release candidate,
development), or it is ours. Names in development may change with the conventions; the changelog says so.
`;

const headings: Readonly<Record<Scope, string>> = {
  'tidegauge/gateway': 'WebSocket connections and messages',
  'tidegauge/bus': 'The bus',
  'tidegauge/http': 'HTTP requests',
  'tidegauge/process': 'The process',
  'tidegauge/runtime': 'V8 and the event loop',
  'tidegauge/container': 'The container',
  'tidegauge/host': 'The machine',
  'tidegauge/telemetry': 'Telemetry itself',
};

const documentsIntroduction = `## The JSON documents

Names and shapes are those of a server in Go, so that its clients go on to work; what a field means on V8 and Linux is
said here. All numbers are unrounded, and \`mb\` is MiB. Totals count every connection since the start, the ended ones
too, and never fall. A figure that the platform cannot tell reads 0, for the keys are promised with a number (the
\`runtime\` part leaves such a key out). \`[]\` is each row of a list, \`*\` a name that is itself data.
`;

const kindNames: Readonly<Record<InstrumentKind, string>> = {
  counter: 'counter',
  upDownCounter: 'up-down counter',
  gauge: 'gauge',
  histogram: 'histogram',
};

const guarantees: Readonly<Record<Stability, string>> = {
  stable: 'semantic conventions, stable',
  'release candidate': 'semantic conventions, release candidate',
  development: 'semantic conventions, in development',
  ours: 'our own name',
};

export function renderInstrumentsPage(): string {
  const documents = Object.entries<LegacyFields>(legacyDocuments).map(renderDocument);
  return [introduction, ...scopes.map(renderScope), documentsIntroduction, ...documents].join('\n');
}

function renderScope(scope: Scope): string {
  const sections = instruments.filter((one) => one.scope === scope).map(renderInstrument);
  return `## ${headings[scope]}\n\nScope \`${scope}\`.\n\n${sections.join('\n')}`;
}

function renderInstrument(instrument: Instrument): string {
  const { name, kind, unit, stability, counts, not, source, question } = instrument;
  const series = seriesName(name, unit, kind);
  const lines = [
    `### ${name}`,
    '',
    `\`${series}\` · ${kindNames[kind]} · ${renderUnit(unit)} · ${guarantees[stability]}`,
    '',
    `*${question}*`,
    '',
    `- Shows: ${counts}`,
    `- Is not: ${not}`,
    `- Source: ${source}`,
    ...renderAttributes(instrument),
    ...(instrument.boundaries === undefined
      ? []
      : [`- Bucket boundaries: ${instrument.boundaries.join(', ')}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function renderDocument([path, fields]: [path: string, fields: LegacyFields]): string {
  const rows = Object.entries(fields).map(renderField);
  return `### ${path}\n\n| field | shows | comes from | in Go |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function renderField([key, { from, shows, original }]: [key: string, field: LegacyField]): string {
  const source = typeof from === 'string' ? from : from.map(code).join(', ');
  return `| ${code(key)} | ${shows} | ${source} | ${original} |`;
}

function renderUnit(unit: string): string {
  if (unit === 's') return 'seconds';
  if (unit === 'By') return 'bytes';
  return unit === '1' ? 'a ratio, or 0 and 1' : `counted in ${unit}`;
}

function renderAttributes({ attributes = [], implied, onlyIf = {} }: Instrument): string[] {
  const given: readonly Attribute[] =
    implied === undefined ? attributes : [...attributes, [implied[0], implied[1]]];
  return given.map(([name, values]) => {
    const brief = name in attributeBriefs ? `${attributeBriefs[name as OwnAttribute]} ` : '';
    const what =
      'upTo' in values ? `${values.what}; at most ${values.upTo} values` : values.map(code).join(', ');
    const when = onlyIf[name] === undefined ? '' : `; only if ${onlyIf[name]}`;
    return `- \`${name}\` (label \`${labelName(name)}\`): ${brief}${what}${when}`;
  });
}

function code(text: string): string {
  return `\`${text}\``;
}
