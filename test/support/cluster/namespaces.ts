/** The namespaces of a cluster as this side uses them: to run programs inside, and to reach them over one network cable. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { type Child, startChild } from '../child.ts';
import { until } from '../until.ts';
import { folderPrefix, type KeeperGreeting, removeRemains } from './keeper.ts';

const run = promisify(execFile);

export type Namespaces = {
  /** Everything that the cluster writes is in here. */
  folder: string;
  /** The address of the node, reachable from here. */
  nodeAddress: string;
  /** The end of the network cable on this side. */
  cable: string;
  /** Starts a program inside; its log is `NAME.log` in the folder. */
  start(name: string, binary: string, args: string[]): Promise<Child>;
  /** Runs a program inside to its end; its standard output. */
  run(binary: string, args: string[]): Promise<string>;
  /** Ends everything inside, and leaves nothing behind. */
  end(): Promise<void>;
};

const startTimeoutMs = 30_000;
const endTimeoutMs = 60_000;
const keeperProgram = join(import.meta.dirname, 'keeper.ts');

export async function createNamespaces(): Promise<Namespaces> {
  await removeRemains();
  const folder = await mkdtemp(join(tmpdir(), folderPrefix));
  const keeper = spawn(process.execPath, [keeperProgram, folder], {
    // Not of our process group: Ctrl-C is for us.
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = once(keeper, 'exit');
  const end = async (): Promise<void> => {
    keeper.stdin.end();
    await withinTime(gone, endTimeoutMs, 'the cluster is taken away');
    if (keeper.exitCode !== 0) throw new Error(`what keeps the cluster ended with ${keeper.exitCode}`);
  };
  try {
    const pid = await greeting(keeper);
    const cable = `tidegauge${pid}`.slice(0, 15);
    const nodeAddress = await connectCable(cable, pid);
    // Only while somebody waits for it does the keeper keep this process from ending.
    keeper.unref();
    const enter = ['--target', `${pid}`, '--net', '--mount', '--ipc', '--pid', '--'];
    return {
      folder,
      nodeAddress,
      cable,
      start: (name, binary, args) =>
        startChild('/usr/bin/nsenter', [...enter, binary, ...args], {
          logFile: join(folder, `${name}.log`),
          cwd: folder,
        }),
      run: async (binary, args) =>
        (await run('/usr/bin/nsenter', [...enter, binary, ...args], { maxBuffer: 64e6 })).stdout,
      async end() {
        keeper.ref();
        await end();
        // The kernel takes a namespace apart a moment after the last process in it has ended.
        await until('the network cable is gone', () => !existsSync(`/sys/class/net/${cable}`), {
          timeoutMs: endTimeoutMs,
        });
      },
    };
  } catch (error) {
    await end().catch(() => rm(folder, { recursive: true, force: true }));
    throw error;
  }
}

/** The keeper's first line; an error if it ends without one. */
async function greeting(keeper: ChildProcess): Promise<number> {
  const lines = createInterface({ input: keeper.stdout! });
  const [line] = (await withinTime(
    Promise.race([once(lines, 'line'), once(lines, 'close')]),
    startTimeoutMs,
    'the namespaces are there',
  )) as [string?];
  if (line === undefined) throw new Error('the namespaces of the cluster could not be made');
  lines.close();
  return (JSON.parse(line) as KeeperGreeting).pid;
}

/**
 * A pair of interfaces, one of them inside. The addresses are of a range that is set aside for tests of networks (RFC
 * 2544), so that nobody else's are hidden. Both ends vanish with the namespace.
 */
async function connectCable(name: string, pid: number): Promise<string> {
  const network = freeNetwork();
  await run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'node', 'netns', `${pid}`]);
  const inside = ['--target', `${pid}`, '--net', 'ip'];
  await run('ip', ['address', 'add', `${network}.1/30`, 'dev', name]);
  await run('ip', ['link', 'set', name, 'up']);
  await run('nsenter', [...inside, 'address', 'add', `${network}.2/30`, 'dev', 'node']);
  await run('nsenter', [...inside, 'link', 'set', 'node', 'up']);
  await run('nsenter', [...inside, 'route', 'add', 'default', 'via', `${network}.1`]);
  return `${network}.2`;
}

/** The first three numbers of a network that this machine has no part in. */
function freeNetwork(): string {
  const taken = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => address),
  );
  for (;;) {
    const network = `198.${randomInt(18, 20)}.${randomInt(256)}`;
    if (!taken.some((address) => address.startsWith(`${network}.`))) return network;
  }
}

async function withinTime<Value>(promise: Promise<Value>, timeoutMs: number, what: string): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms in vain: ${what}`)), timeoutMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
