/** Middles, how sure those are, and quantiles of a few numbers; those that do not exist (NaN) are left out. */

/** NaN when there is no number. */
export function median(numbers: readonly number[]): number {
  const sorted = existing(numbers);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The number at that share of the sorted ones; NaN when there is none. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = existing(numbers);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/**
 * Between which of the numbers the median of what they were drawn from lies, but for one time in twenty, whatever its
 * distribution: as many of them lie on one side of it as coins fall on one side. NaN where there are less than six.
 */
export function medianBounds(numbers: readonly number[]): [low: number, high: number] {
  const sorted = existing(numbers);
  const { length } = sorted;
  let outside = 0;
  let chance = 0.5 ** length;
  let rank = 0;
  while (outside + chance <= 0.025) {
    outside += chance;
    chance *= (length - rank) / (rank + 1);
    rank += 1;
  }
  return rank === 0 ? [Number.NaN, Number.NaN] : [sorted[rank - 1]!, sorted[length - rank]!];
}

function existing(numbers: readonly number[]): number[] {
  return numbers.filter((one) => !Number.isNaN(one)).sort((a, b) => a - b);
}
