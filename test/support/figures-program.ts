/**
 * The process under measurement of the figures tests. It does what its parent asks for, one thing after the other,
 * and idles in between, so that the parent's look from outside and its own figures speak of the same state. Its
 * windows close on demand. Started by figures-subject.ts.
 */

import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { system } from '../../src/reports/system.ts';
import { createMeters } from '../../src/telemetry/meter.ts';
import { OwnMetrics } from '../../src/telemetry/own-metrics.ts';
import { createPrometheusReader } from '../../src/telemetry/prometheus.ts';
import { createSnapshotReader } from '../../src/telemetry/snapshot-reader.ts';
import { createPlatform, type Platform } from '../../src/telemetry/sources/platform.ts';
import { DeltaSums } from './delta-sums.ts';
import { handMadeFigures, sourcesOf } from './figures.ts';
import { parseText } from './openmetrics.ts';

let platform: Platform | undefined;
/** One of each kind: JSON, /metrics, and a push of differences. */
const own = new OwnMetrics();
const snapshot = createSnapshotReader(own);
const prometheus = createPrometheusReader(own);
const delta = new DeltaSums(own);
let tick: () => void = () => {};
let held: unknown[] = [];
let threadEnded: Promise<unknown> = Promise.resolve();
const isEnded = new Int32Array(new SharedArrayBuffer(4));

const orders = {
  /** Not before this: the parent may want to put the process elsewhere first. */
  start() {
    platform = createPlatform({
      sampleIntervalMs: 60_000,
      ticker: {
        every: (run) => {
          tick = run;
          return () => {};
        },
        onWake: undefined,
      },
    });
    platform.start();
    const provider = new MeterProvider({ readers: [prometheus.reader, delta] });
    createMeters(own.meterProvider(provider), { ...sourcesOf(handMadeFigures()), platform });
  },
  /** The same figures as each reader tells them, one after the other. */
  async readers(): Promise<Record<'json' | 'scrape' | 'delta', Told>> {
    const json = await snapshot.collect();
    const { percent } = system(json, 1).system.cpu;
    const samples = parseText(String((await prometheus.scrape(undefined)).body)).flatMap(
      (family) => family.samples,
    );
    const scraped = (name: string, mode?: string): number =>
      samples.find((one) => one.name === name && one.labels.cpu_mode === mode)?.value ?? Number.NaN;
    const pushed = await delta.look();
    const modes = <Value>(tell: (mode: string) => Value) => ({ user: tell('user'), system: tell('system') });
    return {
      json: {
        percent,
        eventLoopUtilization: json.value('nodejs.eventloop.utilization') ?? Number.NaN,
        cpuUtilization: modes(
          (mode) => json.value('process.cpu.utilization', { 'cpu.mode': mode }) ?? Number.NaN,
        ),
        cpuTime: modes((mode) => json.value('process.cpu.time', { 'cpu.mode': mode }) ?? Number.NaN),
      },
      scrape: {
        eventLoopUtilization: scraped('nodejs_eventloop_utilization_ratio'),
        cpuUtilization: modes((mode) => scraped('process_cpu_utilization_ratio', mode)),
        cpuTime: modes((mode) => scraped('process_cpu_time_seconds_total', mode)),
      },
      delta: {
        eventLoopUtilization: pushed('nodejs.eventloop.utilization'),
        cpuUtilization: modes((mode) => pushed('process.cpu.utilization', mode)),
        cpuTime: modes((mode) => pushed('process.cpu.time', mode)),
      },
    };
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
  /**
   * A window in which the loop works for as long as it waits, and no message comes in. Whatever a busy machine adds to
   * one side is made up for on the other before the window is closed; answers with the share that this came to.
   */
  async halfBusy({ ms }: { ms: number }) {
    const { runtime, window } = platform!;
    tick();
    const before = runtime().eventLoopTime;
    const startMs = performance.now();
    let workedMs = 0;
    let share = 0;
    while (performance.now() - startMs < ms || Math.abs(share - 0.5) > 0.005) {
      await wait(10);
      const waitedMs = performance.now() - startMs - workedMs;
      workedMs += spin(waitedMs - workedMs);
      share = workedMs / (performance.now() - startMs);
    }
    tick();
    const { active, idle } = runtime().eventLoopTime;
    return {
      share,
      window: window().eventLoopUtilization,
      sums: (active - before.active) / (active - before.active + idle - before.idle),
    };
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
    // V8 gives up code that nobody has used for some collections, so it takes several until nothing falls any more.
    let usedBefore = Number.POSITIVE_INFINITY;
    for (let turn = 0; turn < 20; turn++) {
      globalThis.gc!();
      await new Promise(setImmediate);
      const { heapUsed } = process.memoryUsage();
      if (turn >= 3 && usedBefore - heapUsed < 10_000) break;
      usedBefore = heapUsed;
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

/** What one reader tells. */
export type Told = {
  /** Of the CPU, as JSON has it. */
  percent?: number;
  eventLoopUtilization: number;
  cpuUtilization: { user: number; system: number };
  cpuTime: { user: number; system: number };
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
