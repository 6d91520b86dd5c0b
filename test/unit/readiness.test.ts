import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notReady, type ReadinessFacts, readyReasons, reasonsNotReady } from '../../src/readiness.ts';

const ready: ReadinessFacts = {
  busWasThere: true,
  busAwaySinceMs: undefined,
  graceMs: 15_000,
  nowMs: 1_000_000,
  isDraining: false,
  active: 99,
  limit: 100,
  isOverloaded: false,
};

test('no reason holds for a gateway that is connected, has places and is not draining', () => {
  assert.deepEqual(reasonsNotReady(ready), []);
});

test('without memory for newcomers there is no capacity, whatever places there are', () => {
  assert.deepEqual(reasonsNotReady({ ...ready, isOverloaded: true }), ['capacity']);
});

test('each reason can hold alone, and together they keep their order', () => {
  const facts = {
    starting: { busWasThere: false },
    draining: { isDraining: true },
    bus: { busAwaySinceMs: 1_000_000 - 15_001 },
    capacity: { active: 100 },
  } as const;
  for (const reason of readyReasons) {
    assert.deepEqual(reasonsNotReady({ ...ready, ...facts[reason] }), [reason]);
  }
  const { draining, bus, capacity } = facts;
  const all = reasonsNotReady({ ...ready, ...capacity, ...bus, ...draining });
  assert.deepEqual(all, ['draining', 'bus', 'capacity']);
});

test('a bus that is away counts only once the grace is over', () => {
  assert.deepEqual(reasonsNotReady({ ...ready, busAwaySinceMs: 1_000_000 }), []);
  assert.deepEqual(reasonsNotReady({ ...ready, busAwaySinceMs: 1_000_000 - 15_000 }), []);
  assert.deepEqual(reasonsNotReady({ ...ready, busAwaySinceMs: 1_000_000 - 15_001 }), ['bus']);
  assert.deepEqual(reasonsNotReady({ ...ready, busAwaySinceMs: 999_999, graceMs: 0 }), ['bus']);
});

test('before the bus was there the reason is starting, however long that takes', () => {
  const facts = { ...ready, busWasThere: false, busAwaySinceMs: 0 };
  assert.deepEqual(reasonsNotReady(facts), ['starting']);
});

test('capacity holds at the limit and above it', () => {
  assert.equal(notReady({ ...ready, active: 100 }).capacity, true);
  assert.equal(notReady({ ...ready, active: 101 }).capacity, true);
  assert.equal(notReady({ ...ready, active: 99 }).capacity, false);
});
