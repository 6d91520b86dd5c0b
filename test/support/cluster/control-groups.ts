/**
 * Control groups of one name in every hierarchy of version 1, or in the only one of version 2: everything that the kubelet
 * makes lies below them, and they can be taken away by their name.
 */

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../until.ts';

const mountPoint = '/sys/fs/cgroup';
/** Containers that are being killed hold on to their groups for a moment. */
const removeTimeoutMs = 30_000;

export async function createGroups(name: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const group = join(hierarchy, name);
    await mkdir(group);
    // In version 1 these are empty in a new group, and nobody can be in a group without a processor.
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      if (!isV2() && existsSync(join(group, file)))
        await writeFile(join(group, file), await readFile(join(hierarchy, file)));
  }
}

export async function removeGroups(name: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const group = join(hierarchy, name);
    const remove = async (): Promise<boolean> => {
      if (existsSync(group)) await removeGroup(group);
      return true;
    };
    await until(`${group} is gone`, remove, { timeoutMs: removeTimeoutMs, everyMs: 50 });
  }
}

/** Groups are folders that can be removed once they hold no process and no other group; their files do not count. */
async function removeGroup(group: string): Promise<void> {
  for (const entry of await readdir(group, { withFileTypes: true }))
    if (entry.isDirectory()) await removeGroup(join(group, entry.name));
  await rmdir(group);
}

export function isV2(): boolean {
  return existsSync(join(mountPoint, 'cgroup.controllers'));
}

async function hierarchies(): Promise<string[]> {
  if (isV2()) return [mountPoint];
  const entries = await readdir(mountPoint, { withFileTypes: true });
  // Links are other names of hierarchies that have several controllers.
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(mountPoint, name));
}

/** The folder of a group anywhere below those of that name, as one controller sees it. */
export async function findGroup(controller: string, name: string, id: string): Promise<string> {
  const root = join(mountPoint, isV2() ? '' : controller, name);
  const found = (await readdir(root, { recursive: true })).find((path) => path.endsWith(id));
  if (found === undefined) throw new Error(`no control group of ${id} below ${root}`);
  return join(root, found);
}
