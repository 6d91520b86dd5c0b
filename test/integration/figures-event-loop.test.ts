/** Windows of the event loop in a real process: utilisation, an injected block, and an idle loop. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createSubject, firstThatHolds, type Subject } from '../support/figures-subject.ts';

describe('event-loop figures', () => {
  let subject: Subject;
  before(async () => {
    subject = await createSubject();
    await subject.ask('settle');
  });
  after(() => subject.end());

  it('read a half for a loop that works as long as it waits, in the window and in the sums', async () => {
    await firstThatHolds(8, async () => {
      const before = (await subject.ask('figures')).runtime.eventLoopTime;
      await subject.ask('closeWindow');
      const truth = await subject.ask('halfBusy', { ms: 700 });
      const window = await subject.ask('closeWindow');
      const afterwards = (await subject.ask('figures')).runtime.eventLoopTime;
      assert.ok(Math.abs(truth - 0.5) <= 0.01, `the load itself was ${truth}`);
      assert.ok(Math.abs(window.eventLoopUtilization - 0.5) <= 0.02, `${window.eventLoopUtilization}`);
      const active = afterwards.active - before.active;
      const share = active / (active + afterwards.idle - before.idle);
      assert.ok(Math.abs(share - 0.5) <= 0.02, `${share}`);
    });
  });

  for (const phase of ['event', 'timer', 'immediate'] as const) {
    it(`show a block of 60 ms in max and p99 (${phase} callback)`, async () => {
      await subject.ask('settle');
      await subject.ask('closeWindow');
      const startMs = performance.now();
      const blockedMs = await subject.ask('block', { ms: 60, phase });
      await subject.ask('settle');
      const { eventLoopDelay: delay } = await subject.ask('closeWindow');
      const windowSeconds = (performance.now() - startMs) / 1000;
      // The histogram keeps three digits.
      const least = (blockedMs / 1000) * 0.999;
      assert.ok(delay.max >= least && delay.max <= windowSeconds, `max ${delay.max} of ${windowSeconds}`);
      assert.ok(delay.p99 >= least && delay.p99 <= delay.max, `p99 ${delay.p99}`);
      assert.ok(delay.p50 < least, `p50 ${delay.p50}`);
    });
  }

  it('forget a block in the next window, whose p99 is small while idle', async () => {
    // The kernel may end a wait late by a thousandth of its length. By how much more a busy machine has ended it late
    // the program sees for itself; that the machine has also taken it off while it worked, it cannot: hence attempts.
    await firstThatHolds(20, async () => {
      await subject.ask('closeWindow');
      const askedMs = 200;
      const waitedMs = await subject.ask('idle', { ms: askedMs });
      const { eventLoopDelay: delay, eventLoopUtilization } = await subject.ask('closeWindow');
      const most = 0.001 + (0.002 * waitedMs) / 1000 + (waitedMs - askedMs) / 1000;
      assert.ok(delay.p99 <= most, `p99 ${delay.p99} over ${most}`);
      assert.ok(eventLoopUtilization < 0.1, `${eventLoopUtilization}`);
    });
  });

  it('are finite numbers in every window, also in one without a turn', async () => {
    for (let close = 0; close < 5; close++) {
      const { eventLoopDelay, ...rest } = await subject.ask('closeWindow');
      const numbers = [
        ...Object.values(eventLoopDelay),
        rest.eventLoopUtilization,
        rest.age,
        rest.cpuUtilization.user,
      ];
      for (const value of numbers) assert.ok(Number.isFinite(value) && value >= 0 && value < 60, `${value}`);
    }
  });
});
