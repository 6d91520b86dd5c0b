/**
 * CPU seconds by the role of the thread, from /proc/self/task/TID/stat: shows what V8's helpers and libuv's pool take
 * beside the one thread that runs JavaScript. The granularity is the kernel's tick, 10 ms; the main thread knows its own
 * time to the microsecond. The sums never fall: what a thread used stays counted after its end, save the part since the
 * last read. 4 us a thread, of which most sleep: as long as all but the main thread together have used less than a tick,
 * they are not asked again.
 */
import type { ThreadRole } from '../figures.ts';
import { threadRoles } from '../figures.ts';
import type { PlatformFiles } from './files.ts';
import { parseStat, ticksPerSecond } from './procfs.ts';

/**
 * Node 26 names its threads node-MainThread, node-V8Worker, libuv-worker, DelayedTaskSche(duler), SignalInspector and
 * WorkerThread; Node 20 calls all of them node. The main thread takes its name from process.title, so it is
 * known by its number.
 */
export function threadRole(pid: number, threadId: number, name: string): ThreadRole {
  if (threadId === pid) return 'main';
  if (name.endsWith('V8Worker')) return 'v8_worker';
  if (name === 'libuv-worker') return 'libuv';
  return 'other';
}

type Seen = { ticks: number; startTicks: number };

/** Seconds that have been used so far. */
export type MainAndOthers = { main: number; others: number };

export type ThreadTimes = {
  /**
   * Seconds by role; undefined where /proc/self/task cannot be read. `threads`, how many there are, saves a listing when it
   * is unchanged; what the main one and all others together have used, where that is known, saves asking those that slept.
   */
  read(threads: number | undefined, used?: MainAndOthers): Record<ThreadRole, number> | undefined;
};

export function createThreadTimes(files: PlatformFiles, onError: () => void): ThreadTimes {
  const ticksByRole = Object.fromEntries(threadRoles.map((role) => [role, 0])) as Record<ThreadRole, number>;
  const live = new Map<string, Seen>();
  // Not process.pid: the numbers in /proc are those of the process-id namespace that it was mounted in.
  let pid: number | undefined;
  /** What the others had used when they were asked. */
  let othersAsked: number | undefined;
  /** The most that the main thread is known to have used. */
  let mainSeconds = 0;

  /** Adds what the thread used since it was last seen to the role that it has now. False when it is gone. */
  function account(threadId: string): boolean {
    const text = files.read(`/proc/self/task/${threadId}/stat`);
    const stat = text === undefined ? undefined : parseStat(text);
    if (stat === undefined || pid === undefined) {
      live.delete(threadId);
      return false;
    }
    const ticks = stat.userTicks + stat.systemTicks;
    const before = live.get(threadId);
    const known = before?.startTicks === stat.startTicks ? before.ticks : 0;
    ticksByRole[threadRole(pid, stat.pid, stat.name)] += Math.max(0, ticks - known);
    live.set(threadId, { ticks, startTicks: stat.startTicks });
    return true;
  }

  function relist(done: ReadonlySet<string>): boolean {
    const threadIds = files.list('/proc/self/task');
    if (threadIds === undefined) return false;
    const listed = new Set(threadIds);
    for (const threadId of live.keys()) if (!listed.has(threadId)) live.delete(threadId);
    for (const threadId of listed) if (!done.has(threadId)) account(threadId);
    return live.size > 0;
  }

  function haveSlept(used: MainAndOthers | undefined): boolean {
    if (used === undefined || othersAsked === undefined) return false;
    return used.others - othersAsked < 1 / ticksPerSecond;
  }

  /** Asks all, those that are new too. False where that cannot be done. */
  function accountAll(threads: number | undefined): boolean {
    const done = new Set<string>();
    for (const threadId of [...live.keys()]) if (account(threadId)) done.add(threadId);
    // As many live ones as the kernel counts means that none is new, since none has just been found gone.
    return (done.size > 0 && done.size === threads) || relist(done);
  }

  return {
    read(threads, used) {
      if (threads !== live.size || !haveSlept(used)) {
        pid ??= parseStat(files.readWhole('/proc/self/stat') ?? '')?.pid;
        othersAsked = used?.others;
        if (pid === undefined || !accountAll(threads)) {
          onError();
          return undefined;
        }
      }
      const seconds = {} as Record<ThreadRole, number>;
      for (const role of threadRoles) seconds[role] = ticksByRole[role] / ticksPerSecond;
      mainSeconds = Math.max(mainSeconds, used?.main ?? seconds.main);
      seconds.main = mainSeconds;
      return seconds;
    },
  };
}
