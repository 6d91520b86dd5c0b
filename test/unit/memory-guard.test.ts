import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryGuard } from '../../src/memory-guard.ts';

function create() {
  const container: { workingSetBytes?: number; memoryLimitBytes?: number } = {
    workingSetBytes: 0,
    memoryLimitBytes: 1_000,
  };
  const clock = { nowMs: 0 };
  let looks = 0;
  const guard = new MemoryGuard(
    () => {
      looks += 1;
      return container;
    },
    () => clock.nowMs,
  );
  const isShortAt = (workingSetBytes: number): boolean => {
    clock.nowMs += 10;
    container.workingSetBytes = workingSetBytes;
    return guard.isShort;
  };
  return { guard, container, clock, isShortAt, looks: () => looks };
}

test('memory is short from nine tenths of the limit on, until there is room again', () => {
  const { isShortAt } = create();
  const seen = [899, 900, 1_000, 850, 849, 899].map(isShortAt);
  assert.deepEqual(seen, [false, true, true, true, false, false]);
});

test('without a limit it never is; and one that is set is seen', () => {
  const { guard, container, clock, isShortAt, looks } = create();
  assert.equal(isShortAt(950), true);
  delete container.memoryLimitBytes;
  for (let count = 0; count < 100; count += 1) assert.equal(isShortAt(950), false);
  assert.equal(looks(), 2);
  container.memoryLimitBytes = 1_000;
  clock.nowMs += 30_000;
  assert.equal(guard.isShort, true);
});

test('however often it is asked, it looks each 10 ms; what cannot be read changes nothing', () => {
  const { guard, container, clock, isShortAt, looks } = create();
  assert.equal(isShortAt(950), true);
  for (let count = 0; count < 100; count += 1) assert.equal(guard.isShort, true);
  assert.equal(looks(), 1);
  delete container.workingSetBytes;
  clock.nowMs += 10;
  assert.equal(guard.isShort, true);
  assert.equal(looks(), 2);
});
