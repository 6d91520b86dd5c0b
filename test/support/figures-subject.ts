/**
 * A process under measurement, seen from outside. What the witness says comes from /proc and the control groups
 * directly, with none of the code that is being tested.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTempFolder } from './child.ts';
import type { Orders } from './figures-program.ts';

type Result<Name extends keyof Orders> = Awaited<ReturnType<Orders[Name]>>;
type Options<Name extends keyof Orders> = Parameters<Orders[Name]>;

export type Subject = {
  pid: number;
  ask<Name extends keyof Orders>(order: Name, ...options: Options<Name>): Promise<Result<Name>>;
  /** What it has written, once it has ended. */
  output(): string;
  end(): Promise<void>;
};

const program = fileURLToPath(new URL('figures-program.ts', import.meta.url));

/** Without `start` it has no figures yet and waits for the order. */
export async function createSubject({ execArgv = [] as string[], start = true } = {}): Promise<Subject> {
  // Into a file: writing to a pipe wakes this process, which costs the writer what it is here to measure.
  const folder = createTempFolder('subject');
  const outputFile = join(folder.path, 'output');
  const descriptor = openSync(outputFile, 'a');
  const child = fork(program, { execArgv, stdio: ['ignore', descriptor, descriptor, 'ipc'] });
  closeSync(descriptor);
  let output = '';
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit').then(() => {
    process.off('exit', kill);
    output = readFileSync(outputFile, 'utf8');
    folder.remove();
  });

  const subject: Subject = {
    pid: child.pid!,
    async ask(order, ...options) {
      child.send({ order, options: options[0] });
      const reply = await Promise.race([firstMessage(child), exited]);
      if (!isReply(reply)) throw new Error(`the process ended when asked for ${order}\n${output}`);
      return reply.result as never;
    },
    output: () => output,
    async end() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
  if (start) await subject.ask('start');
  return subject;
}

async function firstMessage(child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, 'message');
  return message;
}

function isReply(value: unknown): value is { result: unknown } {
  return typeof value === 'object' && value !== null && 'result' in value;
}

/** CPU seconds of a process, or of one of its threads, by /proc/PID/stat, to the tick. */
export function witnessCpu(pid: number, threadId?: number): { user: number; system: number } {
  const folder = threadId === undefined ? `/proc/${pid}` : `/proc/${pid}/task/${threadId}`;
  const text = readFileSync(`${folder}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) / 100, system: Number(fields[12]) / 100 };
}

/** Page faults of all threads of a process, by /proc/PID/stat. */
export function witnessFaults(pid: number): { minor: number; major: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { minor: Number(fields[7]), major: Number(fields[9]) };
}

/** A line of /proc/PID/status: bytes where it is in kB, else the number. */
export function witnessStatus(pid: number, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+)( kB)?$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'latin1'),
  );
  if (match === null) throw new Error(`/proc/${pid}/status has no ${name}`);
  return Number(match[1]) * (match[2] === undefined ? 1 : 1024);
}

export function witnessDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/**
 * For measurements that another program on the machine can disturb, never the code under test: the first attempt that
 * holds counts, and the last one's failure is told.
 */
export async function firstThatHolds(attempts: number, attempt: () => Promise<void>): Promise<void> {
  for (let left = attempts; ; left--) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (left <= 1) throw error;
    }
  }
}

/** Why the tests of this machine's figures cannot run here; false where they can. */
export const skipWithoutLinux =
  process.platform === 'linux' ? false : 'the witness is /proc, which only Linux has';
