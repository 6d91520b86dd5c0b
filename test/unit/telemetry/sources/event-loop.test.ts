/** The loop's time and delay, with real turns and blocks; Node's own histogram of delays is the witness. */
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { noDelay } from '../../../../src/telemetry/sources/delay-histogram.ts';
import { createEventLoop } from '../../../../src/telemetry/sources/event-loop.ts';
import { Ticker } from '../../../../src/ticker.ts';

describe('createEventLoop', () => {
  it('tells the loop’s time in seconds, both parts growing', async () => {
    const eventLoop = createEventLoop(new Ticker());
    const before = eventLoop.time();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const after = eventLoop.time();
    assert.ok(after.active >= before.active && after.idle >= before.idle);
    const seconds = after.active + after.idle;
    assert.ok(seconds > before.active + before.idle && seconds <= process.uptime());
  });

  const block = (ms: number) => {
    const endMs = performance.now() + ms;
    while (performance.now() < endMs);
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('forgets the first sample, which is no delay', async () => {
    const eventLoop = createEventLoop(new Ticker());
    eventLoop.start();
    block(20);
    await turn();
    const { max } = eventLoop.delay();
    eventLoop.stop();
    assert.equal(max, 0);
  });

  it('keeps its own count of delays beside another one that resets', async () => {
    const [kept, resetting] = [createEventLoop(new Ticker()), createEventLoop(new Ticker())];
    kept.start();
    resetting.start();
    await turn();
    await turn();
    block(20);
    await turn();
    await turn();
    resetting.resetDelay();
    const told = kept.delay();
    assert.ok(told.max >= 0.0199, `${told.max}`);
    assert.deepEqual(kept.delay(), told, 'looking changes nothing');
    assert.deepEqual(resetting.delay(), noDelay);
    resetting.stop();
    block(20);
    await turn();
    await turn();
    kept.stop();
    assert.deepEqual(resetting.delay(), noDelay);
  });

  it('sees what Node’s own histogram of delays sees', async () => {
    const witness = monitorEventLoopDelay({ samplePerIteration: true });
    const eventLoop = createEventLoop(new Ticker());
    const startMs = performance.now();
    eventLoop.start();
    witness.enable();
    await turn();
    await turn();
    witness.reset();
    for (const ms of [5, 60, 20]) {
      // Due while the loop is blocked, so late by the rest of the block.
      const late = wait(1);
      block(ms + 1);
      await late;
    }
    await turn();
    const { max } = eventLoop.delay();
    eventLoop.stop();
    witness.disable();
    const witnessed = witness.max / 1e9;
    assert.ok(witnessed >= 0.059, `Node saw ${witnessed}`);
    assert.ok(max >= witnessed - 0.002, `${max} where Node saw ${witnessed}`);
    assert.ok(max >= 0.061 && max <= (performance.now() - startMs) / 1000, `${max} of a block of 61 ms`);
  });

  it('sees how late its timer fires, which no turn shows', () => {
    const ticker: Pick<Ticker, 'onWake'> = { onWake: undefined };
    const eventLoop = createEventLoop(ticker);
    eventLoop.start();
    for (const lateMs of [0, 0.5, 80]) ticker.onWake?.(lateMs);
    const { min, max, mean, p50 } = eventLoop.delay();
    assert.equal(min, 0);
    assert.equal(max, 0.08);
    assert.ok(Math.abs(mean - 0.0805 / 3) < 1e-12);
    assert.ok(Math.abs(p50 - 0.0005) < 0.0005 * 0.011);
    eventLoop.stop();
    assert.equal(ticker.onWake, undefined);
  });

  it('tells of both sides the worse one, each figure for itself, and forgets both', async () => {
    const ticker: Pick<Ticker, 'onWake'> = { onWake: undefined };
    const eventLoop = createEventLoop(ticker);
    eventLoop.start();
    await turn();
    for (let ticks = 0; ticks < 94; ticks++) ticker.onWake?.(10_000);
    for (const lateMs of [20_000, 20_000, 20_000, 20_000, 30_000, 40_000]) ticker.onWake?.(lateMs);
    block(20);
    await turn();
    await turn();
    // The turns are shorter than any of these.
    const { min, max, p50, p90, p99 } = eventLoop.delay();
    const near = (value: number, seconds: number) =>
      assert.ok(Math.abs(value / seconds - 1) < 0.006, `${value}`);
    assert.equal(min, 10);
    assert.equal(max, 40);
    near(p50, 10);
    near(p90, 10);
    near(p99, 30);
    eventLoop.stop();
    eventLoop.resetDelay();
    assert.deepEqual(eventLoop.delay(), noDelay);
  });

  it('tells the time of a block as active and that of a wait as idle', async () => {
    const eventLoop = createEventLoop(new Ticker());
    await turn();
    const before = eventLoop.time();
    block(30);
    await wait(60);
    const after = eventLoop.time();
    const [active, idle] = [after.active - before.active, after.idle - before.idle];
    assert.ok(active >= 0.0299, `active ${active}`);
    assert.ok(idle >= 0.04, `idle ${idle}`);
    assert.ok(idle > active || active > 0.06, `idle ${idle} and active ${active}`);
  });

  it('sees no delay after it was stopped, and keeps nothing that the loop would wait for', async () => {
    const before = process.getActiveResourcesInfo();
    const eventLoop = createEventLoop(new Ticker());
    eventLoop.start();
    await turn();
    assert.deepEqual(process.getActiveResourcesInfo(), before);
    eventLoop.stop();
    eventLoop.stop();
    eventLoop.resetDelay();
    block(20);
    await turn();
    await turn();
    assert.deepEqual(eventLoop.delay(), noDelay);
  });
});
