/** The machine's figures that a process tells, against /proc read by another process around the same moment. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { createSubject, firstThatHolds, type Subject, skipWithoutLinux } from '../support/figures-subject.ts';

/** The modes in the order of the kernel's columns, as it documents them. */
const columns = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;

function witnessStat(): { seconds: Record<(typeof columns)[number], number>; cpus: number } {
  const lines = readFileSync('/proc/stat', 'latin1').split('\n');
  const fields = lines[0]!.split(/\s+/).slice(1).map(Number);
  const seconds = Object.fromEntries(columns.map((mode, index) => [mode, fields[index]! / 100]));
  return { seconds: seconds as never, cpus: lines.filter((line) => /^cpu\d/.test(line)).length };
}

function witnessMemory(name: string): number {
  const line = readFileSync('/proc/meminfo', 'latin1')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  return Number(line?.split(/\s+/)[1]) * 1024;
}

describe('host figures', { skip: skipWithoutLinux }, () => {
  let subject: Subject;
  before(async () => {
    subject = await createSubject();
  });
  after(() => subject.end());

  it('agree with /proc/meminfo', async () => {
    // The whole machine's memory moves while nobody looks; the total does not.
    await firstThatHolds(10, async () => {
      const available = witnessMemory('MemAvailable');
      const { host } = await subject.ask('figures');
      const { used, available: told } = host.memoryBytes!;
      assert.equal(host.memoryLimitBytes, witnessMemory('MemTotal'));
      assert.equal(used + told, host.memoryLimitBytes);
      const between = [available, witnessMemory('MemAvailable')].sort((a, b) => a - b) as [number, number];
      const slack = 16 * 2 ** 20;
      assert.ok(told >= between[0] - slack && told <= between[1] + slack, `${told} is not within ${between}`);
      assert.equal(host.pagingBytes!.used + host.pagingBytes!.free, witnessMemory('SwapTotal'));
    });
  });

  it('agree with /proc/stat to the tick', async () => {
    // Each mode lies between what the witness saw before and after. Idle and waiting may step back in the kernel.
    await firstThatHolds(5, async () => {
      const earlier = witnessStat();
      const { host } = await subject.ask('figures');
      const later = witnessStat();
      const { interrupt, ...modes } = host.cpuTime as Record<string, number>;
      assert.equal(host.cpus, later.cpus);
      assert.deepEqual(Object.keys(modes).sort(), ['idle', 'iowait', 'nice', 'steal', 'system', 'user']);
      const between = (told: number, pick: (seconds: typeof earlier.seconds) => number, what: string): void =>
        assert.ok(
          told >= pick(earlier.seconds) - 1e-6 && told <= pick(later.seconds) + 1e-6,
          `${what}: ${told} is not within ${pick(earlier.seconds)} and ${pick(later.seconds)}`,
        );
      for (const [mode, told] of Object.entries(modes))
        between(told, (seconds) => seconds[mode as 'user'], mode);
      between(interrupt!, ({ irq, softirq }) => irq + softirq, 'interrupt');
    });
  });

  it('advance by the CPUs times the time that passes', async () => {
    const total = async () => {
      const { host } = await subject.ask('figures');
      const atMs = performance.now();
      const seconds = Object.values(host.cpuTime!).reduce((sum, mode) => sum + mode, 0);
      return { atMs, seconds, cpus: host.cpus! };
    };
    await firstThatHolds(3, async () => {
      const first = await total();
      await subject.ask('idle', { ms: 1_000 });
      const second = await total();
      const expected = ((second.atMs - first.atMs) / 1000) * second.cpus;
      const told = second.seconds - first.seconds;
      assert.ok(Math.abs(told - expected) < 0.05 * expected, `${told} s instead of ${expected}`);
    });
  });
});
