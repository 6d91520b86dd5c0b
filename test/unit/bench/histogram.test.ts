/** The latency histogram against the sorted numbers themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyHistogram } from '../../bench/histogram.ts';
import { createRandom } from '../../bench/subscriptions.ts';

test('a quantile is within a hundredth of the true one, from microseconds to minutes', () => {
  const random = createRandom(1);
  const histogram = new LatencyHistogram();
  const values = Array.from({ length: 20_000 }, () => 0.002 * 10 ** (random() * 7));
  for (const value of values) histogram.record(value);
  const sorted = values.sort((a, b) => a - b);
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1]!;
    const ratio = histogram.quantileMs(share) / exact;
    assert.ok(Math.abs(ratio - 1) < 0.01, `p${share * 100}: ${ratio}`);
  }
  assert.equal(histogram.summary().maxMs, sorted.at(-1));
});

test('no quantile lies above the largest value', () => {
  const histogram = new LatencyHistogram();
  for (const value of [4.975, 5, 5.025]) {
    histogram.clear();
    histogram.record(value);
    const { p50Ms, p999Ms, maxMs } = histogram.summary();
    assert.equal(maxMs, value);
    for (const quantile of [p50Ms, p999Ms]) assert.ok(quantile <= value && quantile > value * 0.99);
  }
});

test('values beyond the range land at its ends', () => {
  const histogram = new LatencyHistogram();
  for (const value of [-1, 0, 1e12]) histogram.record(value);
  assert.equal(histogram.summary().samples, 3);
  assert.ok(histogram.quantileMs(0.5) < 0.002);
});

test('an empty or cleared histogram reads nought', () => {
  const histogram = new LatencyHistogram();
  const nought = { samples: 0, p50Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 };
  assert.deepEqual(histogram.summary(), nought);
  histogram.record(1);
  histogram.clear();
  assert.deepEqual(histogram.summary(), nought);
});
