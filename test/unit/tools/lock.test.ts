import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createTempFolder } from '../../support/child.ts';
import { until } from '../../support/until.ts';
import { acquireLock, type LockOwner, LockTimeoutError } from '../../tools/lock.ts';

function lockPath(t: TestContext): string {
  const folder = createTempFolder('lock-test');
  t.after(folder.remove);
  return join(folder.path, 'part.lock');
}

function plant(path: string, owner: LockOwner, ageMs = 0): void {
  mkdirSync(path);
  writeFileSync(join(path, 'owner.json'), JSON.stringify(owner));
  const touched = new Date(Date.now() - ageMs);
  utimesSync(path, touched, touched);
}

/** A process id that was in use a moment ago. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid as number;
}

describe('acquireLock', () => {
  it('gives the lock to one at a time', async (t) => {
    const path = lockPath(t);
    let holders = 0;
    let turns = 0;
    const turn = async (): Promise<void> => {
      const lock = await acquireLock(path, { timeoutMs: 10_000, everyMs: 1 });
      assert.equal(++holders, 1);
      await new Promise((resolve) => setImmediate(resolve));
      holders--;
      turns++;
      await lock.release();
    };
    await Promise.all(Array.from({ length: 8 }, turn));
    assert.equal(turns, 8);
    assert.equal(existsSync(path), false);
  });

  it('says once for whom it waits, and goes on when that one is done', async (t) => {
    const path = lockPath(t);
    const first = await acquireLock(path, { timeoutMs: 1_000 });
    const owners: (LockOwner | undefined)[] = [];
    const second = acquireLock(path, {
      timeoutMs: 10_000,
      everyMs: 1,
      onWait: (owner) => owners.push(owner),
    });
    await until('the second waits', () => owners.length > 0);
    await first.release();
    await (await second).release();
    assert.deepEqual(owners, [{ pid: process.pid, host: hostname() }]);
  });

  it('gives up in time, names the owner and what to do, and leaves the lock alone', async (t) => {
    const path = lockPath(t);
    const lock = await acquireLock(path, { timeoutMs: 1_000 });
    await assert.rejects(acquireLock(path, { timeoutMs: 20, everyMs: 1 }), (error: Error) => {
      assert.ok(error instanceof LockTimeoutError);
      assert.equal(error.owner?.pid, process.pid);
      assert.ok(error.message.includes(`process ${process.pid}`) && error.message.includes(`${path}`));
      return true;
    });
    assert.ok(existsSync(path));
    await lock.release();
  });

  it('takes over at once from a process of this machine that is gone', async (t) => {
    const path = lockPath(t);
    plant(path, { pid: await deadPid(), host: hostname() });
    const lock = await acquireLock(path, { timeoutMs: 0 });
    await lock.release();
    assert.deepEqual(readdirSync(join(path, '..')), []);
  });

  it('believes in an owner elsewhere as long as the lock is touched', async (t) => {
    const path = lockPath(t);
    plant(path, { pid: await deadPid(), host: 'another-machine' });
    await assert.rejects(acquireLock(path, { timeoutMs: 0 }), LockTimeoutError);
    const old = new Date(Date.now() - 120_000);
    utimesSync(path, old, old);
    await (await acquireLock(path, { timeoutMs: 0 })).release();
  });

  it('takes over from a living process that has left the lock untouched: its number came back', async (t) => {
    const path = lockPath(t);
    plant(path, { pid: process.ppid, host: hostname() }, 120_000);
    await (await acquireLock(path, { timeoutMs: 0 })).release();
  });

  it('keeps its own lock fresh while it holds it', async (t) => {
    const path = lockPath(t);
    const lock = await acquireLock(path, { timeoutMs: 0, touchEveryMs: 5 });
    const old = new Date(Date.now() - 120_000);
    utimesSync(path, old, old);
    await until('it is touched again', () => Date.now() - statSync(path).mtimeMs < 60_000);
    await lock.release();
  });

  it('does not release a lock that somebody else has taken over', async (t) => {
    const path = lockPath(t);
    const lock = await acquireLock(path, { timeoutMs: 0 });
    writeFileSync(join(path, 'owner.json'), JSON.stringify({ pid: 1, host: 'another-machine' }));
    await lock.release();
    assert.ok(existsSync(path));
  });
});
