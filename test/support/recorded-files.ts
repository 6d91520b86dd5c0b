/** A file system out of a recorded text, for the sources that read /proc and control groups. See the data's README. */
import { readdirSync, readFileSync } from 'node:fs';
import type { PlatformFiles } from '../../src/telemetry/sources/files.ts';

const dataFolder = new URL('../unit/telemetry/data/', import.meta.url);

export function readData(name: string): string {
  return readFileSync(new URL(name, dataFolder), 'latin1');
}

/** The names of all that was recorded, in a folder of the data. */
export function recordings(folder: 'proc' | 'cgroup'): string[] {
  return readdirSync(new URL(folder, dataFolder)).map((name) => name.replace(/\.txt$/, ''));
}

/** The files of a tree by path. A test may change, add and delete them while they are being read. */
export function readTree(name: string): Map<string, string> {
  const files = new Map<string, string>();
  const [, ...sections] = readData(`cgroup/${name}.txt`).split(/^--- /m);
  for (const section of sections) {
    const end = section.indexOf('\n');
    files.set(section.slice(0, end), section.slice(end + 1));
  }
  return files;
}

export type RecordedFiles = PlatformFiles & {
  /** Paths read since the start, in order. */
  reads: string[];
  folderSizes: Map<string, number>;
  /** Files that are there and may not be read. */
  denied: Set<string>;
};

export function recordedFiles(files: ReadonlyMap<string, string>): RecordedFiles {
  const reads: string[] = [];
  const folderSizes = new Map<string, number>();
  const denied = new Set<string>();
  const read = (path: string): string | undefined => {
    reads.push(path);
    return denied.has(path) ? undefined : files.get(path);
  };
  return {
    reads,
    folderSizes,
    denied,
    read,
    readWhole: read,
    denies: (path) => denied.has(path),
    list(path) {
      const names = new Set<string>();
      for (const file of files.keys()) {
        if (file.startsWith(`${path}/`)) names.add(file.slice(path.length + 1).split('/')[0] ?? '');
      }
      return names.size === 0 ? undefined : [...names];
    },
    folderSize: (path) => folderSizes.get(path),
    keep() {},
    close() {},
  };
}

/** A recorded machine: its groups, and a process on two of eight CPUs. */
export function recordedMachine(
  tree: string,
  statusName = 'proc/status-6.18.txt',
): { files: Map<string, string>; recorded: RecordedFiles } {
  const files = readTree(tree);
  files.set('/proc/self/status', readData(statusName));
  files.set('/proc/meminfo', readData('proc/meminfo-6.18.txt'));
  files.set('/proc/stat', readData('proc/machine-stat-6.18.txt'));
  files.set('/proc/self/limits', readData('proc/limits-6.18.txt'));
  files.set('/proc/self/stat', readData('proc/stat-6.18.txt'));
  for (const line of readData('proc/threads-6.18.txt').trim().split('\n')) {
    files.set(`/proc/self/task/${line.split(' ')[0]}/stat`, `${line}\n`);
  }
  files.set('/sys/devices/system/cpu/online', '0-7\n');
  const recorded = recordedFiles(files);
  recorded.folderSizes.set('/proc/self/fd', 42);
  return { files, recorded };
}
