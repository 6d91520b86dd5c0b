/**
 * The process as Linux sees it, from /proc/self: parsers, which are pure and never throw, and a reader. It knows
 * nothing of V8 nor of control groups. Formats: proc_pid_status(5), proc_pid_stat(5), proc_pid_limits(5).
 * A read costs 11 us for status, 8 for limits and 4 for each thread.
 */
import type { MemoryKind } from '../figures.ts';
import type { PlatformFiles } from './files.ts';

/**
 * Clock ticks per second in stat. The kernel reports in USER_HZ, not in its own HZ, and USER_HZ is 100 on every
 * architecture that Node runs on (it was 1024 on Alpha and Itanium only), so there is no need to fork `getconf`.
 */
export const ticksPerSecond = 100;

export type Status = {
  virtualBytes?: number;
  residentBytes?: number;
  peakResidentBytes?: number;
  residentByKind?: Record<MemoryKind, number>;
  swapBytes?: number;
  /** The main thread's stack. */
  stackBytes?: number;
  threads?: number;
  /** As written, for instance `0-3,8`; it may name CPUs that are not online. */
  cpusAllowed?: string;
};

/** /proc/PID/status. A line that is missing or makes no sense leaves its figure out. */
export function parseStatus(text: string): Status {
  const anon = kilobytes(text, 'RssAnon');
  const file = kilobytes(text, 'RssFile');
  const shmem = kilobytes(text, 'RssShmem');
  // All three or none: they are parts of one sum, and Linux before 4.5 has none of them.
  const all = anon !== undefined && file !== undefined && shmem !== undefined;
  return defined({
    virtualBytes: kilobytes(text, 'VmSize'),
    residentBytes: kilobytes(text, 'VmRSS'),
    peakResidentBytes: kilobytes(text, 'VmHWM'),
    residentByKind: all ? { anon, file, shmem } : undefined,
    swapBytes: kilobytes(text, 'VmSwap'),
    stackBytes: kilobytes(text, 'VmStk'),
    threads: count(field(text, 'Threads')),
    cpusAllowed: field(text, 'Cpus_allowed_list'),
  });
}

export type Stat = {
  pid: number;
  /** At most 15 characters; may hold blanks and brackets. */
  name: string;
  userTicks: number;
  systemTicks: number;
  /** Ticks after the machine's start; with the pid it tells a thread from a later one of the same number. */
  startTicks: number;
};

/** /proc/PID/stat and /proc/PID/task/TID/stat; undefined when the text is not one whole line of that kind. */
export function parseStat(text: string): Stat | undefined {
  // The name may hold anything, closing brackets too, so the fields are counted from the last one.
  const open = text.indexOf(' (');
  const close = text.lastIndexOf(') ');
  if (open < 1 || close < open) return undefined;
  // One field more than is used: a last one may have been cut in the middle of its number.
  const fields = text.slice(close + 2).split(' ', 21);
  if (fields.length < 21) return undefined;
  const pid = count(text.slice(0, open));
  const userTicks = count(fields[11]);
  const systemTicks = count(fields[12]);
  const startTicks = count(fields[19]);
  if (pid === undefined || userTicks === undefined || systemTicks === undefined || startTicks === undefined) {
    return undefined;
  }
  return { pid, name: text.slice(open + 2, close), userTicks, systemTicks, startTicks };
}

/** The soft limit on open files in /proc/PID/limits; undefined when there is none or the text has no such line. */
export function parseFileDescriptorLimit(text: string): number | undefined {
  return count(/^Max open files +(\d+) /m.exec(text)?.[1]);
}

/**
 * How many CPUs both lists name, as sched_getaffinity(2) would count them: the mask in status names CPUs that could
 * be plugged in later, /sys/devices/system/cpu/online those that run. Undefined when either cannot be understood.
 */
export function countCpus(allowed: string, online: string): number | undefined {
  const first = parseRanges(allowed);
  const second = parseRanges(online);
  if (first === undefined || second === undefined) return undefined;
  let cpus = 0;
  for (const [low, high] of first) {
    for (const [from, to] of second) cpus += Math.max(0, Math.min(high, to) - Math.max(low, from) + 1);
  }
  return cpus > 0 ? cpus : undefined;
}

