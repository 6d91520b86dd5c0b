/**
 * The page of instruments, as Markdown, from the catalogue: for the person who meets a figure at night. Pure; it is
 * written by `npm run generate`, and a test keeps the file fresh.
 */

import type { Attribute, InstrumentKind, Stability } from './catalogue/declaration.ts';
import { type Instrument, instruments, type Scope, scopes } from './catalogue.ts';
import { labelName, seriesName } from './metric-names.ts';

const introduction = `<!-- Generated from src/telemetry/catalogue.ts by \`npm run generate\`; change it there. -->

# Instruments

Every figure that Tidegauge has, by the part it belongs to. Each line under a name is the name of the series in
Prometheus, the same whether it was scraped from \`/metrics\` or pushed by OTLP; a dot in an attribute becomes an
underscore in a label. The JSON reports are rendered from the same instruments.

- A **counter** only rises, from the start of the process. Look at its rate.
- An **up-down counter** is an amount that can be summed over replicas. A **gauge** should not be summed.
- A **histogram** has the series \`_bucket\`, \`_sum\` and \`_count\`, from the first event on. All other series are
  there from the first collection, with 0 for what has not happened.
- A figure that the platform cannot tell has no series. One that cannot be read for a while keeps its last value,
  and is counted in \`tidegauge.telemetry.collection.errors\`.
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
  'tidegauge/telemetry': 'Telemetry itself',
};

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
  return [introduction, ...scopes.map(renderScope)].join('\n');
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

function renderUnit(unit: string): string {
  if (unit === 's') return 'seconds';
  if (unit === 'By') return 'bytes';
  return unit === '1' ? 'a ratio, or 0 and 1' : `counted in ${unit}`;
}

function renderAttributes({ attributes = [], implied }: Instrument): string[] {
  const given: readonly Attribute[] =
    implied === undefined ? attributes : [...attributes, [implied[0], implied[1]]];
  return given.map(([name, values]) => {
    const what =
      'upTo' in values ? `${values.what}; at most ${values.upTo} values` : values.map(code).join(', ');
    return `- \`${name}\` (label \`${labelName(name)}\`): ${what}`;
  });
}

function code(text: string): string {
  return `\`${text}\``;
}
