/**
 * One collection as text that Prometheus reads: format 0.0.4, or OpenMetrics 1.0.0. The SDK's own serializer writes the
 * older format only, works every name and label out anew at each scrape, and names series otherwise than the push way
 * does. Pure. Created timestamps and exemplars are left out: they would make other series than the push way has.
 */
import type { MetricData } from '@opentelemetry/sdk-metrics';
import type { ExpositionFormat } from './accept.ts';
import { type Labels, renderLabels, type Series, seriesOf } from './series.ts';

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

function renderPoints(series: Series, { dataPoints }: MetricData): string {
  let text = '';
  for (const { attributes, value } of dataPoints) {
    text +=
      typeof value === 'number'
        ? `${series.startsOf(attributes)[0]}${renderNumber(value)}\n`
        : renderHistogram(series, attributes, value as Histogram);
  }
  return text;
}

function renderHistogram(series: Series, attributes: Labels, { count, sum = 0, buckets }: Histogram): string {
  const starts = series.startsOf(attributes, buckets.boundaries);
  const total = buckets.boundaries.length;
  let text = '';
  let upToHere = 0;
  for (let index = 0; index < total; index += 1) {
    upToHere += buckets.counts[index] ?? 0;
    text += `${starts[index]}${upToHere}\n`;
  }
  return `${text}${starts[total]}${count}\n${starts[total + 1]}${count}\n${starts[total + 2]}${renderNumber(sum)}\n`;
}

function renderNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
