/** Messages by number: found, counted and forgotten, also where the numbers begin anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Backlog, MESSAGE_BYTES, PLACE_BYTES } from '../../../src/gateway/backlog.ts';
import { Fanout } from '../../../src/gateway/fanout.ts';
import { encodeFrame } from '../../../src/gateway/frame.ts';
import type { NumberQueue } from '../../../src/gateway/number-queues.ts';
import { memoryBytes } from '../../support/memory.ts';

let named = 0;
function message(payloadBytes: number): Fanout {
  named += 1;
  return new Fanout(`public.${named}`, encodeFrame(Buffer.alloc(payloadBytes)), named);
}

test('whatever is settled first, what waits is found by its number, and its memory counted', () => {
  const actions = fc.array(
    fc.oneof(
      fc.record({ bytes: fc.nat(300), audiences: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ settle: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }) }),
    ),
    { maxLength: 200 },
  );
  // In the midst of the numbers, and where they begin anew.
  const firsts = fc.constantFrom(0, 2 ** 31 - 50);
  fc.assert(
    fc.property(firsts, actions, (first, all) => {
      const backlog = new Backlog(first);
      const waiting: { number: number; fanout: Fanout }[] = [];
      for (const action of all) {
        if ('bytes' in action) {
          const fanout = message(action.bytes);
          const number = backlog.add(fanout);
          for (let audience = 0; audience < action.audiences; audience += 1) backlog.expect(fanout);
          waiting.push({ number, fanout });
        } else if (waiting.length > 0) {
          const index = Math.floor(action.settle * waiting.length);
          const { fanout } = waiting[index]!;
          assert.equal(backlog.settle(fanout), fanout.audiences === 0);
          if (fanout.audiences === 0) waiting.splice(index, 1);
        }
        assert.equal(backlog.count, waiting.length);
        assert.equal(backlog.oldest, waiting[0]?.fanout);
        const bytes = waiting.map(
          ({ fanout }) => fanout.bytes.length + MESSAGE_BYTES + fanout.audiences * PLACE_BYTES,
        );
        assert.equal(
          backlog.bytes,
          bytes.reduce((sum, one) => sum + one, 0),
        );
        assert.deepEqual(
          backlog.all(waiting.map(({ number }) => number)),
          waiting.map(({ fanout }) => fanout),
        );
      }
    }),
  );
});

test('many that are finished are forgotten, and those behind them keep their numbers', () => {
  for (const first of [0, 2 ** 31 - 1_500]) {
    const backlog = new Backlog(first);
    const numbers = Array.from({ length: 3_000 }, () => {
      const fanout = message(10);
      const number = backlog.add(fanout);
      backlog.expect(fanout);
      return { number, fanout };
    });
    for (const { fanout } of numbers.slice(0, 2_000)) backlog.settle(fanout);
    for (const { number, fanout } of numbers.slice(2_000)) assert.equal(backlog.all([number])[0], fanout);
    assert.ok(backlog.isUpTo(numbers[1_000]!.number, numbers[2_000]!.number));
    assert.ok(backlog.isUpTo(numbers[2_000]!.number, numbers[2_000]!.number));
    assert.ok(!backlog.isUpTo(numbers[2_001]!.number, numbers[2_000]!.number));
  }
});

test('the oldest that are not being written go until the rest fits', () => {
  const backlog = new Backlog();
  const all = Array.from({ length: 10 }, () => {
    const fanout = message(100);
    const number = backlog.add(fanout);
    for (let audience = 0; audience < 5; audience += 1) backlog.expect(fanout);
    return { number, fanout };
  });
  const each = 102 + MESSAGE_BYTES + 5 * PLACE_BYTES;
  assert.equal(backlog.bytes, 10 * each);
  assert.ok(!backlog.isUpTo(all[0]!.number, backlog.lastToDrop(10 * each)));
  assert.equal(backlog.lastToDrop(7 * each), all[2]!.number);
  all[0]!.fanout.isBeingWritten = true;
  assert.equal(backlog.lastToDrop(7 * each), all[3]!.number);
});

test('the newest stays, for which room is being made, however large it is', () => {
  const backlog = new Backlog();
  const [small, large] = [message(10), message(100_000)];
  const numbers = [small, large].map((fanout) => {
    const number = backlog.add(fanout);
    backlog.expect(fanout);
    return number;
  });
  assert.equal(backlog.lastToDrop(50_000), numbers[0]);
});

test('of what has been written no frame is kept, also while something waits', async () => {
  const backlog = new Backlog();
  const payload = Buffer.alloc(100_000);
  const add = (): Fanout => {
    const fanout = new Fanout('public.large', encodeFrame(payload), 0);
    backlog.add(fanout);
    backlog.expect(fanout);
    return fanout;
  };
  let waiting = add();
  const beforeBytes = await memoryBytes();
  for (let sent = 0; sent < 500; sent += 1) {
    const next = add();
    backlog.settle(waiting);
    waiting = next;
  }
  const grownBytes = (await memoryBytes()) - beforeBytes;
  assert.equal(backlog.count, 1);
  assert.ok(grownBytes < 5 * payload.length, `${grownBytes} bytes are held`);
});

test('what waits takes as much memory as is counted', async () => {
  const fill = (payload: Buffer, audiences: number): { backlog: Backlog; queues: NumberQueue[] } => {
    const backlog = new Backlog();
    const queues = Array.from({ length: audiences }, () => backlog.createQueue());
    for (let sent = 0; sent < 30_000; sent += 1) {
      const fanout = new Fanout(`public.${sent % 1_000}.prices`, encodeFrame(payload), sent);
      const number = backlog.add(fanout);
      for (const queue of queues) {
        backlog.expect(fanout);
        queue.push(number);
      }
    }
    return { backlog, queues };
  };
  const measure = async (payloadBytes: number, audiences: number): Promise<number> => {
    const payload = Buffer.alloc(payloadBytes, 'x');
    const beforeBytes = await memoryBytes();
    const { backlog, queues } = fill(payload, audiences);
    const tookBytes = (await memoryBytes()) - beforeBytes;
    // They are of use until here.
    assert.equal(backlog.count, queues.at(-1)!.length);
    return tookBytes / backlog.bytes;
  };
  for (const [payloadBytes, audiences] of [
    [20, 1],
    [200, 1],
    [200, 100],
    [1_000, 10],
  ] as const) {
    const ratio = await measure(payloadBytes, audiences);
    assert.ok(ratio > 0.85 && ratio < 1.15, `${payloadBytes} bytes to ${audiences}: ${ratio} times`);
  }
});
