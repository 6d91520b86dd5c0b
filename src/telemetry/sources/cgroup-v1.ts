/**
 * The figures of v1 groups, where each controller has a hierarchy of its own. There is no high limit, no pressure, and
 * of the events only max (as failcnt: how often the limit was hit) and oom_kill, both of the group alone and not of its
 * children. Format: the kernel's cgroup-v1/memory.rst and cpuacct.rst.
 */
import type { ContainerFigures } from '../figures.ts';
import type { FigureOpener, FigureSource } from './cgroup-files.ts';
import { cpus, parseKeyed, parseNumber, smallest } from './cgroup-files.ts';
import type { Group } from './cgroup-path.ts';
import type { CpuFigures } from './cgroup-v2.ts';
import { memoryUse, pageFaults } from './cgroup-v2.ts';
import { defined, ticksPerSecond } from './procfs.ts';

/** Times stand with cpuacct, throttling with cpu; the two may be different groups. */
export function openCpuV1(
  files: FigureOpener,
  cpu: Group | undefined,
  cpuacct: Group | undefined,
): () => CpuFigures {
  // In ticks, but the kernel divides the exact total between user and system; cpuacct.usage_user is sampled.
  const readTimes = files.open(cpuacct?.own, 'cpuacct.stat', parseKeyed);
  const readStat = files.open(cpu?.own, 'cpu.stat', parseKeyed);
  return () => {
    const times = readTimes();
    const stat = readStat();
    const user = times?.get('user');
    const system = times?.get('system');
    const throttledNanos = stat?.get('throttled_time');
    return defined<CpuFigures>({
      cpuTime:
        user === undefined || system === undefined
          ? undefined
          : { user: user / ticksPerSecond, system: system / ticksPerSecond },
      throttledSeconds: throttledNanos === undefined ? undefined : throttledNanos / 1e9,
      throttledPeriods: stat?.get('nr_throttled'),
      periods: stat?.get('nr_periods'),
    });
  };
}

export function openQuotaV1(files: FigureOpener, cpu: Group): FigureSource<number> {
  const levels = cpu.lineage.map((folder) => ({
    // -1 is no quota; that it is not a number for us is no error.
    readQuota: files.openLimits([folder], 'cpu.cfs_quota_us', parseNumber),
    readPeriod: files.open(folder, 'cpu.cfs_period_us', parseNumber),
  }));
  return () => smallest(levels.map(({ readQuota, readPeriod }) => cpus(readQuota(), readPeriod())));
}

export function openMemoryV1(files: FigureOpener, group: Group): () => ContainerFigures {
  const readUsage = files.open(group.own, 'memory.usage_in_bytes', parseNumber);
  const readStat = files.open(group.own, 'memory.stat', parseKeyed);
  const readPeak = files.open(group.own, 'memory.max_usage_in_bytes', parseNumber);
  const readHits = files.open(group.own, 'memory.failcnt', parseNumber);
  const readOomControl = files.open(group.own, 'memory.oom_control', parseKeyed);
  const readLimit = files.openLimits(group.lineage, 'memory.limit_in_bytes', parseNumber);
  return () => {
    const stat = readStat();
    // The second is the smallest limit of all parents, also of those that a container does not see.
    const limit = smallest([readLimit(), stat?.get('hierarchical_memory_limit')]);
    const events = defined({ max: readHits(), oom_kill: readOomControl()?.get('oom_kill') });
    return defined<ContainerFigures>({
      ...memoryUse(readUsage(), stat?.get('total_inactive_file'), limit),
      rssBytes: stat?.get('total_rss'),
      pageFaults: pageFaults(stat?.get('total_pgfault'), stat?.get('total_pgmajfault')),
      memoryPeakBytes: readPeak(),
      memoryEvents: Object.keys(events).length === 0 ? undefined : events,
    });
  };
}
