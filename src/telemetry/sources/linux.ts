/**
 * What only Linux tells: /proc/self and control groups as one source of process and container figures. On other
 * systems there is none of it. Costs: status 11 us, threads 4 each where they have worked, container 25.
 */
import { lastKept } from '../../last-kept.ts';
import type { ContainerFigures, PlatformSource, ProcessFigures } from '../figures.ts';
import { createCgroup } from './cgroup.ts';
import type { PlatformFiles } from './files.ts';
import { countCpus, createProcfs, defined, type Status } from './procfs.ts';
import { createThreadTimes, type MainAndOthers } from './threads.ts';

/** What /proc adds to the figures that Node has on every system. */
export type LinuxProcessFigures = Omit<
  ProcessFigures,
  'cpuTime' | 'cpuLimit' | 'uptime' | 'residentBytes' | 'contextSwitches' | 'pageFaults'
>;

export type Linux = {
  status(): Status;
  /** `used` is the CPU time of the main thread and of all others, where that is known. */
  process(status: Status, used?: MainAndOthers): LinuxProcessFigures;
  container(): ContainerFigures | undefined;
  fileDescriptorLimit(): number | undefined;
  /** How many are open; undefined where counting them would cost as much as they are many. */
  fileDescriptorsAtOnce(): number | undefined;
  /** CPUs that the scheduler may put the process on; undefined where /proc does not tell. */
  affinity(): number | undefined;
  /** CPUs that quotas leave, a fraction; undefined without one. */
  quota(): number | undefined;
  /** Looks after what changes seldom: groups the process is moved to, CPUs that are plugged in, the limit on descriptors. */
  refresh(): void;
};

export function createLinux(
  files: PlatformFiles,
  nowMs: () => number,
  onError: (source: PlatformSource) => void,
): Linux {
  const procfs = createProcfs(files, nowMs, () => onError('procfs'));
  const threads = createThreadTimes(files, () => onError('procfs'));
  const cgroup = createCgroup(files, () => onError('cgroup'));
  const readOnline = () => files.read('/sys/devices/system/cpu/online');
  let online = readOnline();
  const keep = lastKept<Status>();
  let cpusAllowed: string | undefined;
  let affinity: number | undefined;
  let fileDescriptorLimit = procfs.fileDescriptorLimit();

  /** Where /proc does not tell, what it told last stands. */
  function countAffinity(allowed = cpusAllowed): void {
    cpusAllowed = allowed;
    // Where /sys is hidden, all that are allowed count as online.
    affinity = allowed === undefined ? undefined : countCpus(allowed, online ?? allowed);
  }

  function status(): Status {
    const read = keep(procfs.status());
    if (read.cpusAllowed !== cpusAllowed) countAffinity(read.cpusAllowed);
    return read;
  }
  status();

  return {
    status,
    process: (read, used) =>
      defined<LinuxProcessFigures>({
        virtualBytes: read.virtualBytes,
        residentByKind: read.residentByKind,
        swapBytes: read.swapBytes,
        peakResidentBytes: read.peakResidentBytes,
        stackBytes: read.stackBytes,
        threads: read.threads,
        fileDescriptors: procfs.fileDescriptors(),
        fileDescriptorLimit,
        threadCpuTime: threads.read(read.threads, used),
      }),
    container: () => cgroup.read(),
    fileDescriptorLimit: () => fileDescriptorLimit,
    fileDescriptorsAtOnce: procfs.fileDescriptorsAtOnce,
    affinity: () => affinity,
    quota: () => cgroup.cpuLimit(),
    refresh() {
      const onlineNow = readOnline();
      // It was there at the start: no descriptor is free, for instance.
      if (onlineNow === undefined && online !== undefined) onError('procfs');
      online = onlineNow ?? online;
      countAffinity(procfs.status().cpusAllowed);
      // Where no descriptor is free, it is needed most.
      fileDescriptorLimit = procfs.fileDescriptorLimit(fileDescriptorLimit);
      cgroup.refresh();
    },
  };
}
