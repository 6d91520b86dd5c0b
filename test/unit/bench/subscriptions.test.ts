/** Who subscribes to what in the bench, and how many deliveries follow from it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawSubscriptions, expectedDeliveries } from '../../bench/subscriptions.ts';

const plan = { channels: 50, perClient: 5 };

test('the draw is the same every time', () => {
  assert.deepEqual(drawSubscriptions(20, plan), drawSubscriptions(20, plan));
});

test('each client has as many different channels as planned', () => {
  for (const own of drawSubscriptions(200, plan)) {
    assert.equal(new Set(own).size, plan.perClient);
    assert.ok(own.every((channel) => channel >= 0 && channel < plan.channels));
  }
});

test('a client cannot have more channels than there are', () => {
  const [own] = drawSubscriptions(1, { channels: 3, perClient: 20 });
  assert.deepEqual([...own!].sort(), [0, 1, 2]);
});

test('the first channels are the popular ones', () => {
  const clients = drawSubscriptions(2_000, { channels: 1_000, perClient: 20 });
  const listeners = new Array<number>(1_000).fill(0);
  for (const own of clients) for (const channel of own) listeners[channel]! += 1;
  assert.ok(listeners[0]! > 1_500, `${listeners[0]} of 2,000 hear the first`);
  assert.ok(listeners[999]! < 40, `${listeners[999]} of 2,000 hear the last`);
});

test('expected deliveries are those of publishing to the channels in turn', () => {
  const subscriptions = drawSubscriptions(30, plan);
  for (const published of [0, 1, 49, 50, 51, 1_234]) {
    let deliveries = 0;
    for (let message = 0; message < published; message += 1) {
      const channel = message % plan.channels;
      deliveries += subscriptions.filter((own) => own.includes(channel)).length;
    }
    assert.equal(expectedDeliveries(subscriptions, plan.channels, published), deliveries);
  }
});
