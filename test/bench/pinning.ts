/**
 * Keeps the server and its load on cores of their own, with util-linux's taskset: this process, the NATS server, the
 * publisher and the load client on one, the server under test alone on the other. Without that the figures are of
 * whatever the scheduler did, so a run that could not pin says so.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** One for the server and one for all else; `load` is a list as taskset takes it. */
export const usualCores = { server: 0, load: '1' };

const tasksetPath = '/usr/bin/taskset';

export type Pinning = {
  /** Whether and how it was done, for the head of the output. */
  what: string;
  serverCore: number | undefined;
  /** The program and arguments that start the server under test. */
  serverCommand(binary: string, args: string[]): [binary: string, args: string[]];
  /** Likewise, one that is still to be pinned. */
  looseCommand(binary: string, args: string[]): [binary: string, args: string[]];
  /**
   * Pins the main thread alone of one that has started. V8's helpers go on all cores, as they do where nobody pins: on the
   * main thread's core they would hold up what they are there to relieve.
   */
  pinMainThread(pid: number): void;
};

/** Pins this process, and with it all that it starts. `loadCores` is a list as taskset takes it. */
export function pin(serverCore: number, loadCores: string, isWanted: boolean): Pinning {
  const without = (why: string): Pinning => ({
    what: `NOT PINNED: ${why}; server and load share the cores, so only ratios mean something`,
    serverCore: undefined,
    serverCommand: (binary, args) => [binary, args],
    looseCommand: (binary, args) => [binary, args],
    pinMainThread: () => {},
  });
  if (!isWanted) return without('not wanted');
  if (!existsSync(tasksetPath)) return without('there is no taskset (util-linux)');
  if (availableParallelism() < 2) return without('there is one core only');
  execFileSync(tasksetPath, ['-a', '-c', '-p', loadCores, String(process.pid)], { stdio: 'ignore' });
  return {
    what: `server on core ${serverCore}; all else on ${loadCores}`,
    serverCore,
    serverCommand: (binary, args) => [tasksetPath, ['-c', String(serverCore), binary, ...args]],
    looseCommand: (binary, args) => [tasksetPath, ['-c', `${serverCore},${loadCores}`, binary, ...args]],
    pinMainThread(pid) {
      execFileSync(tasksetPath, ['-c', '-p', String(serverCore), String(pid)], { stdio: 'ignore' });
    },
  };
}
