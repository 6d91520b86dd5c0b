/**
 * Programs that the local stack runs: each in a process group of its own, so that a Ctrl-C in the terminal reaches the
 * stack alone and they end in the stack's order; with its output in a file; and never outliving the stack. Should that
 * be killed without a word, util-linux's setpriv has the kernel end them, where there is one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

export type Program = {
  readonly name: string;
  readonly logFile: string;
  log(): string;
  /** Resolves when it has ended, to how, in words. */
  readonly ended: Promise<string>;
  hasEnded(): boolean;
  /** Asks, and insists after the grace. Resolves when it is gone. */
  end(graceMs: number): Promise<void>;
  kill(): void;
};

export type ProgramOptions = { name: string; logFile: string; env: NodeJS.ProcessEnv };

const setprivPath = '/usr/bin/setpriv';
const askEveryMs = 100;

/** @throws when it cannot be started at all. */
export async function startProgram(
  command: string,
  args: readonly string[],
  { name, logFile, env }: ProgramOptions,
): Promise<Program> {
  const log = openSync(logFile, 'a');
  const [file, ...rest] = existsSync(setprivPath)
    ? [setprivPath, '--pdeathsig', 'KILL', command, ...args]
    : [command, ...args];
  const child = spawn(file, rest, { env, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  return supervise(child, name, logFile);
}

function supervise(child: ChildProcess, name: string, logFile: string): Program {
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? `code ${code}` : `${signal}`));
  });
  const send = (signal: NodeJS.Signals): void => {
    if (isRunning()) child.kill(signal);
  };
  return {
    name,
    logFile,
    log: () => readFileSync(logFile, 'utf8'),
    ended,
    hasEnded: () => !isRunning(),
    async end(graceMs) {
      send('SIGTERM');
      const insist = setTimeout(() => send('SIGKILL'), graceMs);
      await ended;
      clearTimeout(insist);
    },
    kill: () => send('SIGKILL'),
  };
}

/** Asks until there is an answer. @throws when the program ends instead, or the time is up: with what it said last. */
export async function untilReady<Answer>(
  program: Program,
  ask: () => Promise<Answer | undefined>,
  timeoutMs: number,
): Promise<Answer> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!program.hasEnded()) {
    // Who does not listen yet is not ready; that is no fault.
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    if (performance.now() > deadlineMs) {
      throw new Error(`${program.name} was not ready within ${timeoutMs / 1000} s:\n${lastLines(program)}`);
    }
    await wait(askEveryMs);
  }
  throw new Error(`${program.name} ended with ${await program.ended}:\n${lastLines(program)}`);
}

export function lastLines(program: Program, count = 10): string {
  return program.log().trimEnd().split('\n').slice(-count).join('\n');
}
