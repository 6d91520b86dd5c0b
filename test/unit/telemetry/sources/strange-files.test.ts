/**
 * Files as no kernel should write them: every recorded one, damaged in every way that chance thinks of, and texts of
 * chance. No parser throws, and what is told is a number; in a whole machine a damaged file costs its own figures
 * and no others.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  parseCpuMax,
  parseKeyed,
  parseNumber,
  parsePressure,
} from '../../../../src/telemetry/sources/cgroup-files.ts';
import { findGroups, parseCgroup, parseMountinfo } from '../../../../src/telemetry/sources/cgroup-path.ts';
import { parseCpuStat, parseMemoryInfo } from '../../../../src/telemetry/sources/host.ts';
import { createPlatform } from '../../../../src/telemetry/sources/platform.ts';
import {
  countCpus,
  parseFileDescriptorLimit,
  parseStat,
  parseStatus,
} from '../../../../src/telemetry/sources/procfs.ts';
import { readData, readTree, recordedMachine, recordings } from '../../../support/recorded-files.ts';

const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  parseStatus,
  parseStat,
  parseFileDescriptorLimit,
  parseMemoryInfo,
  parseCpuStat,
  parseKeyed: (text) => {
    const names = text.split(/[ \n]/, 20);
    return Object.fromEntries(names.map((name) => [name, parseKeyed(text)?.get(name)]));
  },
  parseNumber,
  parseCpuMax,
  parsePressure,
  parseCgroup: (text) => Object.fromEntries(parseCgroup(text)),
  parseMountinfo,
  countCpus: (text) => countCpus(text, '0-63'),
  findGroups: (text) => findGroups(text, text),
};

const trees = recordings('cgroup');
const texts = [
  ...recordings('proc').map((name) => readData(`proc/${name}.txt`)),
  ...trees.flatMap((name) => [...readTree(name).values()]),
];

type Damage = (text: string) => string;
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const scrap = fc.oneof(
  fc.constantFrom(
    '',
    '-',
    '\n',
    ' ',
    '0',
    '9'.repeat(30),
    'max',
    '-7',
    '7.5',
    'NaN',
    '1e9',
    '0x10',
    '\0',
    ' kB',
    ') (',
    '..',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const at = (text: string, where: number): number => Math.floor(where * (text.length + 1));

const damage: fc.Arbitrary<Damage> = fc.oneof(
  place.map(
    (where): Damage =>
      (text) =>
        text.slice(0, at(text, where)),
  ),
  place.map(
    (where): Damage =>
      (text) =>
        text.slice(at(text, where)),
  ),
  fc.tuple(place, place, scrap).map(
    ([from, length, put]): Damage =>
      (text) => {
        const start = at(text, from);
        return text.slice(0, start) + put + text.slice(start + Math.floor(length * 20));
      },
  ),
  // Another system's ends of lines, and far more text than the kernel would write.
  fc.constant<Damage>((text) => text.replaceAll('\n', '\r\n')),
  fc.constant<Damage>((text) => text.repeat(20)),
  // Lines in another order, and some twice.
  fc.tuple(place, place).map(
    ([from, to]): Damage =>
      (text) => {
        const lines = text.split('\n');
        const line = lines[Math.floor(from * lines.length)] ?? '';
        lines.splice(Math.floor(to * lines.length), 0, line);
        return lines.join('\n');
      },
  ),
  // Numbers in another's place: all of them, or one.
  scrap.map(
    (put): Damage =>
      (text) =>
        text.replace(/\d+/g, put),
  ),
  fc.tuple(place, scrap).map(
    ([which, put]): Damage =>
      (text) => {
        const chosen = Math.floor(which * (text.match(/\d+/g)?.length ?? 0));
        let index = -1;
        return text.replace(/\d+/g, (number) => {
          index += 1;
          return index === chosen ? put : number;
        });
      },
  ),
);
const damages = fc.array(damage, { minLength: 1, maxLength: 4 }).map(
  (each): Damage =>
    (text) =>
      each.reduce((changed, one) => one(changed), text),
);

function assertNumbers(value: unknown, path: string): void {
  if (typeof value === 'number') assert.ok(Number.isFinite(value) && value >= 0, `${path} is ${value}`);
  if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) assertNumbers(inner, `${path}.${key}`);
}

describe('parsers', () => {
  for (const [name, parse] of Object.entries(parsers)) {
    it(`${name} takes any text, and tells numbers or nothing`, () => {
      const text = fc.oneof(
        fc.tuple(fc.constantFrom(...texts), damages).map(([recorded, damaged]) => damaged(recorded)),
        fc.string({ unit: 'binary' }),
      );
      fc.assert(
        fc.property(text, (any) => assertNumbers(parse(any), name)),
        { numRuns: 500 },
      );
    });
  }
});

/** What each file may cost when it is damaged: the figures that are told by it. */
const owners: readonly [file: RegExp, figures: RegExp][] = [
  [/^\/proc\/(?:meminfo|stat)$/, /^host/],
  [/^\/proc\/self\/limits$/, /^process\.fileDescriptorLimit/],
  [/^\/proc\/self\/task\//, /^process\.threadCpuTime/],
  [/^\/proc\/self\/stat$/, /^process\.threadCpuTime/],
  [/^\/sys\/devices/, /^process\.cpuLimit/],
  // Of resident memory, swap and stack the mapping to Go's names tells too.
  [/^\/proc\/self\/status$/, /^(?:process|runtime\.go)/],
  [/^(?:\/sys\/fs\/cgroup|\/proc\/self\/(?:cgroup|mountinfo)$)/, /^(?:container|process\.cpuLimit)/],
];

/** By place; without what moves by itself between two looks. */
function figuresOf({ recorded }: ReturnType<typeof recordedMachine>): Map<string, number> {
  const platform = createPlatform({
    sampleIntervalMs: 1_000,
    system: 'linux',
    files: recorded,
    ticker: { every: () => () => {}, onWake: undefined },
  });
  const { process, runtime, container, host } = platform;
  const { threadCpuTime, fileDescriptorLimit, cpuLimit, virtualBytes, threads } = process();
  const figures = new Map<string, number>();
  const add = (value: unknown, path: string): void => {
    if (typeof value === 'number') figures.set(path, value);
    else for (const [key, inner] of Object.entries(value ?? {})) add(inner, `${path}.${key}`);
  };
  const { stack_inuse, sys_total, heap_released } = runtime().go;
  // The main thread's time is its own, and goes on.
  const threadTimes = threadCpuTime && { ...threadCpuTime, main: 0 };
  add({ threadCpuTime: threadTimes, fileDescriptorLimit, cpuLimit, virtualBytes, threads }, 'process');
  add({ stack_inuse, resident: sys_total - heap_released }, 'runtime.go');
  add(container(), 'container');
  add(host(), 'host');
  assertNumbers(platform.errors, 'errors');
  return figures;
}

describe('a machine with damaged files', () => {
  it('tells all other figures as if nothing had happened', () => {
    fc.assert(
      fc.property(fc.constantFrom(...trees), place, damages, (tree, which, damaged) => {
        const whole = figuresOf(recordedMachine(tree));
        const machine = recordedMachine(tree);
        const paths = [...machine.files.keys()];
        const path = paths[Math.floor(which * paths.length)]!;
        machine.files.set(path, damaged(machine.files.get(path)!));
        const figures = figuresOf(machine);
        assertNumbers(Object.fromEntries(figures), path);
        const own = owners.find(([file]) => file.test(path))?.[1];
        for (const key of new Set([...whole.keys(), ...figures.keys()])) {
          if (own?.test(key) !== true) assert.equal(figures.get(key), whole.get(key), `${key} after ${path}`);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('tells something of everything that is left when all files are damaged', () => {
    fc.assert(
      fc.property(fc.constantFrom(...trees), fc.infiniteStream(damages), (tree, stream) => {
        const machine = recordedMachine(tree);
        for (const path of machine.files.keys()) {
          const { value: damaged } = stream.next();
          machine.files.set(path, (damaged as Damage)(machine.files.get(path)!));
        }
        const figures = figuresOf(machine);
        assertNumbers(Object.fromEntries(figures), tree);
        assert.ok(figures.has('process.cpuLimit') && figures.has('runtime.go.resident'));
      }),
      { numRuns: 200 },
    );
  });
});
