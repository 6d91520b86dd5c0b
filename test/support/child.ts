/**
 * A real program run by a test: it never outlives the test, and what it said is at hand when it fails.
 *
 * Its output goes into a file, not through a pipe: a test that blocks its own event loop must not block the program
 * too. It does not keep the test process alive. It is killed when the test process ends, in whatever way: on `exit`
 * and on the usual signals here, and on a SIGKILL or a crash by the kernel, where util-linux's setpriv can ask for it.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Found, type UntilOptions, until } from './until.ts';

export type ChildExit = { code: number | null; signal: NodeJS.Signals | null };

export type Child = {
  readonly pid: number;
  /** Null while it runs. */
  readonly exit: ChildExit | null;
  /** Resolves when the program has ended, however that came about. */
  readonly exited: Promise<ChildExit>;
  /** Everything it has written so far, both streams in order. */
  log(): string;
  /** Does nothing when it has ended. */
  signal(name: NodeJS.Signals): void;
  /** Thaws it, asks with SIGTERM, insists with SIGKILL after the grace; resolves when it is gone. */
  stop(graceMs?: number): Promise<ChildExit>;
  /** SIGSTOP: its sockets stay open and nothing answers. Resolves once the process stands still. */
  freeze(): Promise<void>;
  thaw(): void;
  /** SIGKILL, also to a frozen program; resolves when it is gone. */
  kill(): Promise<ChildExit>;
};

export type ChildOptions = {
  /** The file that takes its output; appended to. */
  logFile: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
};

const stopGraceMs = 5_000;
const setprivPath = '/usr/bin/setpriv';

/** What has to be undone if the test process ends before the test has done it. */
const leftovers = new Set<() => void>();
let isWatchingEnd = false;

/** A temporary folder that is removed by `remove`, or else at the end of the process. */
export function createTempFolder(purpose: string): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `tidegauge-${purpose}-`));
  const remove = (): void => {
    leftovers.delete(remove);
    rmSync(path, { recursive: true, force: true });
  };
  atEnd(remove);
  return { path, remove };
}

export async function startChild(binary: string, args: string[], options: ChildOptions): Promise<Child> {
  const log = openSync(options.logFile, 'a');
  const [command, commandArgs] = existsSync(setprivPath)
    ? [setprivPath, ['--pdeathsig', 'KILL', binary, ...args]]
    : [binary, args];
  const program = spawn(command, commandArgs, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  await spawned(program);
  return superviseChild(program, options.logFile);
}

/** Asks until the program is up; if it ends instead, that is said at once, with what it wrote. */
export async function untilUp<Answer>(
  child: Child,
  what: string,
  ask: () => Answer | Promise<Answer>,
  options?: UntilOptions,
): Promise<Found<Answer>> {
  try {
    const answer = await until(what, async () => (child.exit === null ? await ask() : endedInstead), options);
    if (answer !== endedInstead) return answer as Found<Answer>;
    throw new Error(`${what}: it ended with ${child.exit?.signal ?? `code ${child.exit?.code}`}`);
  } catch (error) {
    const log = child.log();
    await child.kill();
    throw new Error(`${(error as Error).message}\n${log}`, { cause: error });
  }
}

const endedInstead = Symbol('ended instead');

function superviseChild(program: ChildProcess, logFile: string): Child {
  let exit: ChildExit | null = null;
  const killAtEnd = (): void => {
    program.kill('SIGKILL');
  };
  const exited = new Promise<ChildExit>((resolve) => {
    program.once('exit', (code, signal) => {
      exit = { code, signal };
      leftovers.delete(killAtEnd);
      resolve(exit);
    });
  });
  atEnd(killAtEnd);
  program.unref();

  // While somebody waits for the end, the wait itself must keep the test process alive.
  const waitForExit = async (): Promise<ChildExit> => {
    if (exit === null) program.ref();
    return await exited;
  };
  const signal = (name: NodeJS.Signals): void => {
    if (exit === null) program.kill(name);
  };

  return {
    pid: program.pid as number,
    get exit() {
      return exit;
    },
    exited,
    log: () => readFileSync(logFile, 'utf8'),
    signal,
    async freeze() {
      signal('SIGSTOP');
      await until('the process stands still', () => isStopped(program.pid as number));
    },
    thaw: () => signal('SIGCONT'),
    async stop(graceMs = stopGraceMs) {
      signal('SIGCONT');
      signal('SIGTERM');
      const insist = setTimeout(() => signal('SIGKILL'), graceMs);
      try {
        return await waitForExit();
      } finally {
        clearTimeout(insist);
      }
    },
    async kill() {
      signal('SIGKILL');
      return await waitForExit();
    },
  };
}

/** The state is the first word after the program's name in brackets. */
async function isStopped(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

function spawned(program: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    program.once('spawn', resolve);
    program.once('error', reject);
  });
}

function atEnd(undo: () => void): void {
  leftovers.add(undo);
  if (isWatchingEnd) return;
  isWatchingEnd = true;
  process.once('exit', undoLeftovers);
  // Without a listener these end the process at once, and no `exit` event is emitted.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      undoLeftovers();
      process.kill(process.pid, name);
    });
  }
}

function undoLeftovers(): void {
  // Programs were added after their folders; the other way round they end before their files go.
  for (const undo of [...leftovers].reverse()) undo();
}
