import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, medianBounds, quantile } from '../../bench/statistics.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => count - index);

test('numbers that do not exist are in no median and no quantile', () => {
  assert.equal(median([3, Number.NaN, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(quantile([Number.NaN, 1, 2], 0.99), 2);
  for (const nothing of [median([]), quantile([Number.NaN], 0.5)]) assert.ok(Number.isNaN(nothing));
});

/** Tables of the sign test: the ranks of a 95 % interval of the median. */
test('the bounds of a median are those ranks that it passes but one time in twenty', () => {
  const ranks = [6, 9, 15, 25, 50, 100].map((count) => [count, ...medianBounds(upTo(count))]);
  assert.deepEqual(ranks, [
    [6, 1, 6],
    [9, 2, 8],
    [15, 4, 12],
    [25, 8, 18],
    [50, 18, 33],
    [100, 40, 61],
  ]);
  assert.deepEqual(medianBounds([1, 2, 3, 4, 5]), [Number.NaN, Number.NaN]);
});
