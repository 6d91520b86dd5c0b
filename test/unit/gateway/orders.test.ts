/** Orders that are kept for the pages to come: by name, for a time, and so many entries of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Orders } from '../../../src/gateway/orders.ts';

test('an order is had by its name until two minutes after its last use, and is then let go of', () => {
  let nowMs = 0;
  const orders = new Orders(() => nowMs);
  const ids = ['b', 'a'];
  const name = orders.keep(ids);
  assert.equal(orders.get(name), ids);
  assert.equal(orders.get('another'), undefined);
  nowMs += 120_000;
  assert.equal(orders.get(name), ids);
  nowMs += 120_001;
  assert.equal(orders.size, 1);
  orders.forgetOld();
  assert.equal(orders.size, 0);
  assert.equal(orders.get(name), undefined);
});

test('of more entries than half a million those go that were used longest ago, and the newest stays in any case', () => {
  const orders = new Orders(() => 0);
  const names = Array.from({ length: 5 }, () => orders.keep(new Array(100_000).fill('x')));
  assert.ok(orders.get(names[0]!));
  names.push(orders.keep(['one more']));
  const isKept = (name: string) => orders.get(name) !== undefined;
  assert.deepEqual(names.map(isKept), [true, false, true, true, true, true]);
  const large = orders.keep(new Array(600_000).fill('x'));
  assert.deepEqual([orders.size, isKept(large)], [1, true]);
});
