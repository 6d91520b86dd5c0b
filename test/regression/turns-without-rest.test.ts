/**
 * The hub's list of audiences that wait for their turn was only emptied when nobody waited. Under a load that
 * never let it rest, the list of turns already taken grew without end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Connection } from '../../src/gateway/connection.ts';
import { Hub } from '../../src/gateway/hub.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** A member that takes everything and keeps nothing. */
function listener(delivered: () => void): Connection {
  const member = {
    membership: undefined,
    membershipIndex: -1,
    nextMessage: 0,
    state: 'open',
    deliver: delivered,
  };
  return member as unknown as Connection;
}

test('a hub that is never idle keeps nothing of the turns that are over', () => {
  const none = (): void => {};
  let nowMs = 0;
  let slice: (() => void) | undefined;
  const hub = new Hub(
    { flushSliceMs: 1, flushPacing: 0, pendingMax: 2 ** 20 },
    {
      nowMs: () => nowMs,
      soon: (run) => {
        slice = run;
      },
      later: none,
      recorder: { messageSize: none, fanoutDuration: none, fanoutRecipients: none, fanoutBatch: none },
      channelWanted: none,
      channelUnwanted: none,
    },
  );
  let deliveries = 0;
  const takeOne = (): void => {
    deliveries += 1;
    nowMs += 1;
  };
  for (const channel of ['a', 'b']) hub.assign(listener(takeOne), [channel]);
  const payload = Buffer.from('x');
  hub.publish('a', payload);

  /** Each slice writes to one of the two, while something for the other comes in. */
  const run = (turns: number): number => {
    for (let turn = 0; turn < turns; turn += 1) {
      hub.publish(turn % 2 === 0 ? 'b' : 'a', payload);
      slice!();
    }
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = run(20_000);
  const after = run(500_000);
  assert.equal(deliveries, 520_000);
  assert.equal(hub.pendingMessages, 1);
  assert.ok(after - before < 1_000_000, `the heap has grown by ${after - before} bytes`);
});
