/**
 * How busy the event loop is, and how late. Time is cumulative and only read. Delay is looked at from two sides, and
 * the worse one told:
 *
 * - how late timers fire, by Node's own histogram with one sample per turn. It has no timer of its own, and so neither
 *   wakes an idle loop nor counts its own period. But it does not see what callbacks of sockets do while no timer is
 *   due, which is most of what a gateway does;
 * - for how long one turn's work kept everything else waiting, whatever kind of callback it was: the time from turn to
 *   turn, less the waiting for events. An unreferenced immediate looks on at each turn, and causes none.
 *
 * The histograms belong to one sampler, which alone resets them, because readers that reset would take from each
 * other. The kernel may wake a sleeper late by a thousandth of its sleep, so an idle loop's delay is that. Costs half
 * a microsecond per turn of the loop, however many messages it carries, and half a millisecond per window.
 */
import { createHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { WindowFigures } from '../figures.ts';

export type EventLoopDelay = WindowFigures['eventLoopDelay'];

export type EventLoop = {
  /** Seconds since the loop started, both growing. */
  time(): { active: number; idle: number };
  /** Seconds, of the turns since the last reset; all 0 if there was none. */
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
  const { count } = histogram;
  if (count === 0) return { ...noDelay };
  const { mean, stddev, p50, p90, p99 } =
    count <= fewSamples ? distributionOfFew(histogram, count) : distribution(histogram);
  return {
    min: histogram.min / 1e9,
    max: histogram.max / 1e9,
    mean: mean / 1e9,
    stddev: stddev / 1e9,
    p50: p50 / 1e9,
    p90: p90 / 1e9,
    p99: p99 / 1e9,
  };
}

type Distribution = Omit<EventLoopDelay, 'min' | 'max'>;

function distribution(histogram: DelayHistogram): Distribution {
  const { mean, stddev } = histogram;
  return {
    mean,
    stddev,
    p50: histogram.percentile(50),
    p90: histogram.percentile(90),
    p99: histogram.percentile(99),
  };
}

/** Up to so many samples are asked for one by one, which for all of them takes half as long as the walk. */
const fewSamples = 100;

/**
 * For mean and deviation Node's histogram walks through its forty thousand buckets, which it does whatever is in them, in
 * a millisecond; and for a percentile up to its bucket. The samples of an idle window are few: each is asked for by its
 * rank, once, and the rest follows.
 */
function distributionOfFew(histogram: DelayHistogram, count: number): Distribution {
  const samples = Array.from({ length: count }, (_, index) =>
    histogram.percentile((100 * (index + 1)) / count),
  );
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / count;
  const variance = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0) / count;
  // Rounded as the histogram does.
  const percentile = (percent: number): number =>
    samples[Math.max(1, Math.floor((percent / 100) * count + 0.5)) - 1]!;
  return { mean, stddev: Math.sqrt(variance), p50: percentile(50), p90: percentile(90), p99: percentile(99) };
}

/**
 * From half a microsecond to an hour, to the hundredth part. By default it would be nanoseconds to the thousandth part:
 * ten times as many buckets, all of which mean and deviation walk through, and reset clears.
 */
const coarse = { lowest: 1_000, highest: 3_600_000_000_000, figures: 2 };

export function createEventLoop(): EventLoop {
  const timers = monitorEventLoopDelay({ samplePerIteration: true });
  const turns = createHistogram(coarse);
  let look: NodeJS.Immediate | undefined;
  let turnMs = 0;
  let idleMs = 0;

  function onTurn(): void {
    const nowMs = performance.now();
    const idleNowMs = performance.nodeTiming.idleTime;
    const workedMs = nowMs - turnMs - (idleNowMs - idleMs);
    turns.record(Math.min(coarse.highest, Math.max(1, Math.round(workedMs * 1e6))));
    nextTurn(nowMs, idleNowMs);
  }

  function nextTurn(nowMs: number, idleNowMs: number): void {
    turnMs = nowMs;
    idleMs = idleNowMs;
    // Unreferenced, it runs when the loop turns for another reason, and neither wakes it nor keeps it alive.
    look = setImmediate(onTurn);
    look.unref();
  }

  function resetDelay(): void {
    timers.reset();
    turns.reset();
  }

  return {
    time() {
      const { active, idle } = performance.eventLoopUtilization();
      return { active: active / 1000, idle: idle / 1000 };
    },
    delay() {
      const late = summarizeDelay(timers);
      const busy = summarizeDelay(turns);
      const worse = { ...noDelay };
      for (const key of Object.keys(worse) as (keyof EventLoopDelay)[])
        worse[key] = Math.max(late[key], busy[key]);
      return worse;
    },
    resetDelay,
    start() {
      timers.enable();
      // The sample of the turn that enables it covers all that came before: the first is not a delay.
      look = setImmediate(() => {
        resetDelay();
        nextTurn(performance.now(), performance.nodeTiming.idleTime);
      });
      look.unref();
    },
    stop() {
      clearImmediate(look);
      timers.disable();
    },
  };
}
