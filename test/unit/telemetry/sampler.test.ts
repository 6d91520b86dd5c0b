/** Windows over an injected clock: what they cover, what late ticks do, and that readers change nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EventLoopDelay } from '../../../src/telemetry/figures.ts';
import { createSampler } from '../../../src/telemetry/sampler.ts';
import { noDelay } from '../../../src/telemetry/sources/delay-histogram.ts';

const unixStartMs = 1_700_000_000_000;

/** A process that uses what `run` says, on a clock that only `run` moves; timers fire in order, late if need be. */
function simulate({ intervalMs = 1000, cpuLimit = 2 } = {}) {
  const now = { ms: 5000 };
  const cpu = { user: 1, system: 0.5 };
  const loop = { active: 0.2, idle: 3 };
  let delay: EventLoopDelay = { ...noDelay };
  let timer: { atMs: number; intervalMs: number; run: () => void } | undefined;
  const calls = { resets: 0, ticks: 0, armed: [] as number[] };
  const limit = { cpus: cpuLimit };
  const sampler = createSampler({
    intervalMs,
    cpuTime: () => ({ ...cpu }),
    cpuLimit: () => limit.cpus,
    eventLoop: {
      time: () => ({ ...loop }),
      delay: () => delay,
      resetDelay: () => {
        calls.resets += 1;
        delay = { ...noDelay };
      },
    },
    onTick: () => calls.ticks++,
    nowMs: () => now.ms,
    unixMs: () => unixStartMs + now.ms,
    every: (run, intervalMs) => {
      assert.ok(typeof intervalMs === 'number');
      calls.armed.push(intervalMs);
      const armed = { atMs: now.ms + intervalMs, intervalMs, run };
      timer = armed;
      return () => {
        if (timer === armed) timer = undefined;
      };
    },
  });
  const fire = () => {
    const { intervalMs, run } = timer!;
    timer!.atMs = now.ms + intervalMs;
    run();
  };
  return {
    sampler,
    calls,
    limit,
    isArmed: () => timer !== undefined,
    /** Lets time pass with so much of it used, and fires the timer if it is due: once, however late. */
    run(ms: number, used: { user?: number; system?: number; active?: number; late?: EventLoopDelay } = {}) {
      now.ms += ms;
      cpu.user += used.user ?? 0;
      cpu.system += used.system ?? 0;
      loop.active += used.active ?? 0;
      loop.idle += ms / 1000 - (used.active ?? 0);
      if (used.late !== undefined) delay = used.late;
      if (timer !== undefined && timer.atMs <= now.ms) fire();
    },
  };
}

const close = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

