/**
 * A tar archive of a folder that depends on nothing but the files' names, contents and executable bits: no owner, no
 * time and no order of the machine that it was made on. The same tree gives the same bytes, and so the same digest.
 *
 * Written as POSIX ustar; a path that has no room there goes into a pax record before its entry. Regular files,
 * folders and symbolic links only: an image needs no others.
 */

import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

export type TarEntry = {
  /** Relative, with slashes; folders end in one. */
  path: string;
  kind: 'file' | 'folder' | 'link';
  mode: number;
  sizeBytes: number;
  linkTarget?: string;
  content?: () => AsyncIterable<Buffer> | Iterable<Buffer>;
};

const blockBytes = 512;
const typeFlags = { file: '0', link: '2', folder: '5', pax: 'x' } as const;

/** Everything below the folder, each folder before what it holds, names in the order of their bytes. */
export async function* folderEntries(folder: string, below = ''): AsyncGenerator<TarEntry> {
  for (const name of (await readdir(join(folder, below))).sort(byBytes)) {
    const path = join(below, name);
    const source = join(folder, path);
    const found = await lstat(source);
    if (found.isSymbolicLink()) {
      yield { path, kind: 'link', mode: 0o777, sizeBytes: 0, linkTarget: await readlink(source) };
    } else if (found.isDirectory()) {
      // The sticky bit is what makes a folder that everybody may write to safe to share.
      const mode = found.mode & 0o1000 ? 0o1777 : 0o755;
      yield { path: `${path}/`, kind: 'folder', mode, sizeBytes: 0 };
      yield* folderEntries(folder, path);
    } else if (found.isFile()) {
      const mode = found.mode & 0o100 ? 0o755 : 0o644;
      yield { path, kind: 'file', mode, sizeBytes: found.size, content: () => createReadStream(source) };
    } else {
      throw new Error(`${source} is neither a file, a folder nor a link`);
    }
  }
}

export function fileEntry(path: string, content: Buffer | string): TarEntry {
  const bytes = Buffer.from(content);
  return { path, kind: 'file', mode: 0o644, sizeBytes: bytes.length, content: () => [bytes] };
}

/** The bytes of the archive, piece by piece. */
export async function* renderTar(
  entries: AsyncIterable<TarEntry> | Iterable<TarEntry>,
): AsyncGenerator<Buffer> {
  for await (const entry of entries) {
    const records = paxRecords(entry);
    if (records.length > 0) {
      yield header('pax', typeFlags.pax, 0o644, records.length, '');
      yield records;
      yield padding(records.length);
    }
    yield header(entry.path, typeFlags[entry.kind], entry.mode, entry.sizeBytes, entry.linkTarget ?? '');
    let bytes = 0;
    for await (const chunk of entry.content?.() ?? []) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== entry.sizeBytes) throw new Error(`${entry.path} changed while it was read`);
    yield padding(bytes);
  }
  yield Buffer.alloc(2 * blockBytes);
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

function paxRecords({ path, linkTarget = '' }: TarEntry): Buffer {
  const records: string[] = [];
  if (splitPath(path) === undefined) records.push(paxRecord('path', path));
  if (Buffer.byteLength(linkTarget) > 100) records.push(paxRecord('linkpath', linkTarget));
  return Buffer.from(records.join(''));
}

/** Its length comes first and counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (`${length}`.length + Buffer.byteLength(rest) !== length)
    length = `${length}`.length + Buffer.byteLength(rest);
  return `${length}${rest}`;
}

/** A path as prefix and name with 155 and 100 bytes at most; undefined if it cannot be cut so. */
function splitPath(path: string): { prefix: string; name: string } | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes <= 100) return { prefix: '', name: path };
  for (let cut = path.indexOf('/'); cut > 0 && cut < path.length - 1; cut = path.indexOf('/', cut + 1)) {
    const [prefix, name] = [path.slice(0, cut), path.slice(cut + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { prefix, name };
  }
  return undefined;
}

function header(path: string, typeFlag: string, mode: number, sizeBytes: number, linkTarget: string): Buffer {
  const block = Buffer.alloc(blockBytes);
  // What has no room is cut here and stands whole in the pax record before.
  const { prefix, name } = splitPath(path) ?? { prefix: '', name: path };
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0, 100);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(sizeBytes, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(' '.repeat(8), 148);
  block.write(typeFlag, 156);
  block.write(linkTarget, 157, 100);
  block.write('ustar\x0000', 257);
  block.write('root', 265);
  block.write('root', 297);
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)} `, 148);
  return block;
}

function padding(bytes: number): Buffer {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);
}
