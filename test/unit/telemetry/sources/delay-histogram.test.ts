/** Delays of a window, against the plain arithmetic of all samples. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DelayHistogram, noDelay } from '../../../../src/telemetry/sources/delay-histogram.ts';

const near = (actual: number, expected: number, share: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= share * expected + 1e-12, `${what}: ${actual}, not ${expected}`);

describe('DelayHistogram', () => {
  it('is zero where nothing was recorded', () => {
    assert.deepEqual(new DelayHistogram().summary(), noDelay);
  });

  it('tells what plain arithmetic tells, percentiles to within half a hundredth', () => {
    // From a microsecond to an hour, as often short as long.
    const delay = fc.double({ min: -6, max: 3.5, noNaN: true }).map((power) => 10 ** power);
    fc.assert(
      fc.property(fc.array(delay, { minLength: 1, maxLength: 300 }), (delays) => {
        const histogram = new DelayHistogram();
        for (const seconds of delays) histogram.record(seconds);
        const told = histogram.summary();
        const sorted = delays.toSorted((one, other) => one - other);
        const mean = delays.reduce((sum, one) => sum + one, 0) / delays.length;
        const variance = delays.reduce((sum, one) => sum + (one - mean) ** 2, 0) / delays.length;
        assert.equal(told.min, sorted[0]);
        assert.equal(told.max, sorted.at(-1));
        near(told.mean, mean, 1e-9, 'mean');
        assert.ok(Math.abs(told.stddev - Math.sqrt(variance)) <= 1e-6 * mean, `stddev ${told.stddev}`);
        for (const percent of [50, 90, 99] as const) {
          const exact = sorted[Math.ceil((percent / 100) * delays.length) - 1]!;
          near(told[`p${percent}`], exact, 0.0055, `p${percent}`);
        }
      }),
    );
  });

  it('counts what is less than nothing as nothing, and what is out of its range as the nearest', () => {
    const histogram = new DelayHistogram();
    histogram.record(-0.001);
    assert.deepEqual(histogram.summary(), noDelay);
    histogram.record(86_400);
    const { min, max, p50, p99 } = histogram.summary();
    assert.deepEqual({ min, max }, { min: 0, max: 86_400 });
    assert.ok(p50 < 2e-6, `${p50}`);
    assert.ok(p99 > 3_600 && p99 <= 86_400, `${p99}`);
  });

  it('forgets its extremes too, so that they are in no later window', () => {
    const histogram = new DelayHistogram();
    const fresh = new DelayHistogram();
    for (const seconds of [0.002, 5]) histogram.record(seconds);
    histogram.reset();
    // More than once, so that the rank lies behind what the first window had.
    for (const window of [histogram, fresh]) for (const seconds of [0.001, 7, 8, 9]) window.record(seconds);
    assert.deepEqual(histogram.summary(), fresh.summary());
  });

  it('forgets all that was, and nothing that comes', () => {
    const histogram = new DelayHistogram();
    for (const seconds of [0, 1e-6, 0.002, 5, 7_000]) histogram.record(seconds);
    histogram.reset();
    assert.deepEqual(histogram.summary(), noDelay);
    histogram.record(0.003);
    const fresh = new DelayHistogram();
    fresh.record(0.003);
    assert.deepEqual(histogram.summary(), fresh.summary());
    histogram.reset();
    histogram.reset();
    assert.deepEqual(histogram.summary(), noDelay);
  });
});
