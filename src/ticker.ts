/**
 * One timer for all that is done again and again: the heartbeat's sweep, the sampler's windows, the drain. An idle process
 * wakes for each of its timers, and whatever runs then finds the processor's caches full of other things, so that a wake-up
 * costs more than what is done in it. So runs come at multiples of their interval, and those whose intervals divide one
 * another share one.
 */

/**
 * Runs the function again and again, until the answer is called. An interval that is a function is asked for after each run.
 * The first run comes after half an interval to one and a half. A run that is missed, because the loop stood still, is
 * left out. None keeps the process alive.
 */
export type Every = (run: () => void, intervalMs: number | (() => number)) => () => void;

export type TickerOptions = {
  /** Milliseconds of a clock that never goes back. */
  nowMs?(): number;
  /** Arms a timer that does not keep the process alive; the answer disarms it. */
  setTimer?(callback: () => void, delayMs: number): () => void;
};

type Job = { readonly run: () => void; readonly intervalMs: () => number; dueMs: number };

/** Timers count whole milliseconds and may fire by one too early. */
const EARLY_MS = 1;

export class Ticker {
  readonly #nowMs: () => number;
  readonly #setTimer: (callback: () => void, delayMs: number) => () => void;
  readonly #originMs: number;
  readonly #jobs = new Set<Job>();
  #armed: { readonly forMs: number; disarm(): void } | undefined;
  /** Hears of each wake-up how many milliseconds late it is. */
  onWake: ((lateMs: number) => void) | undefined;

  constructor({ nowMs = () => performance.now(), setTimer = setUnrefTimer }: TickerOptions = {}) {
    this.#nowMs = nowMs;
    this.#setTimer = setTimer;
    this.#originMs = nowMs();
  }

  readonly every: Every = (run, interval) => {
    const intervalMs = typeof interval === 'number' ? () => interval : interval;
    const firstMs = intervalMs();
    const job: Job = { run, intervalMs, dueMs: this.#multipleFrom(this.#nowMs() + firstMs / 2, firstMs) };
    this.#jobs.add(job);
    this.#arm();
    return () => {
      this.#jobs.delete(job);
      this.#arm();
    };
  };

  /** The first multiple of the interval that is not before `ms`. */
  #multipleFrom(ms: number, intervalMs: number): number {
    return this.#originMs + Math.ceil((ms - this.#originMs) / intervalMs) * intervalMs;
  }

  #wake(forMs: number): void {
    this.#armed = undefined;
    this.onWake?.(Math.max(0, this.#nowMs() - forMs));
    for (const job of this.#jobs) {
      if (job.dueMs > this.#nowMs() + EARLY_MS) continue;
      job.run();
      job.dueMs = this.#multipleFrom(Math.max(this.#nowMs(), job.dueMs) + EARLY_MS, job.intervalMs());
    }
    this.#arm();
  }

  /** For the first one that is due, unless it is already. */
  #arm(): void {
    let forMs = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#jobs) forMs = Math.min(forMs, dueMs);
    if (this.#armed?.forMs === forMs) return;
    this.#armed?.disarm();
    this.#armed = undefined;
    if (this.#jobs.size === 0) return;
    const delayMs = Math.max(1, Math.ceil(forMs - this.#nowMs()));
    this.#armed = { forMs, disarm: this.#setTimer(() => this.#wake(forMs), delayMs) };
  }
}

function setUnrefTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
