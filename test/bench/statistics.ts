/** Middles and quantiles of a few numbers; those that do not exist (NaN) are left out. */

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

function existing(numbers: readonly number[]): number[] {
  return numbers.filter((one) => !Number.isNaN(one)).sort((a, b) => a - b);
}
