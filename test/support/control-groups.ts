/**
 * Control groups of a test's own, v1 or v2, whichever this machine has. They are made below the root of the hierarchy,
 * so it takes root and a writable mount. Written apart from the code under test, with fixed paths and one version at
 * a time.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './until.ts';

export type TestGroup = {
  version: 1 | 2;
  /** The folder in which the controller's files are. */
  folder(controller: 'cpu' | 'cpuacct' | 'memory'): string;
  add(pid: number): void;
  /** The command that puts itself there before its first instruction, as an engine does. */
  within(command: readonly string[]): string[];
  /** Once its processes have ended. */
  remove(): Promise<void>;
};

const mountPoint = '/sys/fs/cgroup';
const controllers = ['cpu', 'cpuacct', 'memory'] as const;

export type Limits = { memoryLimitBytes: number; hasHalfACore?: boolean };

/** A group with a memory limit, and with a quota where asked for; a sentence saying why it cannot be had otherwise. */
export function createControlGroup(
  name: string,
  { memoryLimitBytes, hasHalfACore = false }: Limits,
): TestGroup | string {
  const isV2 = existsSync(join(mountPoint, 'cgroup.controllers'));
  const folders = isV2 ? [join(mountPoint, name)] : controllers.map((each) => join(mountPoint, each, name));
  try {
    if (isV2) writeFileSync(join(mountPoint, 'cgroup.subtree_control'), '+cpu +memory');
    for (const folder of folders) mkdirSync(folder);
    const write = (index: number, file: string, text: string) =>
      writeFileSync(join(folders[index]!, file), text);
    if (isV2) {
      if (hasHalfACore) write(0, 'cpu.max', '50000 100000');
      // What else the machine does shall not keep it from its quota.
      write(0, 'cpu.weight', '10000');
      write(0, 'memory.max', `${memoryLimitBytes}`);
    } else {
      write(0, 'cpu.cfs_period_us', '100000');
      if (hasHalfACore) write(0, 'cpu.cfs_quota_us', '50000');
      write(0, 'cpu.shares', '262144');
      write(2, 'memory.limit_in_bytes', `${memoryLimitBytes}`);
    }
  } catch (error) {
    for (const folder of folders) if (existsSync(folder)) rmdirSync(folder);
    return `no control group can be made here: ${(error as Error).message}`;
  }
  return {
    version: isV2 ? 2 : 1,
    folder: (controller) => (isV2 ? folders[0]! : folders[controllers.indexOf(controller)]!),
    add(pid) {
      for (const folder of folders) writeFileSync(join(folder, 'cgroup.procs'), `${pid}`);
    },
    within(command) {
      const enter = folders.map((folder) => `echo $$ > '${join(folder, 'cgroup.procs')}'`);
      return ['/bin/sh', '-c', `${enter.join(' && ')} && exec "$0" "$@"`, ...command];
    },
    async remove() {
      for (const folder of folders) {
        await until('the group is empty', () => readFileSync(join(folder, 'cgroup.procs'), 'utf8') === '');
        rmdirSync(folder);
      }
    },
  };
}

/** The value of a `name value` line of one of a group's files. */
export function witnessKeyed(folder: string, file: string, name: string): number {
  const match = new RegExp(`^${name} (\\d+)$`, 'm').exec(readFileSync(join(folder, file), 'latin1'));
  if (match === null) throw new Error(`${folder}/${file} has no ${name}`);
  return Number(match[1]);
}

export function witnessNumber(folder: string, file: string): number {
  return Number(readFileSync(join(folder, file), 'latin1'));
}
