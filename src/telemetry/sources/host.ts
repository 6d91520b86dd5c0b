/**
 * The machine's memory and CPUs, whoever uses them. On Linux from /proc/meminfo and /proc/stat: 15 us together on a
 * small machine; the kernel writes stat anew for each read, which grows with its CPUs. Elsewhere from Node, where that
 * means the same thing. Formats: proc_meminfo(5), proc_stat(5).
 */
import os from 'node:os';
import type { HostCpuMode, HostFigures } from '../figures.ts';
import type { PlatformFiles } from './files.ts';
import { count, defined, kilobytes, ticksPerSecond } from './procfs.ts';

export type MemoryInfo = Omit<HostFigures, 'cpuTime' | 'cpus'>;

/** /proc/meminfo. A line that is missing or makes no sense leaves its figure out. */
export function parseMemoryInfo(text: string): MemoryInfo {
  const total = kilobytes(text, 'MemTotal');
  return defined<MemoryInfo>({
    memoryLimitBytes: total,
    memoryBytes: split(total, kilobytes(text, 'MemAvailable'), 'available'),
    pagingBytes: split(kilobytes(text, 'SwapTotal'), kilobytes(text, 'SwapFree'), 'free'),
  });
}

/** What is used and what is left, so that the two make up the total; undefined when it cannot be told. */
function split<Left extends string>(
  total: number | undefined,
  left: number | undefined,
  name: Left,
): Record<Left | 'used', number> | undefined {
  if (total === undefined || left === undefined || left > total) return undefined;
  return { used: total - left, [name]: left } as Record<Left | 'used', number>;
}

export type CpuStat = { cpuTime: Record<HostCpuMode, number>; cpus: number };

/** /proc/stat: seconds by mode over all CPUs, and how many there are; undefined when it does not begin as one. */
export function parseCpuStat(text: string): CpuStat | undefined {
  const fields = /^cpu +((?:\d+ ){7}\d+)[ \n]/.exec(text)?.[1]?.split(' ') ?? [];
  const ticks = fields.map(count).filter((one) => one !== undefined);
  // A text that ends within the list of CPUs may lack some of them.
  const list = /\n(?:cpu\d[^\n]*\n)+[^c\n]/.exec(text)?.[0];
  if (ticks.length !== 8 || list === undefined) return undefined;
  // Guests, the ninth and the tenth field, are in user and nice already.
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, hard = 0, soft = 0, steal = 0] = ticks;
  const byMode = { user, nice, system, idle, iowait, interrupt: hard + soft, steal };
  for (const mode in byMode) byMode[mode as HostCpuMode] /= ticksPerSecond;
  return { cpuTime: byMode, cpus: list.split('\ncpu').length - 1 };
}

/** `onError` is called once for each file that could not be read or understood. */
export function createHost(files: PlatformFiles, onError: () => void): () => HostFigures {
  const highest: Partial<Record<HostCpuMode, number>> = {};

  /** The kernel's own account of waiting can step back, by a little; a counter must not. */
  function rising(cpuTime: Record<HostCpuMode, number>): Record<HostCpuMode, number> {
    for (const mode in cpuTime) {
      const key = mode as HostCpuMode;
      cpuTime[key] = highest[key] = Math.max(cpuTime[key], highest[key] ?? 0);
    }
    return cpuTime;
  }

  return () => {
    const memory = parseMemoryInfo(files.read('/proc/meminfo') ?? '');
    if (memory.memoryLimitBytes === undefined) onError();
    const stat = parseCpuStat(files.read('/proc/stat') ?? '');
    if (stat === undefined) onError();
    return { ...memory, ...(stat && { cpuTime: rising(stat.cpuTime), cpus: stat.cpus }) };
  };
}

/** The part of node:os that is asked. */
export type HostOs = Pick<typeof os, 'totalmem' | 'freemem' | 'cpus'>;

/**
 * Other systems. What os.freemem() answers is the available memory on Windows only: elsewhere it leaves out what could
 * be had at once. Interrupts are within the system's time on Windows and not told on others, so they have no mode of
 * their own; nor has nice where there is no such thing.
 */
export function readOtherHost(system: string, from: HostOs = os): HostFigures {
  const total = from.totalmem();
  const cpus = from.cpus();
  const sum = (mode: 'user' | 'nice' | 'sys' | 'idle'): number =>
    cpus.reduce((ms, { times }) => ms + times[mode], 0) / 1000;
  return defined<HostFigures>({
    memoryLimitBytes: total,
    memoryBytes: system === 'win32' ? split(total, from.freemem(), 'available') : undefined,
    cpuTime:
      cpus.length === 0
        ? undefined
        : {
            user: sum('user'),
            system: sum('sys'),
            idle: sum('idle'),
            ...(system === 'win32' ? {} : { nice: sum('nice') }),
          },
    cpus: cpus.length === 0 ? undefined : cpus.length,
    pagingBytes: undefined,
  });
}
