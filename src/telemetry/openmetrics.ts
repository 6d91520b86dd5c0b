/**
 * OpenMetrics 1.0.0 text. The SDK writes the older format only; this is the other one, from the same collection
 * and with the same series. Pure. Created timestamps and exemplars are left out: they would make other series
 * than the push way has.
 */
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { labelName, type SeriesKind } from './metric-names.ts';
import { seriesOf } from './series.ts';

type LabelValue = unknown;
type Labels = Readonly<Record<string, LabelValue>>;
type Histogram = { count: number; sum?: number; buckets: { boundaries: number[]; counts: number[] } };

const typeNames: Readonly<Record<SeriesKind, string>> = {
  counter: 'counter',
  upDownCounter: 'gauge',
  gauge: 'gauge',
  histogram: 'histogram',
};

export function renderOpenMetrics(resource: Labels, metrics: readonly MetricData[]): string {
  const families = metrics.map(renderFamily).filter((family) => family !== '');
  return `${renderTargetInfo(resource)}${families.join('')}# EOF\n`;
}

function renderTargetInfo(resource: Labels): string {
  const info = `target_info${renderLabels(resource)} 1\n`;
  return `# TYPE target info\n# HELP target The service that these metrics describe.\n${info}`;
}

function renderFamily(metric: MetricData): string {
  const series = seriesOf(metric);
  if (series === undefined || metric.dataPoints.length === 0) return '';
  const { kind, name, unit } = series;
  const { description } = metric.descriptor;
  // A counter's family is named without the suffix that its sample has.
  const family = kind === 'counter' ? name.replace(/_total$/, '') : name;
  const lines = [`# TYPE ${family} ${typeNames[kind]}\n`];
  if (unit !== '' && family.endsWith(`_${unit}`)) lines.push(`# UNIT ${family} ${unit}\n`);
  if (description !== '') lines.push(`# HELP ${family} ${escapeText(description)}\n`);
  for (const { attributes, value } of metric.dataPoints) {
    lines.push(
      typeof value === 'number'
        ? `${name}${renderLabels(attributes)} ${renderNumber(value)}\n`
        : renderHistogram(name, attributes, value as Histogram),
    );
  }
  return lines.join('');
}

function renderHistogram(name: string, attributes: Labels, { count, sum = 0, buckets }: Histogram): string {
  let upToHere = 0;
  const lines = buckets.boundaries.map((boundary, index) => {
    upToHere += buckets.counts[index] ?? 0;
    return `${name}_bucket${renderLabels({ ...attributes, le: renderBoundary(boundary) })} ${upToHere}\n`;
  });
  lines.push(`${name}_bucket${renderLabels({ ...attributes, le: '+Inf' })} ${count}\n`);
  const labels = renderLabels(attributes);
  lines.push(`${name}_count${labels} ${count}\n`, `${name}_sum${labels} ${renderNumber(sum)}\n`);
  return lines.join('');
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `${labelName(name)}="${escapeText(text)}"`;
  });
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function renderNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

/** A boundary is a label, so that the same number must always be the same text: 0.1, 1.0, 1.048576e+06. */
export function renderBoundary(boundary: number): string {
  if (!Number.isFinite(boundary)) return renderNumber(boundary);
  const [digits = '', exponent = ''] = boundary.toExponential().split('e');
  const power = Number(exponent);
  if (boundary !== 0 && (power < -4 || power >= 6)) {
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return Number.isInteger(boundary) ? `${boundary}.0` : String(boundary);
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
