/**
 * One collection as text that Prometheus reads: format 0.0.4, or OpenMetrics 1.0.0. The SDK's own serializer writes the
 * older format only, works every name and label out anew at each scrape, and names series otherwise than the push way
 * does. Pure, but for the text that is kept for the next time. Created timestamps and exemplars are left out: they would make other series than the push way has.
 */
import type { MetricData } from '@opentelemetry/sdk-metrics';
import type { ExpositionFormat } from './accept.ts';
import { type Labels, type Rendered, renderLabels, type Series, seriesOf } from './series.ts';

type Histogram = { count: number; sum?: number; buckets: { boundaries: number[]; counts: number[] } };

export function renderExposition(
  format: ExpositionFormat,
  resource: Labels,
  metrics: readonly MetricData[],
): string {
  const families = new Map<string, { type: Series['type']; text: string }>();
  for (const metric of metrics) {
    const series = seriesOf(metric);
    if (series === undefined || metric.dataPoints.length === 0) continue;
    const { name, type, heads } = series;
    const family = families.get(name);
    // Of one name in several scopes there is one family. A second type would cost the whole scrape.
    if (family === undefined)
      families.set(name, { type, text: heads[format] + renderPoints(series, metric) });
    else if (family.type === type) family.text += renderPoints(series, metric);
  }
  let text = renderTargetInfo(format, resource);
  for (const family of families.values()) text += family.text;
  return format === 'text' ? text : `${text}# EOF\n`;
}

function renderTargetInfo(format: ExpositionFormat, resource: Labels): string {
  const sample = `target_info${renderLabels(resource)} 1\n`;
  return format === 'text'
    ? `# HELP target_info Target metadata\n# TYPE target_info gauge\n${sample}`
    : `# TYPE target info\n# HELP target Target metadata\n${sample}`;
}

/** The lines of all points. In an idle process most are what they were at the last scrape, and so is their text. */
function renderPoints(series: Series, { dataPoints }: MetricData): string {
  if (series.last !== undefined && isUnchanged(series.last, dataPoints)) return series.last.text;
  const lines: string[] = [];
  const values: number[] = [];
  for (const { attributes, value } of dataPoints) {
    if (typeof value === 'number') {
      lines.push(series.startsOf(attributes)[0]!, renderNumber(value), '\n');
      values.push(value);
    } else {
      const { count, sum = 0 } = value;
      addHistogram(lines, series, attributes, value as Histogram);
      values.push(count, sum);
    }
  }
  // Joined to one piece, for adding would make a tree of pieces, which is walked through whenever it is written.
  const text = lines.join('');
  series.last = { attributes: dataPoints.map(({ attributes }) => attributes), values, text };
  return text;
}

function isUnchanged({ attributes, values }: Rendered, dataPoints: MetricData['dataPoints']): boolean {
  if (attributes.length !== dataPoints.length) return false;
  let at = 0;
  for (let index = 0; index < dataPoints.length; index += 1) {
    const point = dataPoints[index]!;
    if (point.attributes !== attributes[index]) return false;
    const { value } = point;
    if (typeof value === 'number') {
      if (!Object.is(value, values[at])) return false;
      at += 1;
    } else {
      if (value.count !== values[at] || (value.sum ?? 0) !== values[at + 1]) return false;
      at += 2;
    }
  }
  return true;
}

function addHistogram(
  lines: string[],
  series: Series,
  attributes: Labels,
  { count, sum = 0, buckets }: Histogram,
): void {
  const starts = series.startsOf(attributes, buckets.boundaries);
  const total = buckets.boundaries.length;
  let upToHere = 0;
  for (let index = 0; index < total; index += 1) {
    upToHere += buckets.counts[index] ?? 0;
    lines.push(starts[index]!, String(upToHere), '\n');
  }
  lines.push(starts[total]!, String(count), '\n', starts[total + 1]!, String(count), '\n');
  lines.push(starts[total + 2]!, renderNumber(sum), '\n');
}

function renderNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
