/**
 * A program run the way an engine runs it, as far as the kernel alone can do it: with a root of its own, as the first
 * process of its own process namespace, as an ordinary user without any capability. No engine, no network of its own.
 *
 * It takes root, and util-linux. Two process namespaces lie in each other: the kernel forgets that a process is to end
 * with its parent when it changes its user, so the outer one is there to end with the test, and the inner one with it.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, createTempFolder, startChild } from './child.ts';
import { childrenOf, commandOf } from './processes.ts';
import { until } from './until.ts';

export type ContainedProcess = {
  /** Its end is the program's, with its exit code. */
  child: Child;
  /** Of the program, as this side sees it. */
  pid: number;
};

export type ContainedOptions = {
  root: string;
  /** `65532:65532`. */
  user: string;
  workingFolder: string;
  /** `NAME=value`, as an image keeps it. */
  env: string[];
  command: string[];
};

export async function startContained(options: ContainedOptions): Promise<ContainedProcess> {
  const { root, user, workingFolder, env, command } = options;
  const [uid, gid] = user.split(':') as [string, string];
  await mkdir(join(root, 'proc'), { recursive: true });
  const folder = createTempFolder('contained');
  const outer = ['--pid', '--fork', '--kill-child', '/usr/bin/unshare'];
  const inner = [
    ...['--pid', '--fork', '--mount', '--root', root, '--wd', workingFolder, '--mount-proc'],
    ...['--setgid', gid, '--setuid', uid],
  ];
  const child = await startChild('/usr/bin/unshare', [...outer, ...inner, ...command], {
    logFile: join(folder.path, 'log'),
    env: Object.fromEntries(env.map((pair) => pair.split(/=(.*)/s).slice(0, 2))),
  });
  const pid = await until('the program runs', () => {
    if (child.exit !== null) throw new Error(`it ended: ${child.log()}`);
    const [between] = childrenOf(child.pid);
    const [first] = between === undefined ? [] : childrenOf(between);
    return first !== undefined && commandOf(first)[0] === command[0] ? first : undefined;
  });
  return { child, pid };
}
