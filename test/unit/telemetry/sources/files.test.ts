/** Kept descriptors: fresh content at each read, a bound, recovery, and none left after closing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createPlatformFiles } from '../../../../src/telemetry/sources/files.ts';

describe('createPlatformFiles', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidegauge-files-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  /** Descriptors of this process that point into the folder. */
  const held = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
      } catch {
        return false;
      }
    }).length;
  const onLinux = { skip: process.platform === 'linux' ? false : 'counts descriptors in /proc' };

  it('reads what stands in the file now', () => {
    const files = createPlatformFiles();
    files.keep();
    const path = write('a', 'first, and longer');
    assert.equal(files.read(path), 'first, and longer');
    write('a', 'second');
    assert.equal(files.read(path), 'second');
    assert.equal(files.readWhole(path), 'second');
    files.close();
  });

  it('reads /proc/stat of a machine with two thousand CPUs to its end', () => {
    const files = createPlatformFiles();
    const text = `cpu ${'1234567890 '.repeat(8)}\n`.repeat(2_000);
    assert.equal(files.read(write('stat', text)), text);
  });

  it('is silent about what cannot be read', () => {
    const files = createPlatformFiles();
    files.keep();
    for (const path of [join(folder, 'none'), folder, '', '/proc/self/mem\0']) {
      assert.equal(files.read(path), undefined);
      assert.equal(files.readWhole(path), undefined);
    }
    assert.equal(files.list(join(folder, 'none')), undefined);
    assert.equal(files.folderSize(join(folder, 'none')), undefined);
    files.close();
  });

  it('tells a file that may not be read from one that is not there', {
    skip: process.geteuid === undefined && 'there are no owners of files here',
  }, () => {
    const files = createPlatformFiles();
    const path = write('secret', 'text');
    assert.equal(files.denies(path), false);
    assert.equal(files.denies(join(folder, 'none')), false);
    chmodSync(path, 0);
    chmodSync(folder, 0o755);
    const own = process.geteuid!();
    // To root nothing is forbidden.
    if (own === 0) process.seteuid!(65_534);
    try {
      assert.equal(files.read(path), undefined);
      assert.equal(files.denies(path), true);
      assert.equal(files.denies(join(folder, 'none')), false);
    } finally {
      if (own === 0) process.seteuid!(own);
    }
  });

  it('keeps descriptors up to its bound, and none before keep nor after close', onLinux, () => {
    const files = createPlatformFiles(3);
    const paths = ['a', 'b', 'c', 'd', 'e'].map((name) => write(name, name));
    const readAll = () => assert.deepEqual(paths.map(files.read), ['a', 'b', 'c', 'd', 'e']);
    readAll();
    assert.equal(held(), 0);
    files.keep();
    readAll();
    readAll();
    assert.equal(held(), 3);
    files.close();
    assert.equal(held(), 0);
    readAll();
    assert.equal(held(), 0);
  });

  it(
    'keeps the descriptor of a folder within the same bound, and tells its size without one too',
    onLinux,
    () => {
      const files = createPlatformFiles(1);
      const size = statSync(folder).size;
      assert.equal(files.folderSize(folder), size);
      assert.equal(held(), 0);
      files.keep();
      assert.equal(files.folderSize(folder), size);
      assert.equal(files.folderSize(folder), size);
      assert.equal(held(), 1);
      const below = join(folder, 'below');
      mkdirSync(below);
      assert.equal(files.folderSize(below), statSync(below).size);
      assert.equal(files.read(write('a', 'text')), 'text');
      assert.equal(held(), 1);
      files.close();
      assert.equal(held(), 0);
    },
  );

  it('opens anew what was lost', onLinux, () => {
    const files = createPlatformFiles();
    files.keep();
    const path = write('a', 'old');
    assert.equal(files.read(path), 'old');
    write('b', 'new');
    renameSync(join(folder, 'b'), path);
    files.close();
    files.keep();
    assert.equal(files.read(path), 'new');
    files.close();
    assert.equal(held(), 0);
  });

  it(
    'closes and forgets what is gone while it was kept, as the file of a thread that has ended',
    onLinux,
    async () => {
      const open = () => readdirSync('/proc/self/fd').length;
      const files = createPlatformFiles();
      files.keep();
      const child = spawn('sleep', ['60'], { stdio: 'ignore' });
      const path = `/proc/${child.pid}/stat`;
      const before = open();
      assert.ok(files.read(path)?.startsWith(`${child.pid} (`));
      assert.equal(open(), before + 1);
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      const afterwards = open();
      assert.equal(files.read(path), undefined);
      assert.equal(open(), afterwards - 1);
      // Another file may get the number of the old descriptor.
      const other = write('a', 'other');
      assert.equal(files.read(other), 'other');
      assert.equal(files.read(path), undefined);
      assert.equal(files.read(other), 'other');
      files.close();
      assert.equal(held(), 0);
    },
  );
});
