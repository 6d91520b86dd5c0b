/** Kinds of collection and their types; what is measured is held against V8's own trace in the integration tests. */
import assert from 'node:assert/strict';
import { constants } from 'node:perf_hooks';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gcTypes } from '../../../../src/telemetry/figures.ts';
import { createGcPauses, gcType } from '../../../../src/telemetry/sources/gc.ts';

describe('gcType', () => {
  it('names each kind that Node has', () => {
    assert.equal(gcType(constants.NODE_PERFORMANCE_GC_MAJOR), 'major');
    assert.equal(gcType(constants.NODE_PERFORMANCE_GC_MINOR), 'minor');
    assert.equal(gcType(constants.NODE_PERFORMANCE_GC_MINOR_MARK_SWEEP), 'minor');
    assert.equal(gcType(constants.NODE_PERFORMANCE_GC_INCREMENTAL), 'incremental');
    assert.equal(gcType(constants.NODE_PERFORMANCE_GC_WEAKCB), 'weakcb');
  });

  it('names no other', () => {
    for (const kind of [0, 3, 32, -1, NaN, undefined, null, '1']) assert.equal(gcType(kind), undefined);
  });
});

describe('createGcPauses', () => {
  it('has every type from the start, as zero', () => {
    const zero = { count: 0, seconds: 0 };
    assert.deepEqual(createGcPauses().read(), Object.fromEntries(gcTypes.map((type) => [type, zero])));
  });

  it('gives answers that later pauses do not change', () => {
    const pauses = createGcPauses();
    const before = pauses.read();
    before.minor.count = 99;
    assert.equal(pauses.read().minor.count, 0);
  });

  it('tells each pause to a listener once, and stop takes in what has arrived, once', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const pauses = createGcPauses();
    const heard = Object.fromEntries(gcTypes.map((type) => [type, { count: 0, seconds: 0 }]));
    pauses.onPause((seconds, type) => {
      heard[type]!.count += 1;
      heard[type]!.seconds += seconds;
    });
    pauses.start();
    collect();
    for (let turns = 0; turns < 4; turns++) await turn();
    assert.equal(pauses.read().major.count, 1);
    assert.deepEqual(pauses.read(), heard);

    collect();
    // The entry is there within this turn, and would be handed over in the next one.
    await turn();
    pauses.stop();
    assert.equal(pauses.read().major.count, 2);
    assert.deepEqual(pauses.read(), heard);
    for (let turns = 0; turns < 4; turns++) await turn();
    assert.equal(pauses.read().major.count, 2, 'and is not handed over again');
  });

  it('tells seconds, and none of what is collected while it is stopped', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const pauses = createGcPauses();
    pauses.start();
    const startMs = performance.now();
    collect();
    const tookMs = performance.now() - startMs;
    for (let turns = 0; turns < 4; turns++) await turn();
    pauses.stop();
    const { count, seconds } = pauses.read().major;
    assert.equal(count, 1);
    assert.ok(seconds <= tookMs / 1000 && seconds >= tookMs / 4000, `${seconds} s of ${tookMs} ms`);
    collect();
    for (let turns = 0; turns < 4; turns++) await turn();
    assert.equal(pauses.read().major.count, 1);
  });

  it('starts and stops any number of times', () => {
    const pauses = createGcPauses();
    pauses.stop();
    pauses.start();
    pauses.start();
    pauses.stop();
    pauses.stop();
    pauses.start();
    pauses.stop();
    assert.equal(pauses.read().major.count, 0);
  });
});