describe('createSampler', () => {
  it('reads zero before the first window, and ages from the start', () => {
    const { sampler, run } = simulate();
    sampler.start();
    run(100, { user: 0.1 });
    assert.deepEqual(sampler.window(), {
      closedAtMs: 0,
      age: 0.1,
      cpuUtilization: { user: 0, system: 0 },
      eventLoopUtilization: 0,
      eventLoopDelay: noDelay,
    });
  });

  it('closes a first window after a quarter of a second, and then one each interval', () => {
    const { sampler, calls, run } = simulate({ intervalMs: 5000 });
    sampler.start();
    run(250);
    assert.equal(sampler.window().closedAtMs, unixStartMs + 5250);
    run(5000);
    assert.equal(sampler.window().closedAtMs, unixStartMs + 10_250);
    assert.deepEqual(calls.armed, [250, 5000]);
    assert.equal(calls.ticks, 2);
  });

  it('counts nothing that happened before the start', () => {
    const { sampler, run } = simulate();
    run(10_000, { user: 9, active: 9 });
    sampler.start();
    run(250, { user: 0.05 });
    close(sampler.window().cpuUtilization.user, 0.05 / 0.25 / 2);
    assert.equal(sampler.window().eventLoopUtilization, 0);
  });

  it('divides CPU seconds by wall seconds and the CPUs that may be used', () => {
    const { sampler, limit, run } = simulate({ cpuLimit: 1.5 });
    sampler.start();
    run(250);
    run(1000, { user: 0.6, system: 0.15, active: 0.5 });
    close(sampler.window().cpuUtilization.user, 0.4);
    close(sampler.window().cpuUtilization.system, 0.1);
    close(sampler.window().eventLoopUtilization, 0.5);
    limit.cpus = 0.5;
    run(1000, { user: 0.6 });
    close(sampler.window().cpuUtilization.user, 1.2);
  });

  it('covers the whole gap after a stall, and shows the stall as age', () => {
    const { sampler, run, calls } = simulate();
    sampler.start();
    run(250);
    const late = { ...noDelay, max: 60, p99: 60 };
    run(60_000, { user: 60, active: 60, late });
    assert.equal(sampler.window().age, 0);
    close(sampler.window().cpuUtilization.user, 0.5);
    assert.equal(sampler.window().eventLoopUtilization, 1);
    assert.deepEqual(sampler.window().eventLoopDelay, late);
    run(1000);
    assert.deepEqual(sampler.window().eventLoopDelay, noDelay);
    assert.equal(sampler.window().cpuUtilization.user, 0);
    assert.equal(calls.resets, 3);
  });

  it('puts what passes while a window is being closed into the next one', () => {
    let nowMs = 0;
    const cpu = { user: 0, system: 0 };
    let fire = () => {};
    const sampler = createSampler({
      intervalMs: 1000,
      cpuTime: () => ({ ...cpu }),
      cpuLimit: () => 1,
      eventLoop: {
        time: () => ({ active: 0, idle: 0 }),
        // Half a second of work, and of CPU.
        delay: () => {
          nowMs += 500;
          cpu.user += 0.5;
          return noDelay;
        },
        resetDelay() {},
      },
      nowMs: () => nowMs,
      every: (run) => {
        fire = run;
        return () => {};
      },
    });
    sampler.start();
    nowMs += 1000;
    fire();
    assert.equal(sampler.window().cpuUtilization.user, 0);
    assert.equal(sampler.window().age, 0.5);
    nowMs += 1500;
    fire();
    assert.equal(sampler.window().cpuUtilization.user, 0.25, 'half a second of CPU in two seconds');
  });

  it('grows in age while no window closes', () => {
    const { sampler, run } = simulate();
    sampler.start();
    run(250);
    const ages = [0, 400, 400].map((ms) => {
      run(ms);
      return sampler.window().age;
    });
    assert.deepEqual(ages, [0, 0.4, 0.8]);
  });

  it('closes no window over a clock that stands still, and loses nothing', () => {
    let now = 0;
    let user = 0;
    let fire = () => {};
    const sampler = createSampler({
      intervalMs: 1000,
      cpuTime: () => ({ user, system: 0 }),
      cpuLimit: () => 1,
      eventLoop: { time: () => ({ active: 0, idle: 0 }), delay: () => noDelay, resetDelay: () => {} },
      nowMs: () => now,
      unixMs: () => 1,
      every: (run) => {
        fire = run;
        return () => {};
      },
    });
    sampler.start();
    user = 0.5;
    fire();
    assert.equal(sampler.window().closedAtMs, 0);
    now = 1000;
    fire();
    assert.equal(sampler.window().cpuUtilization.user, 0.5);
  });

  it('arms one timer however often it is started, and none after stop', () => {
    const { sampler, calls, run, isArmed } = simulate();
    sampler.start();
    sampler.start();
    assert.equal(calls.armed.length, 1);
    run(250, { user: 0.1 });
    sampler.stop();
    sampler.stop();
    assert.equal(isArmed(), false);
    run(1000);
    assert.equal(sampler.window().age, 1);
    close(sampler.window().cpuUtilization.user, 0.2);
    sampler.start();
    assert.equal(isArmed(), true);
  });

  it('reports each second of use once, whatever the ticks’ delays and whoever reads in between', () => {
    const step = fc.record({
      ms: fc.integer({ min: 1, max: 4000 }),
      load: fc.double({ min: 0, max: 1, noNaN: true }),
      reads: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const { sampler, run } = simulate({ cpuLimit: 1 });
        sampler.start();
        let total = 0;
        let reported = 0;
        let lastClose = unixStartMs + 5000;
        const settle = () => {
          const window = sampler.window();
          if (window.closedAtMs === 0 || window.closedAtMs === lastClose) return;
          reported += (window.cpuUtilization.user * (window.closedAtMs - lastClose)) / 1000;
          close(window.eventLoopUtilization, window.cpuUtilization.user);
          lastClose = window.closedAtMs;
        };
        for (const { ms, load, reads } of steps) {
          const used = (load * ms) / 1000;
          total += used;
          run(ms, { user: used, active: used });
          settle();
          const first = sampler.window();
          for (let read = 0; read < reads; read++) assert.deepEqual(sampler.window(), first);
        }
        run(1000);
        settle();
        assert.ok(Math.abs(reported - total) < 1e-6, `${reported} of ${total}`);
      }),
    );
  });
});
