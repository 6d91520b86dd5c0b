/**
 * All that the platform tells about this process, put together: each part read now, at once, and never throwing.
 * A figure that a source cannot give is absent, and the failure counted under the source's name. On other
 * systems than Linux, /proc and control groups are not asked, and no error is made of it. Holds nothing global: several
 * live side by side. What grows with the number of connections is read seldom: the list of active resources and, on Linux
 * before 6.2, that of descriptors.
 */
import { availableParallelism } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { Ticker } from '../../ticker.ts';
import type { GcType, PlatformFigures, PlatformSource } from '../figures.ts';
import { platformSources } from '../figures.ts';
import { createSampler, type SamplerOptions } from '../sampler.ts';
import { createEventLoop } from './event-loop.ts';
import { createPlatformFiles, type PlatformFiles } from './files.ts';
import { createGcPauses } from './gc.ts';
import { createHost, readOtherHost } from './host.ts';
import { createLinux } from './linux.ts';
import type { Status } from './procfs.ts';
import type { MainAndOthers } from './threads.ts';
import { createHeapReader, createResourceCounter, goMemory, sumSpaces } from './v8.ts';

export type PlatformOptions = {
  /** The sampler's window, 250 ms to 60 s. */
  sampleIntervalMs: number;
  /** As process.platform has it. */
  system?: string;
  files?: PlatformFiles;
  /** What closes the windows, and wakes so that delays are seen; by default one of its own. */
  ticker?: Pick<Ticker, 'every' | 'onWake'>;
} & Pick<SamplerOptions, 'nowMs' | 'unixMs'>;

export type Platform = PlatformFigures & {
  /** Soft limit; undefined when there is none, or nobody tells. */
  fileDescriptorLimit(): number | undefined;
  /** As process and runtime tell them. V8 is asked in one place only, which takes off what its asking adds to the account. */
  residentBytes(): number;
  heap(): { sizeBytes: number; usedBytes: number; limitBytes: number };
  /** Before this, windows read 0 and no pause is counted; all the rest is there. */
  start(): void;
  /** Leaves no timer, observer or descriptor. Reading goes on to work. */
  stop(): void;
  /** Hears each pause of the garbage collector, a turn of the event loop later. */
  onGcPause(listener: (seconds: number, type: GcType) => void): void;
};

/**
 * CPU time of the main thread and of all others; undefined on another thread, which can only ask for itself. Asking for the
 * whole process, just before, has brought the kernel's account of this thread up to date.
 */
function secondsByThread({ userCPUTime, systemCPUTime }: NodeJS.ResourceUsage): MainAndOthers | undefined {
  if (!isMainThread) return undefined;
  const { user, system } = process.threadCpuUsage();
  return { main: (user + system) / 1e6, others: (userCPUTime + systemCPUTime - user - system) / 1e6 };
}

/** How often to look after groups, CPUs and the limit on descriptors, which change seldom: it costs 0.2 ms. */
const refreshIntervalMs = 30_000;

