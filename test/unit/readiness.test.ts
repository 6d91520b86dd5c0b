import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busStates } from '../../src/bus/bus.ts';
import { notReady, type ReadinessFacts, readyReasons, reasonsNotReady } from '../../src/readiness.ts';

const ready: ReadinessFacts = {
  busState: 'connected',
  everConnected: true,
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
    starting: { everConnected: false, busState: 'connecting' },
    draining: { isDraining: true },
    bus: { busState: 'reconnecting', busAwaySinceMs: 1_000_000 - 15_001 },
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
  const away = { ...ready, busState: 'reconnecting' as const };
  assert.deepEqual(reasonsNotReady({ ...away, busAwaySinceMs: 1_000_000 }), []);
  assert.deepEqual(reasonsNotReady({ ...away, busAwaySinceMs: 1_000_000 - 15_000 }), []);
  assert.deepEqual(reasonsNotReady({ ...away, busAwaySinceMs: 1_000_000 - 15_001 }), ['bus']);
  assert.deepEqual(reasonsNotReady({ ...away, busAwaySinceMs: 999_999, graceMs: 0 }), ['bus']);
});

test('only a connected bus is there', () => {
  for (const busState of busStates) {
    const expected = busState === 'connected' ? [] : ['bus'];
    assert.deepEqual(reasonsNotReady({ ...ready, busState, busAwaySinceMs: 0 }), expected, busState);
  }
});

test('before the first connection the reason is starting, however long that takes', () => {
  const facts = { ...ready, busState: 'connecting' as const, everConnected: false, busAwaySinceMs: 0 };
  assert.deepEqual(reasonsNotReady(facts), ['starting']);
});

test('capacity holds at the limit and above it', () => {
  assert.equal(notReady({ ...ready, active: 100 }).capacity, true);
  assert.equal(notReady({ ...ready, active: 101 }).capacity, true);
  assert.equal(notReady({ ...ready, active: 99 }).capacity, false);
});
