/**
 * The delays of one window. A record is an addition in a table of 8 KB, and so is cheap enough for each turn of the event
 * loop; percentiles are right to half a hundredth, extremes and mean are exact. Node's own histogram of delays has a
 * quarter of a megabyte, which is gone through for mean and deviation and cleared for each window.
 */
import type { EventLoopDelay } from '../figures.ts';

export const noDelay: Readonly<EventLoopDelay> = {
  min: 0,
  max: 0,
  mean: 0,
  stddev: 0,
  p50: 0,
  p90: 0,
  p99: 0,
};

const BUCKETS_PER_OCTAVE = 64;
/** From a microsecond up to an hour and more; what is out of that counts as the nearest. */
const BUCKET_COUNT = 32 * BUCKETS_PER_OCTAVE;
const US_PER_SECOND = 1e6;

export class DelayHistogram {
  readonly #buckets = new Uint32Array(BUCKET_COUNT);
  #count = 0;
  #sum = 0;
  #sumOfSquares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  /** Less than nothing, which two clocks may make of nothing, is nothing. */
  record(seconds: number): void {
    const delay = Math.max(0, seconds);
    this.#buckets[bucketOf(delay)]! += 1;
    this.#count += 1;
    this.#sum += delay;
    this.#sumOfSquares += delay * delay;
    if (delay < this.#min) this.#min = delay;
    if (delay > this.#max) this.#max = delay;
  }

  /** Seconds; all 0 where nothing was recorded. */
  summary(): EventLoopDelay {
    if (this.#count === 0) return { ...noDelay };
    const mean = this.#sum / this.#count;
    return {
      min: this.#min,
      max: this.#max,
      mean,
      stddev: Math.sqrt(Math.max(0, this.#sumOfSquares / this.#count - mean * mean)),
      p50: this.#percentile(50),
      p90: this.#percentile(90),
      p99: this.#percentile(99),
    };
  }

  reset(): void {
    if (this.#count === 0) return;
    this.#buckets.fill(0, bucketOf(this.#min), bucketOf(this.#max) + 1);
    this.#count = 0;
    this.#sum = 0;
    this.#sumOfSquares = 0;
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = 0;
  }

  /** By the nearest rank. */
  #percentile(percent: number): number {
    const rank = Math.ceil((percent / 100) * this.#count);
    let bucket = bucketOf(this.#min);
    let upToHere = this.#buckets[bucket]!;
    while (upToHere < rank) {
      bucket += 1;
      upToHere += this.#buckets[bucket]!;
    }
    return Math.min(this.#max, Math.max(this.#min, middleOf(bucket)));
  }
}

function bucketOf(seconds: number): number {
  const microseconds = seconds * US_PER_SECOND;
  if (microseconds <= 1) return 0;
  return Math.min(BUCKET_COUNT - 1, Math.floor(Math.log2(microseconds) * BUCKETS_PER_OCTAVE));
}

function middleOf(bucket: number): number {
  return 2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE) / US_PER_SECOND;
}
