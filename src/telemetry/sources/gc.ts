/**
 * The garbage collector's pauses, from Node's performance entries: how often and how long the program stood still. It
 * does not see what helper threads do meanwhile, and of incremental marking only a part of the steps. An entry arrives
 * one turn of the event loop after its pause. Costs nothing but the entries: a few microseconds per collection.
 */

import type { PerformanceEntry } from 'node:perf_hooks';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import type { GcType } from '../figures.ts';
import { gcTypes } from '../figures.ts';

export type GcPauses = {
  /** Since the start. */
  read(): Record<GcType, { count: number; seconds: number }>;
  /** Hears each pause once, for a histogram. What it throws ends the process, as in any callback. */
  onPause(listener: (seconds: number, type: GcType) => void): void;
  start(): void;
  /** Takes in what has arrived already; start() may follow. */
  stop(): void;
};

/** The type of a `gc` entry; undefined for a kind that this version does not know. */
export function gcType(kind: unknown): GcType | undefined {
  if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) return 'major';
  if (
    kind === constants.NODE_PERFORMANCE_GC_MINOR ||
    kind === constants.NODE_PERFORMANCE_GC_MINOR_MARK_SWEEP
  ) {
    return 'minor';
  }
  if (kind === constants.NODE_PERFORMANCE_GC_INCREMENTAL) return 'incremental';
  return kind === constants.NODE_PERFORMANCE_GC_WEAKCB ? 'weakcb' : undefined;
}

export function createGcPauses(): GcPauses {
  const sums = Object.fromEntries(gcTypes.map((type) => [type, { count: 0, seconds: 0 }])) as Record<
    GcType,
    { count: number; seconds: number }
  >;
  const listeners: ((seconds: number, type: GcType) => void)[] = [];
  let isObserving = false;

  function take(entries: readonly PerformanceEntry[]): void {
    for (const entry of entries) {
      const type = gcType((entry as { detail?: { kind?: unknown } }).detail?.kind);
      if (type === undefined) continue;
      const seconds = entry.duration / 1000;
      sums[type].count += 1;
      sums[type].seconds += seconds;
      for (const listener of listeners) listener(seconds, type);
    }
  }
  const observer = new PerformanceObserver((list) => take(list.getEntries()));

  return {
    read: () => {
      const copy = {} as Record<GcType, { count: number; seconds: number }>;
      for (const type of gcTypes) copy[type] = { ...sums[type] };
      return copy;
    },
    onPause: (listener) => void listeners.push(listener),
    start() {
      if (isObserving) return;
      isObserving = true;
      observer.observe({ entryTypes: ['gc'] });
    },
    stop() {
      if (!isObserving) return;
      isObserving = false;
      take(observer.takeRecords());
      observer.disconnect();
    },
  };
}
