/**
 * What stands in the files of a control group: parsers, pure, and silent about what they cannot understand; and the
 * opening of such files. It does not know which files a version has. Formats: the kernel's admin guide, cgroup-v2.rst,
 * cgroup-v1/memory.rst, accounting/psi.rst.
 */
import type { PlatformFiles } from './files.ts';
import { count, restOfLine } from './procfs.ts';

/** `name value` lines, of which a few are asked for. */
export type Keyed = {
  /** Undefined when there is no such line, or its value is beyond what a double holds exactly. */
  get(name: string): number | undefined;
};

/** Undefined without any such line. One that was cut is none. */
export function parseKeyed(text: string): Keyed | undefined {
  if (!/^[^\s]+ \d+\n/m.test(text)) return undefined;
  return { get: (name) => count(restOfLine(text, `${name} `)) };
}

/**
 * A single number. Of a limit: `max`, -1 and everything that a double cannot hold exactly is none, for v1 writes
 * 9223372036854771712, the largest multiple of a page.
 */
export function parseNumber(text: string): number | undefined {
  return count(text.trim());
}

/** CPUs that a quota allows, a fraction; undefined where there is none. v2's cpu.max: `50000 100000`, `max 100000`. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period] = text.trim().split(' ');
  return cpus(count(quota), count(period));
}

/** CPUs that so many microseconds of each period are; v1 keeps the two in files of their own. */
export function cpus(quota: number | undefined, period: number | undefined): number | undefined {
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : undefined;
}

/**
 * Pressure stall information: seconds in which some task, or all tasks, waited. `full` of the CPU is missing before
 * Linux 5.13. Undefined without a `some` line.
 */
export function parsePressure(text: string): { some: number; full?: number } | undefined {
  const some = stallSeconds(text, 'some');
  const full = stallSeconds(text, 'full');
  if (some === undefined) return undefined;
  return full === undefined ? { some } : { some, full };
}

function stallSeconds(text: string, kind: string): number | undefined {
  const micros = count(new RegExp(`^${kind} .*total=(\\d+)$`, 'm').exec(text)?.[1]);
  return micros === undefined ? undefined : micros / 1e6;
}

export function smallest(values: Iterable<number | undefined>): number | undefined {
  let least: number | undefined;
  for (const value of values)
    if (value !== undefined && (least === undefined || value < least)) least = value;
  return least;
}

/** Reads one figure now; undefined when the file cannot be read, which is counted, or says that there is none. */
export type FigureSource<T> = () => T | undefined;

/**
 * Opens the files of groups. A file that is missing now is one that this kernel or group does not have: its source is
 * always undefined, and no error. One that is there and may not be read is an error at each reading. `open` counts a text that makes no sense; `openLimits`, to which "no limit" is an answer,
 * gives the smallest limit of all the folders.
 */
export type FigureOpener = {
  open<T>(folder: string | undefined, name: string, parse: (text: string) => T | undefined): FigureSource<T>;
  openLimits(
    folders: readonly string[],
    name: string,
    parse: (text: string) => number | undefined,
  ): FigureSource<number>;
};

export function createFigureOpener(
  { read, denies }: Pick<PlatformFiles, 'read' | 'denies'>,
  onError: () => void,
): FigureOpener {
  function openText(folder: string | undefined, name: string): FigureSource<string> {
    const path = `${folder}/${name}`;
    if (folder === undefined || (read(path) === undefined && !denies(path))) return () => undefined;
    return () => {
      const text = read(path);
      if (text === undefined) onError();
      return text;
    };
  }

  return {
    open(folder, name, parse) {
      const readText = openText(folder, name);
      return () => {
        const text = readText();
        if (text === undefined) return undefined;
        const value = parse(text);
        if (value === undefined) onError();
        return value;
      };
    },
    openLimits(folders, name, parse) {
      const texts = folders.map((folder) => openText(folder, name));
      return () => smallest(texts.map((readText) => parse(readText() ?? '')));
    },
  };
}
