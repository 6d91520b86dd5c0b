/** What the system's own tar reads is what was written, and nothing of the machine is in it. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileEntry, folderEntries, renderTar } from '../../../image/tar.ts';
import { createTempFolder } from '../../support/child.ts';

const longName = 'n'.repeat(120);
const deepFolder = Array.from({ length: 12 }, (_, index) => `${index}`.padStart(12, 'folder-')).join('/');

function tempFolder(t: TestContext): string {
  const folder = createTempFolder('tar-test');
  t.after(folder.remove);
  return folder.path;
}

/** A tree with everything that an archive can hold, made in another order each time. */
function growTree(folder: string, timeSeconds: number): void {
  const files = {
    plain: 'tide',
    [`${deepFolder}/short`]: 'deep',
    [longName]: 'long',
    'a b': '',
    größe: 'x'.repeat(512),
  };
  const entries = Object.entries(files);
  for (const [path, text] of timeSeconds % 2 === 0 ? entries : entries.reverse()) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
    utimesSync(join(folder, path), timeSeconds, timeSeconds);
  }
  chmodSync(join(folder, 'plain'), 0o700);
  mkdirSync(join(folder, 'shared'));
  chmodSync(join(folder, 'shared'), 0o1777);
  symlinkSync(`${longName}/${longName}`, join(folder, 'link'));
}

async function archive(folder: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(renderTar(folderEntries(folder))));
}

function unpack(bytes: Buffer, folder: string): void {
  execFileSync('tar', ['--extract', '--same-permissions', '--directory', folder], { input: bytes });
}

describe('renderTar', () => {
  it('writes what tar reads: contents, modes, links, and paths of any length', async (t) => {
    const [source, target] = [tempFolder(t), tempFolder(t)];
    growTree(source, 2_000_000);
    unpack(await archive(source), target);
    execFileSync('diff', ['--recursive', '--no-dereference', source, target]);
    assert.equal(readlinkSync(join(target, 'link')), `${longName}/${longName}`);
    const modeOf = (name: string): number => statSync(join(target, name)).mode & 0o7777;
    assert.deepEqual(['plain', 'a b', 'shared', deepFolder].map(modeOf), [0o755, 0o644, 0o1777, 0o755]);
    assert.equal(statSync(join(target, 'plain')).mtimeMs, 0);
  });

  it('gives the same bytes for the same tree, whenever and in whatever order it was made', async (t) => {
    const [one, other] = [tempFolder(t), tempFolder(t)];
    growTree(one, 2_000_000);
    growTree(other, 3_000_001);
    assert.ok((await archive(one)).equals(await archive(other)));
  });

  it('names root as the owner of everything', async (t) => {
    const source = tempFolder(t);
    growTree(source, 2_000_000);
    const listing = execFileSync('tar', ['--list', '--verbose'], {
      input: await archive(source),
      encoding: 'utf8',
    });
    for (const line of listing.trim().split('\n')) assert.match(line, /^\S+ root\/root /);
  });

  it('takes entries that are no files anywhere', async (t) => {
    const target = tempFolder(t);
    unpack(Buffer.concat(await Array.fromAsync(renderTar([fileEntry('word', 'tide')]))), target);
    assert.equal(readFileSync(join(target, 'word'), 'utf8'), 'tide');
  });

  it('refuses a file that changes its size while it is read, and what is no file', async (t) => {
    const entry = { ...fileEntry('word', 'tide'), sizeBytes: 5 };
    await assert.rejects(Array.fromAsync(renderTar([entry])), /word changed while it was read/);
    const source = tempFolder(t);
    execFileSync('mkfifo', [join(source, 'pipe')]);
    await assert.rejects(archive(source), /pipe is neither/);
  });
});
