/**
 * Which text stands before each number of a page for Prometheus, and which numbers of a collection come there: worked out
 * anew only when a series comes or goes. Pure.
 */
import type { Histogram, MetricData } from '@opentelemetry/sdk-metrics';
import type { ExpositionFormat } from './accept.ts';
import { type Labels, renderLabels, type Series, seriesOf } from './series.ts';

/**
 * What was collected, metric by metric and point by point, in its own order. Flat, because it is gone through at each scrape,
 * mostly after everything has left the processor's caches.
 */
export type Layout = {
  readonly resource: Labels;
  readonly descriptors: readonly MetricData['descriptor'][];
  /** Of a metric: how many points it has, and where on the page its first number comes. */
  readonly counts: Uint32Array;
  readonly firsts: Int32Array;
  /** Of all points. */
  readonly attributes: readonly Labels[];
};

/** All text of a page, in its order. */
export type LayoutTexts = {
  /** What comes before each number, from the one before on. */
  readonly starts: readonly string[];
  /** What comes after the last one. */
  readonly end: string;
};

/** In place of a first number: the metric is not on the page. */
const leftOut = -1;

export function layOut(
  format: ExpositionFormat,
  resource: Labels,
  metrics: readonly MetricData[],
): { layout: Layout; texts: LayoutTexts } {
  const firsts = new Int32Array(metrics.length).fill(leftOut);
  const starts: string[] = [];
  let before = renderTargetInfo(format, resource);
  for (const family of familiesOf(metrics)) {
    before += family[0]!.series.head(format);
    for (const { index, series } of family) {
      firsts[index] = starts.length;
      for (const { attributes, value } of metrics[index]!.dataPoints) {
        for (const start of series.startsOf(attributes, boundariesOf(value))) {
          starts.push(before + start);
          before = '\n';
        }
      }
    }
  }
  const layout = {
    resource,
    descriptors: metrics.map(({ descriptor }) => descriptor),
    counts: Uint32Array.from(metrics, ({ dataPoints }) => dataPoints.length),
    firsts,
    attributes: metrics.flatMap(({ dataPoints }) => dataPoints.map(({ attributes }) => attributes)),
  };
  return { layout, texts: { starts, end: format === 'text' ? before : `${before}# EOF\n` } };
}

type Member = { index: number; series: Series };

/** Of one name in several scopes there is one family. A second type would cost the whole scrape, so it is left out. */
function familiesOf(metrics: readonly MetricData[]): Iterable<Member[]> {
  const families = new Map<string, Member[]>();
  for (const [index, metric] of metrics.entries()) {
    const series = seriesOf(metric);
    if (series === undefined || metric.dataPoints.length === 0) continue;
    const family = families.get(series.name);
    if (family === undefined) families.set(series.name, [{ index, series }]);
    else if (family[0]!.series.type === series.type) family.push({ index, series });
  }
  return families.values();
}

function renderTargetInfo(format: ExpositionFormat, resource: Labels): string {
  const sample = `target_info${renderLabels(resource)} 1\n`;
  return format === 'text'
    ? `# HELP target_info Target metadata\n# TYPE target_info gauge\n${sample}`
    : `# TYPE target info\n# HELP target Target metadata\n${sample}`;
}

/** Writes the numbers of a collection in the order of the page. False when it is laid out otherwise. */
export function readNumbers(
  layout: Layout,
  resource: Labels,
  metrics: readonly MetricData[],
  numbers: Float64Array,
): boolean {
  const { descriptors, counts, firsts, attributes } = layout;
  if (resource !== layout.resource || metrics.length !== descriptors.length) return false;
  let point = 0;
  for (let index = 0; index < metrics.length; index += 1) {
    const { descriptor, dataPoints } = metrics[index]!;
    if (descriptor !== descriptors[index] || dataPoints.length !== counts[index]) return false;
    let place = firsts[index]!;
    for (const collected of dataPoints) {
      if (collected.attributes !== attributes[point]) return false;
      point += 1;
      if (place !== leftOut) place = readPoint(collected.value, numbers, place);
    }
  }
  return true;
}

function boundariesOf(value: unknown): readonly number[] | undefined {
  return typeof value === 'number' ? undefined : (value as Histogram).buckets.boundaries;
}

/** Answers with the place of the next one. */
function readPoint(value: unknown, numbers: Float64Array, place: number): number {
  if (typeof value === 'number') {
    numbers[place] = value;
    return place + 1;
  }
  const { count, sum = 0, buckets } = value as Histogram;
  let next = place;
  let upToHere = 0;
  for (let bucket = 0; bucket < buckets.boundaries.length; bucket += 1) {
    upToHere += buckets.counts[bucket] ?? 0;
    numbers[next++] = upToHere;
  }
  numbers[next++] = count;
  numbers[next++] = count;
  numbers[next++] = sum;
  return next;
}
