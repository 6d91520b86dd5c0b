/** Readings over what the SDK collected. Looking a figure up is a search among a few points. */
import {
  DataPointType,
  type Histogram,
  type MetricData,
  type ScopeMetrics,
} from '@opentelemetry/sdk-metrics';
import type { Attributes, HistogramReading, Readings } from '../reports/readings.ts';

type Point<Value> = { readonly attributes: Attributes; readonly value: Value };

export class CollectedReadings implements Readings {
  readonly timestampMs: number;
  readonly #numbers = new Map<string, readonly Point<number>[]>();
  readonly #histograms = new Map<string, readonly Point<Histogram>[]>();

  constructor(timestampMs: number, scopeMetrics: readonly ScopeMetrics[]) {
    this.timestampMs = timestampMs;
    for (const { metrics } of scopeMetrics) for (const metric of metrics) this.#take(metric);
  }

  #take({ descriptor: { name }, dataPointType, dataPoints }: MetricData): void {
    // No attribute of ours is an array or absent, which the SDK's type allows.
    if (dataPointType === DataPointType.HISTOGRAM) {
      this.#histograms.set(name, dataPoints as readonly Point<Histogram>[]);
    } else if (dataPointType !== DataPointType.EXPONENTIAL_HISTOGRAM) {
      this.#numbers.set(name, dataPoints as readonly Point<number>[]);
    }
  }

  value(name: string, attributes: Attributes = {}): number | undefined {
    return find(this.#numbers.get(name) ?? [], attributes)?.value;
  }

  points(name: string): readonly Point<number>[] {
    return (this.#numbers.get(name) ?? []).map(({ attributes, value }) => ({ attributes, value }));
  }

  sum(name: string): number | undefined {
    return this.#numbers.get(name)?.reduce((sum, { value }) => sum + value, 0);
  }

  histogram(name: string, attributes: Attributes = {}): HistogramReading | undefined {
    const found = find(this.#histograms.get(name) ?? [], attributes)?.value;
    if (found === undefined) return undefined;
    const { count, sum = 0, min, max, buckets } = found;
    return {
      count,
      sum,
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
      boundaries: buckets.boundaries,
      buckets: buckets.counts,
    };
  }
}

function find<Value>(points: readonly Point<Value>[], attributes: Attributes): Point<Value> | undefined {
  const wanted = Object.entries(attributes);
  return points.find(
    ({ attributes: given }) =>
      Object.keys(given).length === wanted.length && wanted.every(([name, value]) => given[name] === value),
  );
}
