/**
 * Reads small files that the kernel writes at the moment of reading: /proc and the control groups. Descriptors stay
 * open, because reading again from position 0 costs a third to a tenth of opening, reading and closing. It is not for
 * files that come in several pieces (mountinfo) nor for regular ones. A read is one system call, 1 to 10 us; at most
 * `descriptorsMax` descriptors are held, and a file beyond that number is opened for each read.
 */
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';

/** The text of a file, or undefined when it cannot be read. Never throws. */
export type ReadFile = (path: string) => string | undefined;

/** Everything that the sources of this folder ask of a file system; tests hand in a recorded tree. */
export type PlatformFiles = {
  /** Reads a file that the kernel writes in one piece. */
  read: ReadFile;
  /** Reads a file of any length, keeping nothing. */
  readWhole: ReadFile;
  /** Whether the file is there and may not be read: the kernel's EACCES or EPERM. */
  denies(path: string): boolean;
  /** The names in a folder, or undefined when it cannot be listed. */
  list(path: string): string[] | undefined;
  /** `st_size` of a folder: for /proc/self/fd the number of open descriptors, since Linux 6.2. */
  folderSize(path: string): number | undefined;
  /** From now on descriptors are kept. */
  keep(): void;
  /** Closes them. Reading goes on to work, before `keep` and after this, by opening each time. */
  close(): void;
};

/**
 * Larger than any of the files read: memory.stat has 2 to 5 KB, /proc/self/status 1.5 KB and a line per NUMA node, and
 * /proc/stat up to 100 bytes for each CPU. Pages that no file has reached are never touched.
 */
const pieceBytes = 262_144;

export function createPlatformFiles(descriptorsMax = 64): PlatformFiles {
  const buffer = Buffer.allocUnsafeSlow(pieceBytes);
  const descriptors = new Map<string, number>();
  let room = 0;

  function read(path: string): string | undefined {
    const kept = descriptors.get(path);
    try {
      const descriptor = kept ?? openSync(path, 'r');
      if (kept === undefined && descriptors.size < room) descriptors.set(path, descriptor);
      try {
        return buffer.toString('latin1', 0, readSync(descriptor, buffer, 0, pieceBytes, 0));
      } catch (error) {
        // What the descriptor stood for is gone (a thread that ended, a removed group), though the path may be
        // another's by now: forget it, so that the next read opens anew.
        descriptors.delete(path);
        if (kept !== undefined) closeSync(kept);
        throw error;
      } finally {
        if (kept === undefined && !descriptors.has(path)) closeSync(descriptor);
      }
    } catch {
      return undefined;
    }
  }

  return {
    read,
    readWhole: (path) => orUndefined(() => readFileSync(path, 'utf8')),
    denies(path) {
      try {
        closeSync(openSync(path, 'r'));
        return false;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        return code === 'EACCES' || code === 'EPERM';
      }
    },
    list: (path) => orUndefined(() => readdirSync(path)),
    folderSize(path) {
      // By a descriptor, for the way to /proc/self/fd goes through a link and costs more than the answer.
      if (!descriptors.has(path) && descriptors.size < room) {
        const opened = orUndefined(() => openSync(path, 'r'));
        if (opened !== undefined) descriptors.set(path, opened);
      }
      const kept = descriptors.get(path);
      return orUndefined(() => (kept === undefined ? statSync(path) : fstatSync(kept)).size);
    },
    keep() {
      room = descriptorsMax;
    },
    close() {
      room = 0;
      for (const descriptor of descriptors.values()) closeSync(descriptor);
      descriptors.clear();
    },
  };
}

/** The answer to an error is absence; whoever asked for the file counts it. */
function orUndefined<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
