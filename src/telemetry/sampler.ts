/**
 * Closes the windows over which gauges of CPU, event-loop utilisation and delay are computed. Whoever reads gets the
 * last closed window, so any number of readers at any times see the same figures, and reading changes nothing: a
 * difference taken, or a histogram reset, at reading would be wrong from the second reader on.
 *
 * A late tick makes its window longer and loses nothing: each window begins where the last one ended. The first is short,
 * about a quarter of a second, so that a report right after the start has real figures; until then all read 0 and
 * `closedAtMs` is 0.
 */
import type { Every } from '../ticker.ts';
import type { WindowFigures } from './figures.ts';
import { noDelay } from './sources/delay-histogram.ts';
import type { EventLoop } from './sources/event-loop.ts';

export type SamplerOptions = {
  /** 250 ms to 60 s. */
  intervalMs: number;
  /** Seconds of the whole process since its start. */
  cpuTime(): { user: number; system: number };
  /** CPUs that the process may use, a fraction. */
  cpuLimit(): number;
  eventLoop: Pick<EventLoop, 'time' | 'delay' | 'resetDelay'>;
  /** Called before each window is closed: the time for what is looked after now and then. */
  onTick?(): void;
  /** Milliseconds of a clock that never goes back. */
  nowMs?(): number;
  unixMs?(): number;
  every: Every;
};

export type Sampler = {
  window(): WindowFigures;
  start(): void;
  /** The last window stays readable, and ages. */
  stop(): void;
};

const firstWindowMs = 250;

type Mark = { atMs: number; cpu: { user: number; system: number }; loop: { active: number; idle: number } };

export function createSampler(options: SamplerOptions): Sampler {
  const { intervalMs, every, cpuTime, cpuLimit, eventLoop, onTick } = options;
  const nowMs = options.nowMs ?? (() => performance.now());
  const unixMs = options.unixMs ?? Date.now;

  const takeMark = (): Mark => ({ atMs: nowMs(), cpu: cpuTime(), loop: eventLoop.time() });
  let begin = takeMark();
  let closed: Omit<WindowFigures, 'age'> = {
    closedAtMs: 0,
    cpuUtilization: { user: 0, system: 0 },
    eventLoopUtilization: 0,
    eventLoopDelay: { ...noDelay },
  };
  let stopTicking: (() => void) | undefined;

  function tick(): void {
    onTick?.();
    const end = takeMark();
    // A clock that stands still makes no window; what happened since goes into the next one.
    if (end.atMs > begin.atMs) close(end);
  }

  function firstTick(): void {
    stopTicking?.();
    stopTicking = every(tick, intervalMs);
    tick();
  }

  function close(end: Mark): void {
    const availableSeconds = ((end.atMs - begin.atMs) / 1000) * cpuLimit();
    const active = end.loop.active - begin.loop.active;
    const idle = end.loop.idle - begin.loop.idle;
    closed = {
      closedAtMs: unixMs(),
      cpuUtilization: {
        user: share(end.cpu.user - begin.cpu.user, availableSeconds),
        system: share(end.cpu.system - begin.cpu.system, availableSeconds),
      },
      eventLoopUtilization: Math.min(1, share(active, active + idle)),
      eventLoopDelay: eventLoop.delay(),
    };
    eventLoop.resetDelay();
    begin = end;
  }

  return {
    window: () => ({ ...closed, age: Math.max(0, nowMs() - begin.atMs) / 1000 }),
    start() {
      if (stopTicking !== undefined) return;
      // What happened between creation and start belongs to no window.
      begin = takeMark();
      stopTicking = every(firstTick, Math.min(firstWindowMs, intervalMs));
    },
    stop() {
      stopTicking?.();
      stopTicking = undefined;
    },
  };
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.max(0, part) / whole : 0;
}
