/**
 * The process under measurement of the figures tests. It does what its parent asks for, one thing after the other,
 * and idles in between, so that the parent's look from outside and its own figures speak of the same state. Its
 * windows close on demand. Started by figures-subject.ts.
 */

import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createPlatform, type Platform } from '../../src/telemetry/sources/platform.ts';

let platform: Platform | undefined;
let tick: () => void = () => {};
let held: unknown[] = [];
let threadEnded: Promise<unknown> = Promise.resolve();
const isEnded = new Int32Array(new SharedArrayBuffer(4));

const orders = {
  /** Not before this: the parent may want to put the process elsewhere first. */
  start() {
    platform = createPlatform({
      sampleIntervalMs: 60_000,
      setTimer: (callback) => {
        tick = callback;
        return () => {};
      },
    });
    platform.start();
  },
  figures() {
    const { process, runtime, container, host, window, errors } = platform!;
    return {
      process: process(),
      runtime: runtime(),
      container: container(),
      host: host(),
      window: window(),
      errors,
    };
  },
  closeWindow() {
    tick();
    return platform!.window();
  },
  /** A second thread that works for so long, or until it is ended; resolves when it has begun. */
  async startThread({ ms }: { ms: number }) {
    const worker = new Worker(burnSource, { eval: true, workerData: { ms, isEnded } });
    Atomics.store(isEnded, 0, 0);
    threadEnded = once(worker, 'exit');
    await once(worker, 'online');
  },
  async endThread() {
    Atomics.store(isEnded, 0, 1);
    await threadEnded;
  },
  /** Uses the share of one core, in slices of 20 ms; of two cores with a second thread. */
  async burn({ ms, share, threads }: { ms: number; share: number; threads: number }) {
    if (threads === 2) await orders.startThread({ ms });
    const endMs = performance.now() + ms;
    while (performance.now() < endMs) {
      spin(20 * share);
      await wait(share === 1 ? 0 : 20 * (1 - share));
    }
    await threadEnded;
  },
  /** Orders come in as events of a pipe; answers with the milliseconds that the block really took. */
  async block({ ms, phase }: { ms: number; phase: 'event' | 'timer' | 'immediate' }) {
    if (phase === 'timer') await wait(1);
    if (phase === 'immediate') await new Promise(setImmediate);
    return spin(ms);
  },
  async idle({ ms }: { ms: number }) {
    const startMs = performance.now();
    await wait(ms);
    return performance.now() - startMs;
  },
  /** Works for as long as it has waited, over all; answers with the share that this came to. */
  async halfBusy({ ms }: { ms: number }) {
    const startMs = performance.now();
    let workedMs = 0;
    while (performance.now() - startMs < ms) {
      await wait(10);
      const waitedMs = performance.now() - startMs - workedMs;
      workedMs += spin(waitedMs - workedMs);
    }
    return workedMs / (performance.now() - startMs);
  },
  holdHeap({ bytes }: { bytes: number }) {
    // A packed array of doubles lies in V8's large object space, eight bytes each.
    for (let left = bytes; left > 0; left -= 8e6) held.push(new Array(1e6).fill(left + 0.5));
    // Turning an empty array into one of doubles leaves the first behind.
    globalThis.gc!();
  },
  holdBuffers({ bytes }: { bytes: number }) {
    for (let left = bytes; left > 0; left -= 10e6) held.push(Buffer.alloc(10e6, 1));
  },
  async drop() {
    held = [];
    for (let turn = 0; turn < 3; turn++) {
      globalThis.gc!();
      await new Promise(setImmediate);
    }
  },
  /** Garbage of all ages: each object lives until a quarter of a million others have been made. */
  async churn({ ms }: { ms: number }) {
    const endMs = performance.now() + ms;
    const kept: object[] = [];
    for (let made = 0; performance.now() < endMs; ) {
      for (const end = made + 20_000; made < end; made++)
        kept[made % 250_000] = { made, text: `number ${made}` };
      await new Promise(setImmediate);
    }
  },
  /** Entries of the collector arrive a turn later. */
  async settle() {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  },
  collect() {
    globalThis.gc!();
  },
  stop() {
    platform?.stop();
  },
};

export type Orders = typeof orders;

const burnSource = `
  const { ms, isEnded } = require('node:worker_threads').workerData;
  const end = performance.now() + ms;
  while (performance.now() < end && Atomics.load(isEnded, 0) === 0);
`;

function spin(ms: number): number {
  const startMs = performance.now();
  while (performance.now() - startMs < ms);
  return performance.now() - startMs;
}

process.on('message', async ({ order, options }: { order: keyof Orders; options: never }) => {
  const result = await orders[order](options);
  // JSON would leave out an undefined one.
  process.send!({ result: result ?? null });
});
