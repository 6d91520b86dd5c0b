/**
 * How busy the event loop is, and how late. Time is cumulative and only read. Delay is looked at from two sides, and
 * the worse one told:
 *
 * - how late the ticker's timer fires, four times a second, or once where nothing is due. That has in it what no turn of
 *   the loop shows: a machine that was busy with others, a quota that was used up. Nobody is woken for it;
 * - for how long one turn's work kept everything else waiting, whatever kind of callback it was: the time from turn to
 *   turn, less the waiting for events. An unreferenced immediate looks on at each turn, and causes none.
 *
 * Node's own histogram (monitorEventLoopDelay, one sample per turn) sees the same blocks, as a test holds. It does not see
 * what callbacks of sockets do while no timer is due, which is most of what a gateway does; and it has to be walked
 * through and cleared for each window, which fills the caches of an idle process with it.
 *
 * The histograms belong to one sampler, which alone resets them, because readers that reset would take from each
 * other. The kernel may wake a sleeper late by a thousandth of its sleep, so an idle loop's delay is that. At
 * 1,000 messages a second to 1,000 clients it takes 0.2 % of the time (`npm run bench -- --only telemetry --profile`).
 */
import { performance } from 'node:perf_hooks';
import type { Ticker } from '../../ticker.ts';
import type { EventLoopDelay } from '../figures.ts';
import { DelayHistogram } from './delay-histogram.ts';

export type EventLoop = {
  /** Seconds since the loop started, both growing. */
  time(): { active: number; idle: number };
  /** Seconds, of the turns since the last reset; all 0 if there was none. */
  delay(): EventLoopDelay;
  resetDelay(): void;
  start(): void;
  stop(): void;
};

export function createEventLoop(ticker: Pick<Ticker, 'onWake'>): EventLoop {
  const timers = new DelayHistogram();
  const turns = new DelayHistogram();
  let look: NodeJS.Immediate | undefined;
  let turnMs = 0;
  let idleMs = 0;

  function onTurn(): void {
    const nowMs = performance.now();
    const idleNowMs = performance.nodeTiming.idleTime;
    turns.record((nowMs - turnMs - (idleNowMs - idleMs)) / 1000);
    nextTurn(nowMs, idleNowMs);
  }

  function nextTurn(nowMs: number, idleNowMs: number): void {
    turnMs = nowMs;
    idleMs = idleNowMs;
    // Unreferenced, it runs when the loop turns for another reason, and neither wakes it nor keeps it alive.
    look = setImmediate(onTurn);
    look.unref();
  }

  return {
    time() {
      const { active, idle } = performance.eventLoopUtilization();
      return { active: active / 1000, idle: idle / 1000 };
    },
    delay: () => worse(timers.summary(), turns.summary()),
    resetDelay() {
      timers.reset();
      turns.reset();
    },
    start() {
      ticker.onWake = (lateMs) => timers.record(lateMs / 1000);
      // What came before the end of this turn is no delay of the loop.
      look = setImmediate(() => nextTurn(performance.now(), performance.nodeTiming.idleTime));
      look.unref();
    },
    stop() {
      ticker.onWake = undefined;
      clearImmediate(look);
    },
  };
}

function worse(one: EventLoopDelay, other: EventLoopDelay): EventLoopDelay {
  return {
    min: Math.max(one.min, other.min),
    max: Math.max(one.max, other.max),
    mean: Math.max(one.mean, other.mean),
    stddev: Math.max(one.stddev, other.stddev),
    p50: Math.max(one.p50, other.p50),
    p90: Math.max(one.p90, other.p90),
    p99: Math.max(one.p99, other.p99),
  };
}
