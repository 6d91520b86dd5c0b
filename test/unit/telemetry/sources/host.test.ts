/** The machine's figures: parsers against recorded files, cut ones and arbitrary text, and what other systems tell. */
import assert from 'node:assert/strict';
import os from 'node:os';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  createHost,
  type HostOs,
  parseCpuStat,
  parseMemoryInfo,
  readOtherHost,
} from '../../../../src/telemetry/sources/host.ts';
import { readData, recordedFiles } from '../../../support/recorded-files.ts';

const memory = readData('proc/meminfo-6.18.txt');
const stat = readData('proc/machine-stat-6.18.txt');
const kib = 1024;
const value = (name: string): number =>
  Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(memory)![1]) * kib;

describe('parseMemoryInfo', () => {
  it('splits a recorded machine into what is used and what is available', () => {
    assert.deepEqual(parseMemoryInfo(memory), {
      memoryLimitBytes: value('MemTotal'),
      memoryBytes: { used: value('MemTotal') - value('MemAvailable'), available: value('MemAvailable') },
      pagingBytes: { used: 0, free: 0 },
    });
  });

  it('leaves out the split where the kernel does not tell it, and reads swap space', () => {
    assert.deepEqual(parseMemoryInfo(readData('proc/meminfo-3.13.txt')), {
      memoryLimitBytes: 8061272 * kib,
      pagingBytes: { used: 8192 * kib, free: 2088956 * kib },
    });
  });

  it('tells nothing that would be negative', () => {
    assert.deepEqual(
      parseMemoryInfo('MemTotal: 5 kB\nMemAvailable: 6 kB\nSwapTotal: 1 kB\nSwapFree: 2 kB\n'),
      {
        memoryLimitBytes: 5 * kib,
      },
    );
  });

  it('takes a figure from a cut file whole or not at all', () => {
    const whole = parseMemoryInfo(memory);
    for (let length = 0; length <= memory.length; length++) {
      for (const [key, figure] of Object.entries(parseMemoryInfo(memory.slice(0, length))))
        assert.deepEqual(figure, whole[key as keyof typeof whole]);
    }
  });
});

describe('parseCpuStat', () => {
  it('reads a recorded machine; hard and soft interrupts are one mode', () => {
    const [user, nice, system, idle, iowait, hard, soft, steal] = stat
      .slice(0, stat.indexOf('\n'))
      .split(/ +/)
      .slice(1)
      .map((ticks) => Number(ticks) / 100) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    assert.deepEqual(parseCpuStat(stat), {
      cpuTime: { user, nice, system, idle, iowait, interrupt: Math.round((hard + soft) * 100) / 100, steal },
      cpus: 2,
    });
  });

  it('counts the CPUs that are online, however many there are and whatever their numbers', () => {
    const list = Array.from({ length: 700 }, (_, cpu) => `cpu${cpu * 2} 1 2 3 4 5 6 7 8 9 10\n`).join('');
    assert.equal(parseCpuStat(`cpu  1 2 3 4 5 6 7 8 9 10\n${list}intr 5 0 0\n`)?.cpus, 700);
  });

  it('does not count guests, who are in user and nice', () => {
    const modes = parseCpuStat('cpu  100 200 300 400 500 600 700 800 90 150\ncpu0 1\nintr 1\n')!.cpuTime;
    assert.deepEqual(modes, { user: 1, nice: 2, system: 3, idle: 4, iowait: 5, interrupt: 13, steal: 8 });
  });

  it('gives nothing for a text that ends before the list of CPUs does', () => {
    const needed = stat.indexOf('\nintr') + 2;
    for (let length = 0; length < needed; length++)
      assert.equal(parseCpuStat(stat.slice(0, length)), undefined);
    assert.deepEqual(parseCpuStat(stat.slice(0, needed)), parseCpuStat(stat));
  });

  it('gives nothing for other texts', () => {
    for (const text of ['', 'cpu\n', 'cpu  1 2 3 4\ncpu0 1\nintr 1\n', stat.replace('cpu  ', 'cpu  -')]) {
      assert.equal(parseCpuStat(text), undefined, text.slice(0, 20));
    }
  });
});

