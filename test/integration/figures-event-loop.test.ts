/** Windows of the event loop in a real process: utilisation, an injected block, and an idle loop. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstThatHolds, type Subject } from '../support/figures-subject.ts';
import { createPlaces, type Place } from '../support/places.ts';

for (const place of createPlaces(512 * 1024 * 1024))
  describe(`event-loop figures ${place.name}`, { skip: place.skip }, () => eventLoopFigures(place));

function eventLoopFigures(place: Place): void {
  let subject: Subject;
  before(async () => {
    subject = await place.createSubject();
    await subject.ask('settle');
  });
  after(async () => {
    await subject.end();
    await place.leave();
  });

  it('read a half for a loop that works as long as it waits, in the sums and in every reader', async () => {
    // The witness is the load itself, by its own clock. Time that the machine takes away between the two is in neither
    // or in one of them only: hence attempts.
    await firstThatHolds(20, async () => {
      const { share, window, sums } = await subject.ask('halfBusy', { ms: 700 });
      assert.ok(Math.abs(share - 0.5) <= 0.005, `the load itself was ${share}`);
      assert.ok(Math.abs(window - 0.5) <= 0.02, `window ${window}`);
      assert.ok(Math.abs(sums - 0.5) <= 0.02, `sums ${sums}`);
      for (const [reader, told] of Object.entries(await subject.ask('readers')))
        assert.equal(told.eventLoopUtilization, window, reader);
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
      // One histogram keeps three digits.
      const least = (blockedMs / 1000) * 0.999;
      // The other keeps two, and tells the upper end.
      assert.ok(
        delay.max >= least && delay.max <= windowSeconds * 1.01,
        `max ${delay.max} of ${windowSeconds}`,
      );
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
}
