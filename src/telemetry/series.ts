/**
 * What becomes of a collected metric in Prometheus: its name there, and all text around its numbers. Pure. It is the same at
 * each scrape, and asked for when a page is laid out.
 */
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import type { ExpositionFormat } from './accept.ts';
import { labelName, type SeriesKind, seriesName, seriesUnit } from './metric-names.ts';

export type Labels = Readonly<Record<string, unknown>>;

export type Series = {
  /** Of the family in text format 0.0.4: with the `_total` of counters, without `_bucket`, `_sum` and `_count`. */
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  /** The lines that say what the family is. */
  head(format: ExpositionFormat): string;
  /** A point's lines, each up to its number: one, or of a histogram its buckets, count and sum. */
  startsOf(attributes: Labels, boundaries?: readonly number[]): readonly string[];
};

/** Undefined for exponential histograms, which the text formats do not have. */
export function seriesOf(metric: MetricData): Series | undefined {
  const kind = kindOf(metric);
  if (kind === undefined) return undefined;
  const { unit, description } = metric.descriptor;
  const name = seriesName(metric.descriptor.name, unit, kind);
  const type = kind === 'upDownCounter' ? 'gauge' : kind;
  return {
    name,
    type,
    head: (format) =>
      format === 'text'
        ? textHead(name, type, description)
        : openHead(name, type, seriesUnit(unit, kind), description),
    startsOf: (attributes, boundaries) =>
      boundaries === undefined
        ? [`${name}${renderLabels(attributes)} `]
        : histogramStarts(name, attributes, boundaries),
  };
}

function kindOf(metric: MetricData): SeriesKind | undefined {
  if (metric.dataPointType === DataPointType.HISTOGRAM) return 'histogram';
  if (metric.dataPointType === DataPointType.GAUGE) return 'gauge';
  if (metric.dataPointType !== DataPointType.SUM) return undefined;
  return metric.isMonotonic ? 'counter' : 'upDownCounter';
}

function textHead(name: string, type: string, description: string): string {
  const help = description === '' ? '' : `# HELP ${name} ${escapeHelp(description)}\n`;
  return `${help}# TYPE ${name} ${type}\n`;
}

function openHead(name: string, type: string, unit: string, description: string): string {
  // A counter's family is named without the suffix that its sample has.
  const family = type === 'counter' ? name.replace(/_total$/, '') : name;
  const lines = [`# TYPE ${family} ${type}\n`];
  if (unit !== '' && family.endsWith(`_${unit}`)) lines.push(`# UNIT ${family} ${unit}\n`);
  if (description !== '') lines.push(`# HELP ${family} ${escapeText(description)}\n`);
  return lines.join('');
}

function histogramStarts(name: string, attributes: Labels, boundaries: readonly number[]): string[] {
  const starts = [...boundaries, Number.POSITIVE_INFINITY].map(
    (boundary) => `${name}_bucket${renderLabels({ ...attributes, le: renderBoundary(boundary) })} `,
  );
  const labels = renderLabels(attributes);
  return [...starts, `${name}_count${labels} `, `${name}_sum${labels} `];
}

/**
 * Attributes that become the same label share it, their values joined in the order of their names, as the
 * specification has it: a label that comes twice would cost the whole scrape.
 */
export function renderLabels(attributes: Labels): string {
  const byLabel = new Map<string, string>();
  const names = Object.keys(attributes);
  const labels = names.map(labelName);
  const ordered = new Set(labels).size === names.length ? names : names.toSorted();
  for (const name of ordered) {
    const value = attributes[name];
    const text = escapeText(typeof value === 'string' ? value : JSON.stringify(value ?? ''));
    const label = labelName(name);
    const before = byLabel.get(label);
    byLabel.set(label, before === undefined ? text : `${before};${text}`);
  }
  const pairs = [...byLabel].map(([label, text]) => `${label}="${text}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** A boundary is a label, so that the same number must always be the same text: 0.1, 1.0, 1.048576e+06. */
export function renderBoundary(boundary: number): string {
  if (!Number.isFinite(boundary)) return '+Inf';
  const [digits = '', exponent = ''] = boundary.toExponential().split('e');
  const power = Number(exponent);
  if (boundary !== 0 && (power < -4 || power >= 6)) {
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return Number.isInteger(boundary) ? `${boundary}.0` : String(boundary);
}

/** Of a label in both formats, and of the explanation in OpenMetrics. */
function escapeText(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