describe('both parsers', () => {
  it('never throw, and never give what is no figure', () => {
    const lines = fc.array(
      fc.oneof(
        fc.constantFrom(...memory.split('\n').slice(0, 20), ...stat.split('\n').slice(0, 4)),
        fc.string({ maxLength: 40 }),
        fc.stringMatching(/^(?:cpu\d? |MemTotal:|MemAvailable:|SwapFree:)[ 0-9.kB-]{0,40}$/),
      ),
      { maxLength: 12 },
    );
    const check = (figure: unknown): void => {
      if (typeof figure === 'number') assert.ok(Number.isFinite(figure) && figure >= 0);
      else for (const inner of Object.values(figure ?? {})) check(inner);
    };
    fc.assert(
      fc.property(lines, (some) => {
        const text = some.join('\n');
        check(parseMemoryInfo(text));
        check(parseCpuStat(text));
      }),
    );
  });
});

describe('createHost', () => {
  function machine() {
    const files = new Map([
      ['/proc/meminfo', memory],
      ['/proc/stat', stat],
    ]);
    const errors = { count: 0 };
    return { files, errors, read: createHost(recordedFiles(files), () => errors.count++) };
  }

  it('puts memory and CPUs together', () => {
    const { read, errors } = machine();
    assert.deepEqual(read(), { ...parseMemoryInfo(memory), ...parseCpuStat(stat) });
    assert.equal(errors.count, 0);
  });

  it('lets no mode fall when the kernel takes waiting time back', () => {
    const { files, read } = machine();
    const first = read().cpuTime!;
    const changed = stat.replace(/^cpu .*/, (line) => {
      const fields = line.split(/ +/).map((field, index) => (index === 5 ? Number(field) - 3 : field));
      fields[1] = Number(fields[1]) + 100;
      return fields.join(' ');
    });
    files.set('/proc/stat', changed);
    const second = read().cpuTime!;
    assert.equal(second.iowait, first.iowait);
    assert.equal(second.user, first.user! + 1);
    files.set('/proc/stat', stat);
    assert.deepEqual(read().cpuTime, second);
  });

  it('leaves out, and counts, the file that cannot be read, and goes on with the other', () => {
    const { files, read, errors } = machine();
    files.delete('/proc/stat');
    assert.deepEqual(read(), parseMemoryInfo(memory));
    assert.equal(errors.count, 1);
    files.set('/proc/stat', stat);
    files.set('/proc/meminfo', 'nonsense');
    assert.deepEqual(read(), parseCpuStat(stat));
    assert.equal(errors.count, 2);
  });
});

describe('readOtherHost', () => {
  const cpu = { model: '', speed: 0, times: { user: 1000, nice: 2000, sys: 3000, idle: 4000, irq: 5000 } };
  const from: HostOs = { totalmem: () => 100, freemem: () => 30, cpus: () => [cpu, cpu] };

  it('tells on Windows what is available, and no mode that is a part of another', () => {
    assert.deepEqual(readOtherHost('win32', from), {
      memoryLimitBytes: 100,
      memoryBytes: { used: 70, available: 30 },
      cpuTime: { user: 2, system: 6, idle: 8 },
      cpus: 2,
    });
  });

  it('does not take free memory for available elsewhere', () => {
    assert.deepEqual(readOtherHost('darwin', from), {
      memoryLimitBytes: 100,
      cpuTime: { user: 2, system: 6, idle: 8, nice: 4 },
      cpus: 2,
    });
  });

  it('tells nothing of CPUs where there is no list of them', () => {
    assert.deepEqual(readOtherHost('android', { ...from, cpus: () => [] }), { memoryLimitBytes: 100 });
  });

  it('asks this machine', () => {
    assert.equal(readOtherHost(process.platform).memoryLimitBytes, os.totalmem());
  });
});
