/**
 * When the hub asks for its next slice: one thing at most is asked for at any time, something while messages wait, and
 * nothing when all is done. Here the test decides when it comes, and so what comes before it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../../../src/gateway/connection.ts';
import { Hub } from '../../../src/gateway/hub.ts';

type Asked = { run: () => void; ms: number };

function createHub() {
  const ignore = (): void => undefined;
  const clock = { nowMs: 0 };
  const asked: Asked[] = [];
  const pauses: number[] = [];
  const recorder = {
    messageSize: ignore,
    fanoutDuration: ignore,
    fanoutRecipients: ignore,
    fanoutBatch: ignore,
  };
  const hub = new Hub(
    { flushSliceMs: 5, flushPacing: 0.5, pendingMax: 2 ** 20 },
    {
      nowMs: () => clock.nowMs,
      soon: (run) => void asked.push({ run, ms: 0 }),
      later: (run, ms) => {
        pauses.push(ms);
        asked.push({ run, ms });
      },
      recorder,
      channelWanted: ignore,
      channelUnwanted: ignore,
    },
  );
  return {
    hub,
    asked,
    pauses,
    /** Somebody who hears these channels; a write to him does so. */
    join(channels: string[], write: () => void) {
      const member = {
        membership: undefined,
        membershipIndex: -1,
        nextMessage: 0,
        state: 'open',
        deliver: write,
      };
      hub.assign(member as unknown as Connection, channels);
    },
    pass: (ms: number) => {
      clock.nowMs += ms;
    },
    publish: (subject: string) => hub.publish(subject, Buffer.from('m')),
    next() {
      assert.equal(asked.length, 1);
      const [{ run, ms }] = asked.splice(0) as [Asked];
      clock.nowMs += ms;
      run();
    },
  };
}

test('what comes in the pause asks for nothing more, and is written after it', () => {
  const { hub, asked, pauses, join, pass, publish, next } = createHub();
  join(['a'], () => pass(2));
  publish('a');
  next();
  publish('a');
  assert.deepEqual([asked.length, pauses, hub.pendingMessages], [1, [1], 1]);
  next();
  assert.equal(hub.pendingMessages, 0);
});

test('after a pause in which nothing came the hub rests, and wakes at the next message', () => {
  const { hub, asked, join, pass, publish, next } = createHub();
  join(['a'], () => pass(2));
  for (let round = 0; round < 2; round += 1) {
    publish('a');
    next();
    next();
    assert.deepEqual([asked.length, hub.pendingMessages], [0, 0]);
  }
});

test('what comes from within a flush too short for a pause is written next', () => {
  const { hub, asked, pauses, join, pass, publish, next } = createHub();
  join(['b'], () => pass(0.1));
  join(['a'], () => publish('b'));
  publish('a');
  next();
  assert.equal(hub.pendingMessages, 1);
  next();
  assert.deepEqual([asked.length, pauses, hub.pendingMessages], [0, [], 0]);
});

test('who is behind by seconds does not rest until that is made up for', () => {
  const { hub, asked, pauses, join, pass, publish, next } = createHub();
  for (let index = 0; index < 10; index += 1) join(['a', `own.${index}`], () => pass(100));
  // Each flush takes a second, which is usual here, and pauses twice.
  for (let round = 0; round < 2; round += 1) {
    publish('a');
    while (asked.length > 0) next();
  }
  assert.deepEqual(pauses, [250, 250, 250, 250]);
  publish('a');
  pass(2_000);
  while (hub.pendingMessages > 0) next();
  assert.deepEqual(pauses.slice(4), [250], 'none in the midst, when it was late; one after it');
});

test('a flush over more audiences than are forgotten together is one flush', () => {
  const { asked, pauses, join, pass, publish, next } = createHub();
  for (let index = 0; index < 1_600; index += 1) join(['a', `own.${index}`], () => pass(0.125));
  publish('a');
  while (asked.length > 0) next();
  assert.deepEqual(pauses, [100]);
});
