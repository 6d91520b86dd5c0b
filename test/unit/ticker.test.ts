/** Runs on a grid of time, over an injected clock and with real timers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Ticker } from '../../src/ticker.ts';

/** A clock that only `passTo` moves; the timer fires when it is due, or as much too early or late as is asked for. */
function simulate() {
  const clock = { nowMs: 700 };
  let timer: { atMs: number; callback: () => void } | undefined;
  const calls = { wakes: 0 };
  const ticker = new Ticker({
    nowMs: () => clock.nowMs,
    setTimer(callback, delayMs) {
      assert.ok(Number.isInteger(delayMs) && delayMs >= 1, `${delayMs} ms`);
      const armed = { atMs: clock.nowMs + delayMs, callback };
      timer = armed;
      return () => {
        if (timer === armed) timer = undefined;
      };
    },
  });
  /** Fires all that is due until then, each by so much off its time. */
  function passTo(ms: number, offMs: () => number = () => 0): void {
    for (;;) {
      const atMs =
        timer === undefined ? Number.POSITIVE_INFINITY : Math.max(clock.nowMs, timer.atMs + offMs());
      if (atMs > ms) break;
      const { callback } = timer!;
      timer = undefined;
      clock.nowMs = atMs;
      calls.wakes += 1;
      callback();
    }
    clock.nowMs = ms;
  }
  return { clock, ticker, every: ticker.every, passTo, calls, isArmed: () => timer !== undefined };
}

describe('Ticker', () => {
  it('runs at multiples of the interval, the first after half of it at least', () => {
    const { clock, every, passTo } = simulate();
    const ran: number[] = [];
    passTo(700 + 130);
    every(() => ran.push(clock.nowMs - 700), 250);
    passTo(700 + 1_100);
    assert.deepEqual(ran, [500, 750, 1_000]);
  });

  it('wakes once for all that is due', () => {
    const { every, passTo, calls } = simulate();
    const runs = { sweep: 0, look: 0, window: 0 };
    every(() => (runs.sweep += 1), 250);
    passTo(700 + 37);
    every(() => (runs.look += 1), 250);
    passTo(700 + 101);
    every(() => (runs.window += 1), 1_000);
    passTo(700 + 10_000);
    assert.deepEqual(runs, { sweep: 40, look: 40, window: 10 });
    assert.equal(calls.wakes, 40);
  });

  it('tells how late each wake-up is, and leaves out the runs that were missed', () => {
    const { clock, ticker, every, passTo } = simulate();
    const late: [number, number][] = [];
    const ran: number[] = [];
    ticker.onWake = (lateMs) => late.push([clock.nowMs - 700, lateMs]);
    every(() => ran.push(clock.nowMs - 700), 250);
    passTo(700 + 250);
    // The loop stands still.
    clock.nowMs = 700 + 1_130;
    passTo(700 + 1_600);
    assert.deepEqual(late, [
      [250, 0],
      [1_130, 630],
      [1_250, 0],
      [1_500, 0],
    ]);
    assert.deepEqual(ran, [250, 1_130, 1_250, 1_500]);
  });

  it('asks for the interval after each run where it is a function, and is back on the grid at once', () => {
    const { clock, every, passTo, calls } = simulate();
    const ran: number[] = [];
    let intervalMs = 250;
    every(
      () => {
        ran.push(clock.nowMs - 700);
        intervalMs = clock.nowMs - 700 >= 500 && clock.nowMs - 700 < 4_000 ? 1_000 : 250;
      },
      () => intervalMs,
    );
    every(() => {}, 1_000);
    passTo(700 + 4_600);
    assert.deepEqual(ran, [250, 500, 1_000, 2_000, 3_000, 4_000, 4_250, 4_500]);
    assert.equal(calls.wakes, 8);
  });

  it('neither runs twice for a timer that fires a little early, nor waits for the rest', () => {
    const { every, passTo, calls } = simulate();
    let runs = 0;
    every(() => (runs += 1), 250);
    passTo(700 + 10_001, () => -0.9);
    assert.equal(runs, 40);
    assert.equal(calls.wakes, 40);
  });

  it('stops what is stopped, in the midst of a tick too, and keeps no timer for nobody', () => {
    const { every, passTo, isArmed } = simulate();
    let runs = 0;
    let stopSecond = (): void => {};
    const stopFirst = every(() => stopSecond(), 100);
    stopSecond = every(() => (runs += 1), 100);
    passTo(700 + 300);
    assert.equal(runs, 0);
    assert.ok(isArmed());
    stopFirst();
    assert.ok(!isArmed());
    const stop = every(() => (runs += 1), 100);
    passTo(700 + 450);
    assert.equal(runs, 1);
    stop();
    stop();
    assert.ok(!isArmed());
  });

  it('runs each once for each of its intervals, whenever they began and however late timers are', () => {
    const job = fc.record({ afterMs: fc.nat(500), intervalMs: fc.integer({ min: 20, max: 2_000 }) });
    const off = fc.array(fc.double({ min: -1, max: 9, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(fc.array(job, { minLength: 1, maxLength: 5 }), off, (jobs, offs) => {
        const { clock, every, passTo } = simulate();
        let next = 0;
        const offMs = (): number => offs[next++ % offs.length]!;
        const ran: number[][] = jobs.map(() => []);
        for (const [index, { afterMs, intervalMs }] of jobs.entries()) {
          passTo(clock.nowMs + afterMs, offMs);
          every(() => ran[index]!.push(clock.nowMs), intervalMs);
        }
        const endMs = clock.nowMs + 10_000;
        passTo(endMs, offMs);
        for (const [index, { intervalMs }] of jobs.entries()) {
          const slots = ran[index]!.map((ms) => Math.floor((ms + 1 - 700) / intervalMs));
          for (const [run, slot] of slots.entries())
            if (run > 0) assert.equal(slot, slots[run - 1]! + 1, `${intervalMs} ms: ${slots}`);
          assert.ok(slots.at(-1)! >= Math.floor((endMs - 10 - 700) / intervalMs), `the last of ${slots}`);
        }
      }),
    );
  });

  it('runs by real timers, never before its time, and keeps the process not alive', async () => {
    const before = process.getActiveResourcesInfo();
    const { every } = new Ticker();
    const ran: number[] = [];
    const startMs = performance.now();
    const fifth = Promise.withResolvers<void>();
    const stop = every(() => {
      ran.push(performance.now() - startMs);
      if (ran.length === 5) fifth.resolve();
    }, 20);
    assert.deepEqual(process.getActiveResourcesInfo(), before);
    const alive = setInterval(() => {}, 1_000);
    await fifth.promise;
    clearInterval(alive);
    stop();
    // The first half an interval after the start at the earliest, and one that is missed is left out.
    for (const [run, ms] of ran.entries()) assert.ok(ms >= 10 + 20 * run - 1.5, `run ${run} after ${ms} ms`);
  });
});
