import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogOutput } from '../../src/log-output.ts';
import { createTempFolder } from '../support/child.ts';

function create(t: { after(end: () => void): void }, path: string, flags: string | number) {
  const fd = openSync(path, flags);
  t.after(() => closeSync(fd));
  const said: string[] = [];
  return { fd, output: new LogOutput(fd, (sentence) => said.push(sentence)), said };
}

const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `line ${index}\n`);

test('everything is written, in order', async (t) => {
  const folder = createTempFolder('log');
  t.after(folder.remove);
  const path = join(folder.path, 'log');
  const { output, said } = create(t, path, 'w');
  for (const line of lines(10_000)) output.write(line);
  await output.flush(10_000);
  assert.equal(readFileSync(path, 'utf8'), lines(10_000).join(''));
  assert.deepEqual(said, []);
  await output.flush(0);
});

test('a full disk is told once, and holds nobody up', async (t) => {
  const { output, said } = create(t, '/dev/full', 'w');
  for (const line of lines(3)) {
    output.write(line);
    await output.flush(10_000);
  }
  assert.equal(said.length, 1);
  assert.match(said[0]!, /ENOSPC/);
});

test('nobody waits for a reader who is behind; what it can hold is bounded, and it goes on when he does', async (t) => {
  const folder = createTempFolder('log');
  t.after(folder.remove);
  const path = join(folder.path, 'pipe');
  execFileSync('mkfifo', [path]);
  // Both ends in one.
  const { fd, output, said } = create(t, path, constants.O_RDWR | constants.O_NONBLOCK);
  const line = `${'x'.repeat(1_023)}\n`;
  for (let count = 0; count < 3_000; count += 1) output.write(line);
  await output.flush(100);
  output.write(line);
  assert.deepEqual(said, ['the log cannot be written (nobody reads it); lines are lost until it can']);
  let read = 0;
  let isFlushed = false;
  const flushed = output.flush(60_000).then(() => {
    isFlushed = true;
  });
  const buffer = Buffer.alloc(64 * 1024);
  while (!isFlushed) {
    try {
      read += readSync(fd, buffer);
    } catch {
      // Nothing is there.
    }
    await new Promise(setImmediate);
  }
  await flushed;
  output.write('after\n');
  await output.flush(10_000);
  assert.equal(buffer.toString('utf8', 0, readSync(fd, buffer)).slice(-6), 'after\n');
  assert.ok(read >= 1024 * 1024 && read < 2 * 1024 * 1024, `${read} bytes`);
});

test('the lines that led to a crash come out', async () => {
  const output = new URL('../../src/log-output.ts', import.meta.url);
  const script = `
    import { LogOutput } from ${JSON.stringify(output)};
    const output = new LogOutput();
    process.on('uncaughtExceptionMonitor', () => output.flushAtOnce());
    for (const line of ['one', 'two', 'three']) output.write(line + '\\n');
    throw new Error('crash');
  `;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  // The first is under way beside the others.
  assert.deepEqual([stdout.split('\n').sort(), status], [['', 'one', 'three', 'two'], 1]);
});
