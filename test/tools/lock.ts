/**
 * A lock between processes: a folder, since making one succeeds for exactly one of them.
 *
 * It only spares work. Programs come into the cache by a rename, so if two processes should ever hold one lock (both
 * saw the same dead owner at the same moment) a program is built twice and nothing else happens.
 *
 * An owner is taken for dead when its process is gone from this machine, or when it has not touched its lock for a
 * while: process ids come back, and mean nothing to another container that shares the cache.
 */

import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export type LockOwner = { pid: number; host: string };

export type Lock = { release(): Promise<void> };

export type LockOptions = {
  /** How long to wait for another owner before giving up. */
  timeoutMs: number;
  /** Called once when there is somebody to wait for. */
  onWait?: (owner: LockOwner | undefined) => void;
  everyMs?: number;
  touchEveryMs?: number;
  /** A lock untouched for so long has lost its owner. Several touches, so that a busy machine is forgiven. */
  staleAfterMs?: number;
};

export class LockTimeoutError extends Error {
  override name = 'LockTimeoutError';
  readonly owner: LockOwner | undefined;

  constructor(path: string, owner: LockOwner | undefined, timeoutMs: number) {
    const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
    super(
      `${who} has held ${path} for ${Math.round(timeoutMs / 1000)} s; remove that folder if nothing is built there`,
    );
    this.owner = owner;
  }
}

const ownerFile = 'owner.json';

export async function acquireLock(path: string, options: LockOptions): Promise<Lock> {
  const { timeoutMs, onWait, everyMs = 250, touchEveryMs = 5_000, staleAfterMs = 60_000 } = options;
  const deadlineMs = performance.now() + timeoutMs;
  await mkdir(dirname(path), { recursive: true });
  let hasTold = false;
  while (!(await tryLock(path))) {
    const owner = await readOwner(path);
    if (await isAbandoned(path, owner, staleAfterMs)) {
      await discard(path);
      continue;
    }
    if (performance.now() >= deadlineMs) throw new LockTimeoutError(path, owner, timeoutMs);
    if (!hasTold) onWait?.(owner);
    hasTold = true;
    await wait(everyMs);
  }
  const touching = setInterval(() => void touch(path), touchEveryMs);
  touching.unref();
  return {
    async release() {
      clearInterval(touching);
      const owner = await readOwner(path);
      if (owner === undefined || isOurs(owner)) await discard(path);
    },
  };
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  const owner: LockOwner = { pid: process.pid, host: hostname() };
  await writeFile(join(path, ownerFile), JSON.stringify(owner));
  return true;
}

/** Undefined in the moment between the folder and the file in it, and after the lock has gone. */
async function readOwner(path: string): Promise<LockOwner | undefined> {
  try {
    return JSON.parse(await readFile(join(path, ownerFile), 'utf8')) as LockOwner;
  } catch {
    return undefined;
  }
}

async function isAbandoned(
  path: string,
  owner: LockOwner | undefined,
  staleAfterMs: number,
): Promise<boolean> {
  if (owner !== undefined && owner.host === hostname() && !isAlive(owner.pid)) return true;
  const touchedMs = await stat(path).then(
    (found) => found.mtimeMs,
    // It has just been released; the next try will tell.
    () => Date.now(),
  );
  return Date.now() - touchedMs > staleAfterMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isOurs(owner: LockOwner): boolean {
  return owner.pid === process.pid && owner.host === hostname();
}

/** Out of the way in one step, then removed: nobody sees a lock without an owner that is only being emptied. */
async function discard(path: string): Promise<void> {
  const aside = `${path}.${process.pid}.${performance.now()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    // Somebody else was quicker.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  // The lock was taken from us; the build goes on and nobody is harmed.
  await utimes(path, now, now).catch(() => undefined);
}
