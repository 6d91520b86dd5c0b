/**
 * Keeps the namespaces in which a cluster lives, and takes everything away when whoever asked for it has gone.
 *
 *   node keeper.ts FOLDER < a pipe that stays open as long as the cluster is wanted
 *
 * Network, mounts and processes of the cluster are in namespaces of their own, whose first process is a child of this
 * one: when it is killed, the kernel ends every other process, unmounts every mount and removes every interface and
 * every packet filter. What is left is files: the folder, and the control groups that bear the folder's name.
 *
 * It is a process of its own because it must outlive the one that asked, however that ends: the end of its standard input
 * is the sign. So there is one way of cleaning up, for a clean end, a failure, a signal and a crash.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { childrenOf, commandOf, isRunning } from '../processes.ts';
import { until } from '../until.ts';
import { createGroups, removeGroups } from './control-groups.ts';

export const folderPrefix = 'tidegauge-cluster-';
const keeperFile = 'keeper.pid';
/** On a busy machine the kernel takes its time to end a hundred processes. */
const endTimeoutMs = 30_000;

/** The first line that the keeper writes: the first process of the namespaces, as this side numbers it. */
export type KeeperGreeting = { pid: number };

async function keep(folder: string): Promise<void> {
  // A signal to the whole process group, as Ctrl-C is one, must not end what has to clean up after it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  await writeFile(join(folder, keeperFile), `${process.pid}`);
  await createGroups(basename(folder));
  const script = join(folder, 'first-process.sh');
  await writeFile(script, firstProcess(join(folder, 'ready'), await standInSettings(folder)));
  const namespaces = ['--net', '--mount', '--propagation', 'private', '--ipc', '--pid', '--fork'];
  const unshare = ['unshare', ...namespaces, '--kill-child', '--mount-proc', '/bin/sh', script];
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(holder, 'exit');
  process.stdin.resume();
  const unwanted = once(process.stdin, 'end');
  try {
    const ready = until('the namespaces are set up', () => existsSync(join(folder, 'ready')));
    await Promise.race([ready, ended.then(() => Promise.reject(new Error('the namespaces ended')))]);
    const [pid] = childrenOf(holder.pid as number);
    console.log(JSON.stringify({ pid }));
    await Promise.race([unwanted, ended]);
  } finally {
    const children = childrenOf(holder.pid as number);
    holder.kill('SIGKILL');
    await ended;
    // The parent's end kills the first process; that one is gone only after all the others.
    await until('every process of the cluster has ended', () => !children.some(isRunning), {
      timeoutMs: endTimeoutMs,
    });
    await removeFiles(folder);
  }
}

/** What kubelet would set for the whole machine, by the values that it wants. */
const machineSettings = {
  'vm/overcommit_memory': 1,
  'vm/panic_on_oom': 0,
  'kernel/panic': 10,
  'kernel/panic_on_oops': 1,
  'kernel/keys/root_maxkeys': 1_000_000,
  'kernel/keys/root_maxbytes': 25_000_000,
};

/** Files that look to kubelet as if everything were set already, so that it leaves the machine alone. */
async function standInSettings(folder: string): Promise<[standIn: string, setting: string][]> {
  const settings: [string, string][] = [];
  await mkdir(join(folder, 'settings'));
  for (const [name, value] of Object.entries(machineSettings)) {
    const standIn = join(folder, 'settings', name.replaceAll('/', '.'));
    await writeFile(standIn, `${value}\n`);
    settings.push([standIn, `/proc/sys/${name}`]);
  }
  return settings;
}

/**
 * The folders into which kubelet, containerd and the network plugins write whatever they are told get a file system of
 * their own. The shell stays: the first process of a namespace has to take in the processes that lose their parents.
 */
function firstProcess(ready: string, settings: [string, string][]): string {
  return [
    'set -e',
    ...['/run', '/var/lib', '/var/log'].map((path) => `mount -t tmpfs tmpfs ${path}`),
    ...settings.map(([standIn, setting]) => `mount --bind ${standIn} ${setting}`),
    // Volumes of pods are mounted here and have to show up there.
    'mount --make-rshared /',
    'ip link set lo up',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    `echo > ${ready}`,
    'set +e',
    'while :; do sleep 3600 & wait $!; done',
    '',
  ].join('\n');
}

async function removeFiles(folder: string): Promise<void> {
  await removeGroups(basename(folder));
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

/** What was left behind by keepers that were killed themselves. Their processes have died with them. */
export async function removeRemains(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(folderPrefix)) continue;
    const folder = join(tmpdir(), name);
    if (!(await isKept(folder))) await removeFiles(folder);
  }
}

async function isKept(folder: string): Promise<boolean> {
  const pid = await readFile(join(folder, keeperFile), 'utf8').catch(() => undefined);
  // A folder without a keeper may be about to get one; whoever made it removes it if that fails.
  if (pid === undefined) return true;
  return commandOf(Number(pid)).includes(folder);
}

if (import.meta.main) await keep(process.argv[2]!);
