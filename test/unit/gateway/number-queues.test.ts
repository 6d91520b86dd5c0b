/** Many queues in one memory behave as arrays do, and take of it what they need. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockPool, NumberQueue } from '../../../src/gateway/number-queues.ts';
import { propertyRuns } from '../../support/property-runs.ts';

const QUEUES = 4;
const BLOCK_NUMBERS = 31;

const which = fc.nat(QUEUES - 1);
const share = fc.nat(10).map((tenths) => tenths / 10);
const step = fc.oneof(
  fc.record({ do: fc.constant('push' as const), which, count: fc.nat(3 * BLOCK_NUMBERS) }),
  fc.record({ do: fc.constant('drop' as const), which, share }),
  fc.record({ do: fc.constant('remove' as const), which, share, from: share }),
  fc.record({ do: fc.constant('read' as const), which, share, from: share }),
);

test('queues of one pool are as independent as arrays, whatever is done to them', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pool = new BlockPool();
      const pairs = Array.from({ length: QUEUES }, () => ({
        queue: new NumberQueue(pool),
        array: [] as number[],
      }));
      let next = -2;
      for (const one of steps) {
        const { queue, array } = pairs[one.which]!;
        const part = (of: number, length: number): number => Math.floor(of * length);
        if (one.do === 'push') {
          for (let count = 0; count < one.count; count += 1) {
            queue.push(next);
            array.push(next);
            next += 1;
          }
        } else if (one.do === 'drop') {
          const count = part(one.share, array.length);
          queue.drop(count);
          array.splice(0, count);
        } else {
          const from = part(one.from, array.length);
          const count = part(one.share, array.length - from);
          if (one.do === 'remove') assert.deepEqual(queue.remove(from, count), array.splice(from, count));
          else assert.deepEqual(queue.slice(from, from + count), array.slice(from, from + count));
        }
        for (const { queue: other, array: witness } of pairs) {
          assert.equal(other.length, witness.length);
          assert.deepEqual(other.slice(0, other.length), witness);
        }
        // Each queue may have begun its first block, and not have come to the end of its last.
        const numbers = pairs.reduce((sum, { array: witness }) => sum + witness.length, 0);
        const filled = pairs.filter(({ array: witness }) => witness.length > 0).length;
        assert.ok(pool.used >= numbers / BLOCK_NUMBERS && pool.used <= numbers / BLOCK_NUMBERS + 2 * filled);
      }
      for (const { queue } of pairs) queue.drop(queue.length);
      assert.equal(pool.used, 0);
    }),
    propertyRuns(300),
  );
});

test('what a peak took is let go of when all queues are empty', () => {
  const pool = new BlockPool();
  const queues = Array.from({ length: 100 }, () => new NumberQueue(pool));
  const fill = (numbers: number): void => {
    for (let number = 0; number < numbers; number += 1) for (const queue of queues) queue.push(number);
  };
  fill(100);
  const usualBytes = pool.bytes;
  for (const queue of queues) queue.drop(100);
  assert.equal(pool.bytes, usualBytes, 'a little stays for the next time');
  fill(50_000);
  assert.ok(pool.bytes > 100 * 50_000 * 4);
  for (const queue of queues) queue.drop(50_000);
  assert.ok(pool.bytes <= 4 * 2 ** 20, `${pool.bytes} bytes`);
  fill(10);
  assert.deepEqual(queues[99]!.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
