/**
 * One series of a histogram: how many values fell into each bucket, their sum, the least and the greatest. A record is a
 * few additions and keeps nothing. Readers of totals are told what there is; a reader of differences has, beside what it was
 * told last, the extremes since then, for those cannot be had by subtracting.
 */
import type { Histogram } from '@opentelemetry/sdk-metrics';

type Totals = { counts: number[]; count: number; sum: number };
type Extremes = { min: number; max: number };
type Told = Totals & Extremes & { readonly reader: object };

const none: Readonly<Extremes> = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };

export class HistogramSeries {
  readonly #boundaries: number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;
  #min = none.min;
  #max = none.max;
  /** Those who are told differences. */
  readonly #readers: Told[] = [];

  /** Boundaries ascend; a value that equals one is in the bucket below. */
  constructor(boundaries: number[]) {
    this.#boundaries = boundaries;
    this.#counts = new Array<number>(boundaries.length + 1).fill(0);
  }

  record(value: number): void {
    this.#counts[this.#bucketOf(value)]! += 1;
    this.#count += 1;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    for (let index = 0; index < this.#readers.length; index += 1) {
      const reader = this.#readers[index]!;
      if (value < reader.min) reader.min = value;
      if (value > reader.max) reader.max = value;
    }
  }

  #bucketOf(value: number): number {
    const boundaries = this.#boundaries;
    let low = 0;
    let high = boundaries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (boundaries[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** All that was recorded. */
  total(): Histogram {
    return this.#told(this.#totals(), { min: this.#min, max: this.#max });
  }

  /** What was recorded since the reader asked last; undefined if that is nothing. */
  difference(reader: object): Histogram | undefined {
    const now = this.#totals();
    const before = this.#readers.find((one) => one.reader === reader);
    if (before === undefined) {
      this.#readers.push({ reader, ...now, ...none });
      return this.total();
    }
    if (now.count === before.count) return undefined;
    const counts = now.counts.map((count, bucket) => count - before.counts[bucket]!);
    const difference = { counts, count: now.count - before.count, sum: now.sum - before.sum };
    const told = this.#told(difference, before);
    Object.assign(before, now, none);
    return told;
  }

  #totals(): Totals {
    return { counts: this.#counts.slice(), count: this.#count, sum: this.#sum };
  }

  #told({ counts, count, sum }: Totals, { min, max }: Extremes): Histogram {
    return { min, max, sum, buckets: { boundaries: this.#boundaries, counts }, count };
  }
}
