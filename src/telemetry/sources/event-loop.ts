/**
 * How busy the event loop is, and how late. Time is cumulative and only read; the delay histogram belongs to one
 * sampler, which alone resets it, because readers that reset would take from each other. With one sample per turn of
 * the loop it holds no timer of its own: an idle loop gives few samples, and none at all reads 0. The kernel may wake a
 * sleeper late by a thousandth of its sleep, so an idle loop's delay is that. 1 us to read, 0.1 us per turn.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { WindowFigures } from '../figures.ts';

export type EventLoopDelay = WindowFigures['eventLoopDelay'];

export type EventLoop = {
  /** Seconds since the loop started, both growing. */
  time(): { active: number; idle: number };
  /** Seconds, of the turns since the last reset. */
  delay(): EventLoopDelay;
  resetDelay(): void;
  start(): void;
  stop(): void;
};

export const noDelay: EventLoopDelay = { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };

type DelayHistogram = {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  percentile(percent: number): number;
};

/** Nanoseconds to seconds; an empty histogram, whose own answers are NaN and 9.2e18, is all zeros. */
export function summarizeDelay(histogram: DelayHistogram): EventLoopDelay {
  if (histogram.count === 0) return { ...noDelay };
  return {
    min: histogram.min / 1e9,
    max: histogram.max / 1e9,
    mean: histogram.mean / 1e9,
    stddev: histogram.stddev / 1e9,
    p50: histogram.percentile(50) / 1e9,
    p90: histogram.percentile(90) / 1e9,
    p99: histogram.percentile(99) / 1e9,
  };
}

export function createEventLoop(): EventLoop {
  const histogram = monitorEventLoopDelay({ samplePerIteration: true });
  let firstTurn: NodeJS.Immediate | undefined;
  return {
    time() {
      const { active, idle } = performance.eventLoopUtilization();
      return { active: active / 1000, idle: idle / 1000 };
    },
    delay: () => summarizeDelay(histogram),
    resetDelay: () => histogram.reset(),
    start() {
      histogram.enable();
      // The sample of the turn that enables it covers all that came before: the first is not a delay.
      firstTurn = setImmediate(() => histogram.reset());
    },
    stop() {
      clearImmediate(firstTurn);
      histogram.disable();
    },
  };
}
