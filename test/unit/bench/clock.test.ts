/** The clock that marks and latencies share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mark, monotonicMs } from '../../bench/clock.ts';

test('reads the same clock as the marks', () => {
  // The closest of many, for this process may be put aside between two readings too.
  let closestMs = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const beforeMs = monotonicMs();
    const markedMs = Number.parseInt(mark().slice(1), 16) / 1e6;
    const afterMs = monotonicMs();
    assert.ok(afterMs >= beforeMs);
    closestMs = Math.min(closestMs, Math.abs(markedMs - (beforeMs + afterMs) / 2));
  }
  assert.ok(closestMs < 0.02, `${closestMs} ms apart`);
});

test('a mark is an at sign and 16 digits', () => {
  assert.match(mark(), /^@[0-9a-f]{16}$/);
});
