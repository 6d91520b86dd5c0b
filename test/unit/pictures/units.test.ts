import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatValue, ticks } from '../../pictures/units.ts';

test('figures are written with their units, as Grafana does', () => {
  const cases: [value: number, unit: string, decimals: number | undefined, expected: string][] = [
    [0, 'short', undefined, '0'],
    [1234, 'short', undefined, '1.23 K'],
    [0.0005, 'none', undefined, '0.0005'],
    [0.4567, 'percentunit', 0, '46%'],
    [1536, 'bytes', undefined, '1.5 KiB'],
    [-2 * 1024 ** 2, 'binBps', undefined, '-2 MiB/s'],
    [40_400, 'cps', undefined, '40.4 Kc/s'],
    [0, 's', undefined, '0 s'],
    [0.000_196, 's', undefined, '196 µs'],
    [0.25, 's', 1, '250.0 ms'],
    [90, 's', undefined, '1.5 min'],
    [37.4, 'dtdurations', 0, '37 s'],
    [Number.NaN, 's', undefined, '-'],
    [Number.POSITIVE_INFINITY, 's', undefined, '∞'],
  ];
  for (const [value, unit, decimals, expected] of cases) {
    assert.equal(formatValue(value, unit, decimals), expected);
  }
  assert.throws(() => formatValue(1, 'furlong'), /furlong/);
});

test('an axis has round values, binary ones for bytes, and a zero where it passes one', () => {
  assert.deepEqual(ticks(0, 10, 'short'), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(-200, 300, 'cps'), [-200, -100, 0, 100, 200, 300]);
  assert.deepEqual(
    ticks(0, 250 * 1024 ** 2, 'bytes').map((value) => value / 1024 ** 2),
    [0, 64, 128, 192],
  );
});
