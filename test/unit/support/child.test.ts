import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Child, createTempFolder, startChild, untilUp } from '../../support/child.ts';
import { until } from '../../support/until.ts';

async function startShell(t: TestContext, script: string): Promise<Child> {
  const folder = createTempFolder('child-test');
  const child = await startChild('/bin/sh', ['-c', script], { logFile: join(folder.path, 'log') });
  t.after(async () => {
    await child.kill();
    folder.remove();
  });
  return child;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('startChild', () => {
  it('keeps what the program said, in order, and how it ended', async (t) => {
    const child = await startShell(t, 'echo low; echo high >&2; exit 3');
    assert.deepEqual(await child.exited, { code: 3, signal: null });
    assert.deepEqual(child.exit, { code: 3, signal: null });
    assert.equal(child.log(), 'low\nhigh\n');
  });

  it('rejects when there is no such program', async () => {
    const folder = createTempFolder('child-test');
    try {
      const logFile = join(folder.path, 'log');
      const outcome = await startChild('/no/such/program', [], { logFile }).then(
        async (child) => `${(await child.exited).code} ${child.log()}`,
        (error: NodeJS.ErrnoException) => error.message,
      );
      assert.match(outcome, /no\/such\/program/);
    } finally {
      folder.remove();
    }
  });

  it('insists on the end when the program does not listen', async (t) => {
    const child = await startShell(t, "trap '' TERM; echo up; while :; do sleep 0.05; done");
    await untilUp(child, 'the shell is up', () => child.log().includes('up'));
    assert.deepEqual(await child.stop(50), { code: null, signal: 'SIGKILL' });
    assert.deepEqual(await child.stop(), { code: null, signal: 'SIGKILL' }, 'once more does nothing');
  });

  it('says at once, and with its words, that a program ended instead of coming up', async (t) => {
    const child = await startShell(t, 'echo no water; exit 4');
    await assert.rejects(
      untilUp(child, 'the shell is up', () => false, { timeoutMs: 60_000 }),
      /the shell is up: it ended with code 4\nno water/,
    );
  });

  // The last one needs setpriv of util-linux, which asks the kernel to see to it.
  const ends = existsSync('/usr/bin/setpriv') ? ['return', 'SIGTERM', 'SIGKILL'] : ['return', 'SIGTERM'];
  for (const end of ends) {
    it(`leaves neither program nor folder when the test process ends by ${end}`, async () => {
      const script = `
        import { createTempFolder, startChild } from ${JSON.stringify(new URL('../../support/child.ts', import.meta.url).href)};
        const folder = createTempFolder('child-test').path;
        const child = await startChild('/bin/sleep', ['600'], { logFile: folder + '/log' });
        console.log(JSON.stringify({ pid: child.pid, folder }));
        if (process.argv[1] !== 'return') setInterval(() => undefined, 1_000);`;
      const parent = spawn(process.execPath, ['--input-type=module', '-e', script, end]);
      const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
      const { pid, folder } = JSON.parse(line) as { pid: number; folder: string };
      if (end !== 'return') parent.kill(end as NodeJS.Signals);
      await once(parent, 'exit');
      await until('the program is gone', () => !isAlive(pid));
      // Nobody is left to remove the folder after a SIGKILL.
      assert.equal(existsSync(folder), end === 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
  }
});

describe('until', () => {
  it('gives the first answer that is one, zero and empty text included', async () => {
    const answers = [undefined, null, false, 0];
    assert.equal(await until('an answer', () => answers.shift(), { everyMs: 1 }), 0);
    assert.equal(await until('an answer', () => ''), '');
  });

  it('gives up in time and tells the last reason', async () => {
    const fail = () => Promise.reject(new Error('not yet'));
    await assert.rejects(until('the tide turns', fail, { timeoutMs: 5, everyMs: 1 }), (error: Error) => {
      assert.match(error.message, /waited 5 ms in vain: the tide turns/);
      assert.equal((error.cause as Error).message, 'not yet');
      return true;
    });
  });
});
