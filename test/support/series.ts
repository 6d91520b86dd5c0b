/**
 * Series of Prometheus as keys that can be compared, wherever they were read: on /metrics, in a collector's
 * exposition, in Prometheus itself, or made from OTLP. A bucket's boundary is compared as a number, since each of
 * them writes it in its own way (1, 1.0, 1.048576e+06).
 */
import { parseText, type Sample } from './openmetrics.ts';

export type Labels = Readonly<Record<string, string>>;
/** By key. */
export type SeriesValues = Map<string, number>;

export function seriesKey(name: string, labels: Labels, without: readonly string[] = []): string {
  const pairs = Object.entries(labels)
    .filter(([label]) => label !== '__name__' && !without.includes(label))
    .map(([label, value]) => `${label}="${label === 'le' ? boundary(value) : value}"`);
  return `${name}{${pairs.sort().join(',')}}`;
}

function boundary(text: string): string {
  return String(Number(text.replace(/Inf$/, 'Infinity')));
}

export function valuesOf(samples: readonly Sample[], without: readonly string[] = []): SeriesValues {
  return new Map(samples.map(({ name, labels, value }) => [seriesKey(name, labels, without), value]));
}

/** What counters and histograms on a gateway's /metrics say now. Only they can be told to have stood still. */
export async function scrapeCounters(gateway: { adminUrl: string }): Promise<SeriesValues> {
  const families = parseText(await scrapeText(gateway));
  const counting = families.filter(({ type }) => type === 'counter' || type === 'histogram');
  return valuesOf(counting.flatMap(({ samples }) => samples));
}

export async function scrapeText({ adminUrl }: { adminUrl: string }, accept = '*/*'): Promise<string> {
  const answer = await fetch(`${adminUrl}/metrics`, {
    headers: { accept },
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) throw new Error(`/metrics answered ${answer.status}`);
  return await answer.text();
}

/**
 * The series that had the same value before and after. If they are counters, and something else read them in
 * between, it read the same value: the exactness of another exit can be told without stopping the clock.
 */
export function stoodStill(before: SeriesValues, after: SeriesValues): SeriesValues {
  return new Map([...before].filter(([key, value]) => after.get(key) === value));
}

/** Where another exit says something else than what is expected, a line for each series; nothing is the good case. */
export function differences(expected: SeriesValues, actual: SeriesValues): string[] {
  return [...expected]
    .filter(([key, value]) => actual.get(key) !== value)
    .map(([key, value]) => `${key}: ${actual.get(key) ?? 'nothing'} instead of ${value}`);
}

/** The sum over the series of a name, or over those of them that have a label, given as `label="value"`. */
export function summed(series: SeriesValues, name: string, label = ''): number {
  return [...series]
    .filter(([key]) => key.startsWith(`${name}{`) && key.includes(label))
    .reduce((sum, [, value]) => sum + value, 0);
}
