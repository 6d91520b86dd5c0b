/**
 * The figures of a v2 group. All controllers share one folder; a file is missing where the kernel is too old for it
 * (memory.peak: 5.19) or the controller is not enabled so far down. Format: the kernel's cgroup-v2.rst.
 */
import type { ContainerFigures, PressureResource } from '../figures.ts';
import { pressureResources } from '../figures.ts';
import type { FigureOpener, FigureSource } from './cgroup-files.ts';
import { parseCpuMax, parseKeyed, parseNumber, parsePressure } from './cgroup-files.ts';
import type { Group } from './cgroup-path.ts';
import { defined } from './procfs.ts';

export type CpuFigures = Pick<
  ContainerFigures,
  'cpuTime' | 'throttledSeconds' | 'throttledPeriods' | 'periods'
>;

/** The times are there even where the CPU controller is off; periods and throttling are not. */
export function openCpuV2(files: FigureOpener, group: Group | undefined): () => CpuFigures {
  const readStat = files.open(group?.own, 'cpu.stat', parseKeyed);
  return () => {
    const stat = readStat();
    const user = stat?.get('user_usec');
    const system = stat?.get('system_usec');
    const throttled = stat?.get('throttled_usec');
    return defined<CpuFigures>({
      cpuTime:
        user === undefined || system === undefined ? undefined : { user: user / 1e6, system: system / 1e6 },
      throttledSeconds: throttled === undefined ? undefined : throttled / 1e6,
      throttledPeriods: stat?.get('nr_throttled'),
      periods: stat?.get('nr_periods'),
    });
  };
}

export function openQuotaV2(files: FigureOpener, group: Group): FigureSource<number> {
  return files.openLimits(group.lineage, 'cpu.max', parseCpuMax);
}

export function openMemoryV2(files: FigureOpener, group: Group): () => ContainerFigures {
  const readUsage = files.open(group.own, 'memory.current', parseNumber);
  const readStat = files.open(group.own, 'memory.stat', parseKeyed);
  const readPeak = files.open(group.own, 'memory.peak', parseNumber);
  const readEvents = files.open(group.own, 'memory.events', parseKeyed);
  const readMax = files.openLimits(group.lineage, 'memory.max', parseNumber);
  const readHigh = files.openLimits(group.lineage, 'memory.high', parseNumber);
  return () => {
    const stat = readStat();
    const events = readEvents();
    return defined<ContainerFigures>({
      ...memoryUse(readUsage(), stat?.get('inactive_file'), readMax()),
      rssBytes: stat?.get('anon'),
      pageFaults: pageFaults(stat?.get('pgfault'), stat?.get('pgmajfault')),
      memoryHighBytes: readHigh(),
      memoryPeakBytes: readPeak(),
      memoryEvents:
        events &&
        defined({
          high: events.get('high'),
          max: events.get('max'),
          oom: events.get('oom'),
          oom_kill: events.get('oom_kill'),
        }),
    });
  };
}

/** Missing where the kernel was built or started without pressure accounting. */
export function openPressure(
  files: FigureOpener,
  group: Group | undefined,
): () => Pick<ContainerFigures, 'pressureSeconds'> {
  const readers = pressureResources.map(
    (resource) => [resource, files.open(group?.own, `${resource}.pressure`, parsePressure)] as const,
  );
  return () => {
    const seconds: Partial<Record<PressureResource, { some: number; full?: number }>> = {};
    for (const [resource, read] of readers) {
      const stall = read();
      if (stall !== undefined) seconds[resource] = stall;
    }
    return Object.keys(seconds).length === 0 ? {} : { pressureSeconds: seconds };
  };
}

/**
 * The working set as the kubelet computes it: what the kernel could not take back at once. What is available is the
 * smallest limit less that; siblings under a parent's limit are not seen from here, so it is an upper bound.
 */
export function memoryUse(
  usage: number | undefined,
  inactiveFile: number | undefined,
  limit: number | undefined,
): Pick<ContainerFigures, 'memoryUsageBytes' | 'workingSetBytes' | 'availableBytes' | 'memoryLimitBytes'> {
  const known = usage !== undefined && inactiveFile !== undefined;
  const workingSetBytes = known ? Math.max(0, usage - inactiveFile) : undefined;
  return defined({
    memoryUsageBytes: usage,
    workingSetBytes,
    availableBytes:
      limit === undefined || workingSetBytes === undefined ? undefined : Math.max(0, limit - workingSetBytes),
    memoryLimitBytes: limit,
  });
}

/** The kernel counts all faults and, among them, the major ones. */
export function pageFaults(
  all: number | undefined,
  major: number | undefined,
): ContainerFigures['pageFaults'] {
  return all === undefined || major === undefined ? undefined : { major, minor: Math.max(0, all - major) };
}
