/** The summary of the delay histogram: units, and the answers of an empty one, which are no numbers in Node. */
import assert from 'node:assert/strict';
import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createEventLoop, noDelay, summarizeDelay } from '../../../../src/telemetry/sources/event-loop.ts';

describe('summarizeDelay', () => {
  it('is zero for a window without a turn', () => {
    const empty = monitorEventLoopDelay({ samplePerIteration: true });
    assert.ok(Number.isNaN(empty.mean) && empty.min > 9e18, 'what Node says of an empty histogram');
    assert.deepEqual(summarizeDelay(empty), noDelay);
  });

  it('turns nanoseconds into seconds', () => {
    const histogram = createHistogram();
    for (let milliseconds = 1; milliseconds <= 100; milliseconds++) histogram.record(milliseconds * 1e6);
    const delay = summarizeDelay(histogram);
    for (const [key, seconds] of Object.entries({
      min: 0.001,
      max: 0.1,
      mean: 0.0505,
      p50: 0.05,
      p90: 0.09,
      p99: 0.099,
    })) {
      assert.ok(
        Math.abs(delay[key as keyof typeof delay] - seconds) / seconds < 0.002,
        `${key} ${delay[key as keyof typeof delay]}`,
      );
    }
    assert.ok(Math.abs(delay.stddev - 0.02887) < 0.0001);
  });

  it('has percentiles, mean and deviation of few samples as of many, with less work', () => {
    const delays = fc.array(fc.integer({ min: 1_000, max: 1e9 }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(delays, (nanoseconds) => {
        const histogram = createHistogram();
        for (const one of nanoseconds) histogram.record(one);
        const few = summarizeDelay(histogram);
        for (const percent of [50, 90, 99] as const)
          assert.equal(few[`p${percent}`], histogram.percentile(percent) / 1e9, `p${percent}`);
        // The same distribution, of too many samples to be asked for each.
        for (let copy = 0; copy < 100; copy += 1) for (const one of nanoseconds) histogram.record(one);
        const many = summarizeDelay(histogram);
        const step = many.max / 1_000;
        assert.ok(Math.abs(few.mean - many.mean) <= step, `mean ${few.mean} ${many.mean}`);
        assert.ok(Math.abs(few.stddev - many.stddev) <= step, `stddev ${few.stddev} ${many.stddev}`);
      }),
    );
  });
});

describe('createEventLoop', () => {
  it('tells the loop’s time in seconds, both parts growing', async () => {
    const eventLoop = createEventLoop();
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
    const eventLoop = createEventLoop();
    eventLoop.start();
    block(20);
    await turn();
    const { max } = eventLoop.delay();
    eventLoop.stop();
    assert.equal(max, 0);
  });

  it('keeps its own count of delays beside another one that resets', async () => {
    const [kept, resetting] = [createEventLoop(), createEventLoop()];
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

  it('sees no delay after it was stopped, and keeps nothing that the loop would wait for', async () => {
    const before = process.getActiveResourcesInfo();
    const eventLoop = createEventLoop();
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