/** The kernel's list of ranges, ascending and apart from each other: `0-3,8`. */
function parseRanges(text: string): [number, number][] | undefined {
  const ranges: [number, number][] = [];
  for (const part of text.trim().split(',')) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    if (match === null) return undefined;
    const low = Number(match[1]);
    const high = Number(match[2] ?? match[1]);
    if (high < low || low <= (ranges.at(-1)?.[1] ?? -1)) return undefined;
    ranges.push([low, high]);
  }
  return ranges;
}

export type Procfs = {
  status(): Status;
  /** Undefined without a limit. Where it cannot be read, what was known before. */
  fileDescriptorLimit(before?: number): number | undefined;
  fileDescriptors(): number | undefined;
  /** The same, where one look tells: since Linux 6.2. */
  fileDescriptorsAtOnce(): number | undefined;
};

/** `onError` is called once for each file that could not be read or understood. */
export function createProcfs(files: PlatformFiles, nowMs: () => number, onError: () => void): Procfs {
  let listedCount: number | undefined;
  let listAgainAtMs = Number.NEGATIVE_INFINITY;

  /** Costs 0.8 us a descriptor, so it is repeated only when that comes to less than one percent of the time. */
  function countByListing(): number | undefined {
    const startMs = nowMs();
    if (startMs < listAgainAtMs) return listedCount;
    const names = files.list('/proc/self/fd');
    if (names === undefined) onError();
    // The listing holds the folder's own descriptor, which is gone afterwards.
    listedCount = names === undefined ? undefined : Math.max(0, names.length - 1);
    listAgainAtMs = nowMs() + 100 * (nowMs() - startMs);
    return listedCount;
  }

  /** Before Linux 6.2 the folder's size is 0, and at least the three standard descriptors are never that few. */
  function fileDescriptorsAtOnce(): number | undefined {
    return files.folderSize('/proc/self/fd') || undefined;
  }

  return {
    fileDescriptorsAtOnce,
    status() {
      const status = parseStatus(files.read('/proc/self/status') ?? '');
      if (status.residentBytes === undefined || status.threads === undefined) onError();
      return status;
    },
    fileDescriptorLimit(before) {
      const text = files.read('/proc/self/limits');
      if (text?.includes('\nMax open files ') === true) return parseFileDescriptorLimit(text);
      // A limit that is unlimited is no error; a file without the line is one.
      onError();
      return before;
    },
    fileDescriptors: () => fileDescriptorsAtOnce() ?? countByListing(),
  };
}

function field(text: string, name: string): string | undefined {
  return restOfLine(text, `${name}:`)?.trim();
}

/** What stands behind the beginning of a line; undefined without such a line, or when it was cut. */
export function restOfLine(text: string, beginning: string): string | undefined {
  const start = text.startsWith(beginning) ? 0 : text.indexOf(`\n${beginning}`) + 1;
  if (start === 0 && !text.startsWith(beginning)) return undefined;
  const end = text.indexOf('\n', start);
  // Without its end the value may have been cut in the middle of a number.
  return end === -1 ? undefined : text.slice(start + beginning.length, end);
}

/** A line of /proc/self/status or /proc/meminfo in bytes; undefined when it is not there, or not in kB. */
export function kilobytes(text: string, name: string): number | undefined {
  const value = field(text, name);
  const kilo = value?.endsWith(' kB') ? count(value.slice(0, -3)) : undefined;
  return kilo === undefined ? undefined : kilo * 1024;
}

/** A whole number without sign that a double holds exactly: 1 to 16 digits. */
export function count(text: string | undefined): number | undefined {
  if (text === undefined || text.length === 0 || text.length > 16) return undefined;
  let value = 0;
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = 10 * value + digit;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Leaves out what is undefined: absent figures are absent, not present and empty. */
export function defined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  const result: Partial<T> = {};
  for (const key in value) if (value[key] !== undefined) result[key] = value[key];
  return result as T;
}