export function createPlatform(options: PlatformOptions): Platform {
  const { sampleIntervalMs, system = process.platform, files = createPlatformFiles() } = options;
  const { nowMs = () => performance.now(), ticker = new Ticker() } = options;
  const errors = Object.fromEntries(
    platformSources.map((source) => [source, 0]),
  ) as PlatformFigures['errors'];
  const onError = (source: PlatformSource): void => {
    errors[source] += 1;
  };

  /** A reading that may fail and yet must have an answer: its last one. */
  function steady<T>(source: PlatformSource, read: () => T): () => T {
    let last = read();
    return () => {
      try {
        last = read();
      } catch {
        onError(source);
      }
      return last;
    };
  }

  const linux = system === 'linux' ? createLinux(files, nowMs, onError) : undefined;
  const host = linux === undefined ? () => readOtherHost(system) : createHost(files, () => onError('procfs'));
  const gc = createGcPauses();
  const eventLoop = createEventLoop(ticker);
  const readUsage = steady('procfs', () => process.resourceUsage());
  const readResident = steady('procfs', () => process.memoryUsage.rss());
  const readHeapNow = steady('v8', createHeapReader());
  const readResources = createResourceCounter({
    nowMs,
    descriptors: () => linux?.fileDescriptorsAtOnce(),
  });
  const readLoopTime = steady('event_loop', eventLoop.time);

  function cpuTime(): { user: number; system: number } {
    const { userCPUTime, systemCPUTime } = readUsage();
    return { user: userCPUTime / 1e6, system: systemCPUTime / 1e6 };
  }

  /** As of the last window, which was divided by it. */
  let quota = linux?.quota();
  /** Node's own count of CPUs is cut to whole ones by a v2 quota and knows nothing of a v1 quota. */
  function cpuLimit(): number {
    const affinity = linux?.affinity() ?? availableParallelism();
    return Math.min(affinity, quota ?? affinity);
  }

  let refreshAtMs = nowMs() + refreshIntervalMs;
  function onTick(): void {
    refreshNowAndThen();
    quota = linux?.quota();
  }
  function refreshNowAndThen(): void {
    if (nowMs() < refreshAtMs) return;
    refreshAtMs = nowMs() + refreshIntervalMs;
    linux?.refresh();
  }

  const sampler = createSampler({
    ...options,
    every: ticker.every,
    intervalMs: sampleIntervalMs,
    cpuTime,
    cpuLimit,
    eventLoop: { ...eventLoop, time: readLoopTime },
    onTick,
  });

  // Of memory speak process, runtime and container, and before them whoever decides whether there is enough for newcomers.
  const readStatus = oncePerTurn((): Status => linux?.status() ?? {});
  const residentBytes = oncePerTurn((): number => readStatus().residentBytes ?? readResident());

  return {
    errors,
    process() {
      const usage = readUsage();
      const status = readStatus();
      return {
        peakResidentBytes: usage.maxRSS * 1024,
        ...linux?.process(status, secondsByThread(usage)),
        cpuTime: { user: usage.userCPUTime / 1e6, system: usage.systemCPUTime / 1e6 },
        cpuLimit: cpuLimit(),
        uptime: process.uptime(),
        residentBytes: residentBytes(),
        // Windows tells neither: of switches Node has 0 there, and as major faults all that there are.
        ...(system !== 'win32' && {
          contextSwitches: {
            voluntary: usage.voluntaryContextSwitches,
            involuntary: usage.involuntaryContextSwitches,
          },
          pageFaults: { major: usage.majorPageFault, minor: usage.minorPageFault },
        }),
      };
    },
    runtime() {
      const { stackBytes = 0, swapBytes = 0 } = readStatus();
      const heap = readHeapNow();
      return {
        ...heap,
        go: goMemory(heap.spaces, { stackBytes, residentBytes: residentBytes(), swapBytes }),
        gc: gc.read(),
        eventLoopTime: readLoopTime(),
        activeResources: readResources(),
      };
    },
    container: oncePerTurn(() => linux?.container()),
    fileDescriptorLimit: () => linux?.fileDescriptorLimit(),
    residentBytes,
    heap() {
      const { spaces, heapLimitBytes } = readHeapNow();
      const { size, used } = sumSpaces(spaces);
      return { sizeBytes: size, usedBytes: used, limitBytes: heapLimitBytes };
    },
    host,
    window: () => sampler.window(),
    start() {
      files.keep();
      gc.start();
      eventLoop.start();
      sampler.start();
    },
    stop() {
      sampler.stop();
      eventLoop.stop();
      gc.stop();
      files.close();
    },
    onGcPause: (listener) => gc.onPause(listener),
  };
}

/** What is asked for again before the microtasks run, as in one collection, is not read again. */
function oncePerTurn<T>(read: () => T): () => T {
  let kept: { readonly value: T } | undefined;
  return () => {
    if (kept === undefined) {
      kept = { value: read() };
      queueMicrotask(() => {
        kept = undefined;
      });
    }
    return kept.value;
  };
}
