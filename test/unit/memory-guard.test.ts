import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryGuard } from '../../src/memory-guard.ts';

const MIB = 2 ** 20;

/** A container of 1,000 MiB, and a heap that may have as much and takes nothing. */
function create() {
  const container: { workingSetBytes?: number; memoryLimitBytes?: number } = {
    memoryLimitBytes: 1_000 * MIB,
  };
  const heap = { sizeBytes: 0, usedBytes: 0, limitBytes: 1_000 * MIB };
  const looks = { container: 0, heap: 0 };
  let nowMs = 0;
  let residentBytes = 0;
  const guard = new MemoryGuard({
    container: () => {
      looks.container += 1;
      return container;
    },
    residentBytes: () => residentBytes,
    heap: () => {
      looks.heap += 1;
      return heap;
    },
    nowMs: () => nowMs,
  });
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const isShortAt = (mib: number): boolean => {
    pass(50);
    container.workingSetBytes = mib * MIB;
    residentBytes = mib * MIB;
    return guard.isShort;
  };
  return { guard, container, heap, looks, pass, isShortAt };
}

test('a tenth of the container is kept free, and a little more before anybody may come again', () => {
  const { isShortAt } = create();
  const seen = [899, 900, 1_000, 850, 849, 899].map(isShortAt);
  assert.deepEqual(seen, [false, true, true, true, false, false]);
});

test('so is what a compaction of the heap may take, but not most of the container', () => {
  const { isShortAt, heap } = create();
  heap.sizeBytes = 500 * MIB;
  assert.deepEqual([799, 800, 750, 749].map(isShortAt), [false, true, true, false]);
  heap.sizeBytes = 2_000 * MIB;
  assert.deepEqual([599, 600].map(isShortAt), [false, true]);
});

test('a heap that is nearly full is short of memory, with and without a container', () => {
  for (const hasLimit of [true, false]) {
    const { isShortAt, heap, container } = create();
    if (!hasLimit) delete container.memoryLimitBytes;
    heap.limitBytes = 500 * MIB;
    const seen = [399, 400, 380, 379].map((mib) => {
      heap.usedBytes = mib * MIB;
      return isShortAt(550);
    });
    assert.deepEqual(seen, [false, true, true, false]);
  }
});

test('where there is plenty V8 is not asked, and a container without a limit is seldom', () => {
  const { isShortAt, looks, guard, container, pass } = create();
  for (let count = 0; count < 100; count += 1) assert.equal(isShortAt(499), false);
  // Once for its limit.
  assert.deepEqual(looks, { container: 100, heap: 1 });
  delete container.memoryLimitBytes;
  for (let count = 0; count < 100; count += 1) assert.equal(isShortAt(950), false);
  assert.equal(looks.container, 101);
  container.memoryLimitBytes = 1_000 * MIB;
  pass(30_000);
  assert.equal(guard.isShort, true);
});

test('however often it is asked, it looks each 10 ms', () => {
  const { isShortAt, looks, guard, pass } = create();
  assert.equal(isShortAt(950), true);
  for (let count = 0; count < 100; count += 1) assert.equal(guard.isShort, true);
  pass(10);
  assert.equal(guard.isShort, true);
  assert.equal(looks.container, 2);
});
