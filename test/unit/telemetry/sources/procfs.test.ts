/** The parsers of /proc against recorded files, cut ones and arbitrary text; the reader against a recorded tree. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  countCpus,
  createProcfs,
  parseFileDescriptorLimit,
  parseStat,
  parseStatus,
} from '../../../../src/telemetry/sources/procfs.ts';
import { readData, recordedFiles } from '../../../support/recorded-files.ts';

const status = readData('proc/status-6.18.txt');
const stat = readData('proc/stat-6.18.txt');
const limits = readData('proc/limits-6.18.txt');
const kib = 1024;

describe('parseStatus', () => {
  it('reads a recorded file', () => {
    assert.deepEqual(parseStatus(status), {
      virtualBytes: 1383484 * kib,
      residentBytes: 42196 * kib,
      peakResidentBytes: 42196 * kib,
      residentByKind: { anon: 8076 * kib, file: 34120 * kib, shmem: 0 },
      swapBytes: 0,
      stackBytes: 132 * kib,
      threads: 11,
      cpusAllowed: '0-1',
    });
  });

  it('leaves out the kinds of resident memory where the kernel does not tell them', () => {
    const old = parseStatus(readData('proc/status-3.10.txt'));
    assert.equal('residentByKind' in old, false);
    assert.equal(old.residentBytes, 58368 * kib);
    assert.equal(old.swapBytes, 2048 * kib);
  });

  it('leaves out what a sandbox does not write', () => {
    assert.deepEqual(parseStatus(readData('proc/status-sandbox.txt')), {
      virtualBytes: 891232 * kib,
      residentBytes: 58368 * kib,
      threads: 11,
    });
  });

  it('is not misled by a process that is named like a line', () => {
    assert.equal(parseStatus('Name:\tVmRSS:\t 1 kB\nVmRSS:\t       7 kB\n').residentBytes, 7 * kib);
  });

  it('takes a figure from a cut file whole or not at all', () => {
    const whole = parseStatus(status);
    for (let length = 0; length <= status.length; length++) {
      const part = parseStatus(status.slice(0, length));
      for (const [key, value] of Object.entries(part))
        assert.deepEqual(value, whole[key as keyof typeof whole]);
    }
  });

  it('takes nothing from values that are negative, fractional, too large or of another unit', () => {
    for (const value of ['-1 kB', '1.5 kB', '99999999999999999999 kB', '5 MB', '5', 'kB', '0x5 kB', '']) {
      assert.deepEqual(parseStatus(`VmRSS:\t${value}\n`), {}, value);
    }
  });
});

describe('parseStat', () => {
  it('reads a recorded file', () => {
    const parsed = parseStat(stat);
    assert.ok(parsed !== undefined);
    assert.deepEqual(Object.keys(parsed), ['pid', 'name', 'userTicks', 'systemTicks', 'startTicks']);
    const fields = stat.trim().split(' ');
    assert.equal(parsed.name, 'node-MainThread');
    assert.equal(parsed.pid, Number(fields[0]));
    assert.equal(parsed.userTicks, Number(fields[13]));
    assert.equal(parsed.systemTicks, Number(fields[14]));
    assert.equal(parsed.startTicks, Number(fields[21]));
  });

  it('reads a name that holds blanks and brackets', () => {
    for (const name of ['a b', ') R 1 1', '(x)', ')) (', '']) {
      assert.deepEqual(parseStat(stat.replace('node-MainThread', name)), { ...parseStat(stat), name });
    }
  });

  it('gives nothing for a line that is cut before the fields it needs are complete', () => {
    const needed = stat.split(' ').slice(0, 22).join(' ').length + 1;
    for (let length = 0; length < needed; length++) assert.equal(parseStat(stat.slice(0, length)), undefined);
    assert.deepEqual(parseStat(stat.slice(0, needed)), parseStat(stat));
  });
});

describe('parseFileDescriptorLimit', () => {
  it('reads the soft limit', () => {
    assert.equal(parseFileDescriptorLimit(limits), 20_000);
    assert.equal(
      parseFileDescriptorLimit(
        'Max open files            1024                 1048576              files     \n',
      ),
      1024,
    );
  });

  it('gives nothing for unlimited and for a cut line', () => {
    assert.equal(
      parseFileDescriptorLimit(
        'Max open files            unlimited            unlimited            files     \n',
      ),
      undefined,
    );
    assert.equal(parseFileDescriptorLimit('Max open files            10'), undefined);
  });
});

describe('countCpus', () => {
  it('counts the CPUs that are allowed and online', () => {
    assert.equal(countCpus('0-1', '0-1\n'), 2);
    assert.equal(countCpus('0-127', '0-3'), 4);
    assert.equal(countCpus('1,3,5-6', '0-5'), 3);
    assert.equal(countCpus('2', '0-3'), 1);
  });

  it('gives nothing for lists without a CPU in common or without sense', () => {
    for (const [allowed, online] of [
      ['4', '0-3'],
      ['', '0-3'],
      ['0-1', ''],
      ['1-0', '0-3'],
      ['0,0', '0'],
      ['a', '0'],
    ]) {
      assert.equal(countCpus(allowed!, online!), undefined, `${allowed} of ${online}`);
    }
  });

  it('counts like sets do', () => {
    const cpus = fc.uniqueArray(fc.nat(200), { minLength: 1 });
    const write = (set: number[]) => [...set].sort((a, b) => a - b).join(',');
    fc.assert(
      fc.property(cpus, cpus, (a, b) => {
        const both = a.filter((cpu) => b.includes(cpu)).length;
        assert.equal(countCpus(write(a), write(b)), both === 0 ? undefined : both);
      }),
    );
  });
});

it('no parser throws on arbitrary text, nor gives anything but whole numbers', () => {
  const line = fc.constantFrom(
    'VmRSS:\t',
    'Threads:\t',
    'RssAnon:',
    '1 (a) R ',
    'Max open files   ',
    '0-',
    ' kB\n',
    ' 7 ',
  );
  const text = fc
    .array(fc.oneof(line, fc.string({ unit: 'binary' }), fc.nat().map(String)))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, text, (first, second) => {
      const numbers = [
        ...Object.values(parseStatus(first)).filter((value) => typeof value !== 'string'),
        ...Object.values(parseStat(first) ?? {}).filter((value) => typeof value !== 'string'),
        parseFileDescriptorLimit(first) ?? 0,
        countCpus(first, second) ?? 0,
      ].flatMap((value) => (typeof value === 'object' ? Object.values(value) : [value]));
      for (const value of numbers) assert.ok(Number.isSafeInteger(value) && Number(value) >= 0);
    }),
    { numRuns: 2000 },
  );
});

describe('createProcfs', () => {
  const build = (files: Map<string, string>, now = { ms: 0 }) => {
    const errors = { count: 0 };
    const recorded = recordedFiles(files);
    const procfs = createProcfs(
      recorded,
      () => now.ms,
      () => errors.count++,
    );
    return { procfs, errors, recorded };
  };

  it('counts each file that it cannot read or understand', () => {
    const { procfs, errors } = build(new Map([['/proc/self/limits', 'nonsense']]));
    assert.deepEqual(procfs.status(), {});
    assert.equal(errors.count, 1);
    assert.equal(procfs.fileDescriptorLimit(), undefined);
    assert.equal(errors.count, 2);
    assert.equal(procfs.fileDescriptors(), undefined);
    assert.equal(errors.count, 3);
  });

  it('makes no error of an unlimited number of descriptors', () => {
    const text = limits.replace(/^(Max open files +)20000( +)20000/m, '$1unlimited$2unlimited');
    const { procfs, errors } = build(new Map([['/proc/self/limits', text]]));
    assert.equal(procfs.fileDescriptorLimit(), undefined);
    assert.equal(errors.count, 0);
  });

  it('takes the count of descriptors from the size of their folder', () => {
    const { procfs, recorded } = build(new Map());
    recorded.folderSizes.set('/proc/self/fd', 10_027);
    assert.equal(procfs.fileDescriptors(), 10_027);
  });

  it('lists descriptors where the size is 0, for no more than a hundredth of the time', () => {
    const files = new Map(['0', '1', '2', '17'].map((name) => [`/proc/self/fd/${name}`, '']));
    const now = { ms: 1000 };
    const { procfs, recorded } = build(files, now);
    recorded.folderSizes.set('/proc/self/fd', 0);
    let listings = 0;
    const { list } = recorded;
    recorded.list = (path) => {
      listings += 1;
      now.ms += 8;
      return list(path);
    };
    assert.equal(procfs.fileDescriptors(), 3, 'the descriptor of the listing itself does not count');
    files.set('/proc/self/fd/18', '');
    now.ms += 799;
    assert.equal(procfs.fileDescriptors(), 3);
    assert.equal(listings, 1);
    now.ms += 1;
    assert.equal(procfs.fileDescriptors(), 4);
    assert.equal(listings, 2);
  });
});
