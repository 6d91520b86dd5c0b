/**
 * What the control groups of this process have used and may use: v1, v2, or some controllers on each (hybrid).
 * A group at the root of its hierarchy holds the whole machine and is no container, so its figures are left out; a
 * process with no other group has no container. Limits bind from every folder on the way up to the mount. Folders and
 * files are looked for at the start and, when something moved, by `refresh`; a read is one system call per file, 1 us
 * each and 10 for memory.stat.
 */
import type { ContainerFigures } from '../figures.ts';
import type { FigureOpener } from './cgroup-files.ts';
import { createFigureOpener } from './cgroup-files.ts';
import type { Group } from './cgroup-path.ts';
import { findGroups } from './cgroup-path.ts';
import { openCpuV1, openMemoryV1, openQuotaV1 } from './cgroup-v1.ts';
import { openCpuV2, openMemoryV2, openPressure, openQuotaV2 } from './cgroup-v2.ts';
import type { PlatformFiles, ReadFile } from './files.ts';

export type Cgroup = {
  /** Undefined where no group holds less than the machine. */
  read(): ContainerFigures | undefined;
  /** CPUs that the tightest quota leaves, a fraction; undefined without one. */
  cpuLimit(): number | undefined;
  /**
   * Starts over when the process was moved to other groups, or a v2 controller was switched on or off above it. Where that
   * cannot be told, as when no descriptor is free, all stays as it is.
   */
  refresh(): void;
};

type CgroupFiles = Pick<PlatformFiles, 'read' | 'readWhole' | 'denies'>;

/** `onError` is called once for each file that is there, or was at first, and cannot be read or understood. */
export function createCgroup(files: CgroupFiles, onError: () => void): Cgroup {
  let placed = place(files) ?? nowhere;
  let readers = openReaders(placed, createFigureOpener(files, onError));
  return {
    read: () => readers.read(),
    cpuLimit: () => readers.readQuota(),
    refresh() {
      if (situation(files.read, placed) === placed.situation) return;
      const moved = place(files);
      if (moved === undefined) {
        onError();
        return;
      }
      placed = moved;
      readers = openReaders(placed, createFigureOpener(files, onError));
    },
  };
}

type Placed = Record<'cpu' | 'cpuacct' | 'memory' | 'unified', Group | undefined> & {
  /** The process's memberships and the controllers of its v2 groups when the folders were looked for. */
  situation: string;
};

const nowhere: Placed = {
  cpu: undefined,
  cpuacct: undefined,
  memory: undefined,
  unified: undefined,
  situation: '',
};

/** Undefined where the kernel does not tell. */
function place(files: CgroupFiles): Placed | undefined {
  const cgroup = files.readWhole('/proc/self/cgroup');
  const mountinfo = files.readWhole('/proc/self/mountinfo');
  if (cgroup === undefined || mountinfo === undefined) return undefined;
  const groups = findGroups(cgroup, mountinfo);
  const choose = (candidates: readonly Group[]): Group | undefined => {
    const group = candidates.find((candidate) => isReadable(candidate, files.read));
    return group && isMachine(group, files.read) ? { ...group, own: undefined } : group;
  };
  // A controller is on v1 or on v2, never on both.
  const unified = choose(groups.unified);
  const placed = {
    cpu: choose(groups.cpu) ?? unified,
    cpuacct: choose(groups.cpuacct) ?? unified,
    memory: choose(groups.memory) ?? unified,
    unified,
  };
  return { ...placed, situation: situation(files.read, placed) };
}

/** A mount may be hidden by another one above it, or its folders be out of sight for other reasons. */
function isReadable(group: Group, read: ReadFile): boolean {
  return (
    read(`${group.lineage[0]}/${group.version === 2 ? 'cgroup.controllers' : 'notify_on_release'}`) !==
    undefined
  );
}

/** cgroup.events stands in every v2 group but the root, cgroup.sane_behavior in the root of a v1 hierarchy only. */
function isMachine(group: Group, read: ReadFile): boolean {
  if (group.own === undefined) return false;
  return group.version === 2
    ? read(`${group.own}/cgroup.events`) === undefined
    : read(`${group.own}/cgroup.sane_behavior`) !== undefined;
}

function situation(read: ReadFile, placed: Pick<Placed, 'unified'>): string {
  const controllers = placed.unified?.lineage.map((folder) => read(`${folder}/cgroup.controllers`)) ?? [];
  return [read('/proc/self/cgroup'), ...controllers].join('\n');
}

function openReaders(placed: Placed, files: FigureOpener) {
  const { cpu, cpuacct, memory, unified } = placed;
  const readCpu = cpu?.version === 2 ? openCpuV2(files, cpu) : openCpuV1(files, cpu, cpuacct);
  const readMemory =
    memory && (memory.version === 2 ? openMemoryV2(files, memory) : openMemoryV1(files, memory));
  const readPressure = openPressure(files, unified);
  const readQuota = cpu && (cpu.version === 2 ? openQuotaV2(files, cpu) : openQuotaV1(files, cpu));
  const isContained = [cpu, cpuacct, memory, unified].some((group) => group?.own !== undefined);
  return {
    read: (): ContainerFigures | undefined =>
      isContained ? { ...readCpu(), ...readMemory?.(), ...readPressure() } : undefined,
    readQuota: (): number | undefined => readQuota?.(),
  };
}
