import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceiveBudget } from '../../../src/gateway/receive-budget.ts';
import { createTestGateway } from '../../support/test-gateway.ts';

const limits = { receiveRate: 10, receiveBurst: 3, badMessagesMax: 2 };

test('a burst passes, then as many as the rate allows', () => {
  const budget = new ReceiveBudget(limits, 0);
  const at = (nowMs: number) => budget.spend(nowMs);
  assert.deepEqual([at(0), at(0), at(0), at(0)], ['use', 'use', 'use', 'warn']);
  assert.deepEqual([at(100), at(200), at(250)], ['use', 'use', 'close']);
});

test('who has been quiet long enough is warned again before the end', () => {
  const budget = new ReceiveBudget(limits, 0);
  for (let sent = 0; sent < 4; sent += 1) budget.spend(0);
  assert.deepEqual(
    [400, 400, 400, 400].map((nowMs) => budget.spend(nowMs)),
    ['use', 'use', 'use', 'warn'],
  );
});

test('bad messages are counted by the minute', () => {
  const budget = new ReceiveBudget(limits, 0);
  assert.deepEqual(
    [0, 1, 60_000, 60_001, 60_002].map((nowMs) => budget.spendBad(nowMs)),
    [true, true, true, true, false],
  );
});

test('a client over its rate gets an error, then 1008; the messages in between are not used', () => {
  const { connect, figures } = createTestGateway({ receiveRate: 1, receiveBurst: 2 });
  const client = connect();
  for (let sent = 0; sent < 5; sent += 1) client.send('{"type":"heartbeat"}');
  const answers = client
    .received()
    .slice(1)
    .map((text) => JSON.parse(text));
  assert.deepEqual(
    answers.map(({ type, code }) => code ?? type),
    ['heartbeat', 'heartbeat', 'rate_limited'],
  );
  assert.equal(client.closeCode, 1008);
  assert.equal(figures().messages.receive, 5);
  assert.equal(figures().messagesRejected.rate_limited, 2);
});

test('pings, and pongs that nobody waits for, come out of the same budget; the last ping is answered', () => {
  for (const kind of ['ping', 'pong'] as const) {
    const { connect, figures } = createTestGateway({ receiveRate: 1, receiveBurst: 2 });
    const client = connect();
    client.send('{"type":"heartbeat"}');
    for (let sent = 0; sent < 3; sent += 1) client.events[kind](Buffer.alloc(0));
    const words = client
      .received()
      .slice(1)
      .map((text) => JSON.parse(text));
    assert.deepEqual(
      words.map(({ type, code }) => code ?? type),
      ['heartbeat', 'rate_limited'],
    );
    assert.equal(client.closeCode, 1008);
    assert.equal(client.pongs, kind === 'ping' ? 2 : 0);
    // They are no messages.
    assert.deepEqual([figures().messages.receive, figures().messagesRejected.rate_limited], [1, 0]);
  }
});

test('after a close has begun a thousand beyond the budget may be under way', () => {
  const budget = new ReceiveBudget(limits, 0);
  for (let sent = 0; sent < 3 + 1_000; sent += 1) assert.ok(budget.spendClosing(0));
  assert.ok(budget.spendClosing(100));
  assert.equal(budget.spendClosing(100), false);
});

test('a client that goes on sending what cannot be used is closed with 1008', () => {
  const { connect, figures } = createTestGateway({ badMessagesMax: 3 });
  const client = connect();
  for (let sent = 0; sent < 4; sent += 1) client.send('nonsense');
  assert.equal(client.closeCode, 1008);
  client.end(1006);
  assert.equal(figures().closed.policy, 1);
  assert.equal(figures().messagesRejected.malformed, 4);
});
