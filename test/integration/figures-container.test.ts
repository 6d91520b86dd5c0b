/**
 * Container figures of a real process in a real control group with a memory limit and half a core, against the group's
 * own files. The other version of control groups than this machine's is tested with recorded trees only.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ContainerFigures, ProcessFigures } from '../../src/telemetry/figures.ts';
import {
  createControlGroup,
  type TestGroup,
  witnessKeyed,
  witnessNumber,
} from '../support/control-groups.ts';
import { createSubject, firstThatHolds, type Subject, witnessCpu } from '../support/figures-subject.ts';

const mib = 1024 * 1024;
const limitBytes = 512 * mib;
const made = createControlGroup(`tidegauge-test-${process.pid}`, {
  memoryLimitBytes: limitBytes,
  hasHalfACore: true,
});
if (typeof made === 'string' && process.env.CI === 'true') throw new Error(made);

describe('container figures', { skip: typeof made === 'string' ? made : false }, () => {
  const group = made as TestGroup;
  const isV1 = group.version === 1;
  const memory = () => group.folder('memory');
  let subject: Subject;
  before(async () => {
    subject = await createSubject({ start: false });
    group.add(subject.pid);
    await subject.ask('start');
  });
  after(async () => {
    await subject.end();
    await group.remove();
  });

  const near = (actual: number | undefined, expected: number, within: number, what: string) =>
    assert.ok(
      actual !== undefined && Math.abs(actual - expected) <= within,
      `${what}: ${actual} is not within ${within} of ${expected}`,
    );

  it('show the limits', async () => {
    const { process: figures, container } = await subject.ask('figures');
    assert.equal(figures.cpuLimit, 0.5);
    assert.equal(container?.memoryLimitBytes, limitBytes);
    assert.equal(container?.availableBytes, limitBytes - container!.workingSetBytes!);
  });

  it('agree with the files on memory', async () => {
    await subject.ask('holdBuffers', { bytes: 100e6 });
    // The kernel adds up the statistics of a group every two seconds and whenever enough has changed.
    await firstThatHolds(5, async () => {
      const { container } = await subject.ask('figures');
      const usage = witnessNumber(memory(), isV1 ? 'memory.usage_in_bytes' : 'memory.current');
      const inactive = witnessKeyed(memory(), 'memory.stat', isV1 ? 'total_inactive_file' : 'inactive_file');
      near(container?.memoryUsageBytes, usage, 2 * mib, 'usage');
      near(container?.workingSetBytes, usage - inactive, 4 * mib, 'working set');
      near(
        container?.rssBytes,
        witnessKeyed(memory(), 'memory.stat', isV1 ? 'total_rss' : 'anon'),
        4 * mib,
        'rss',
      );
      assert.ok(container!.memoryUsageBytes! >= 100e6 && container!.memoryUsageBytes! <= limitBytes);
      if (isV1)
        assert.equal(container?.memoryPeakBytes, witnessNumber(memory(), 'memory.max_usage_in_bytes'));
      assert.equal(container?.memoryEvents?.oom_kill, 0);
    });
  });

  it('read 100 % for a busy process that is held to its quota, and show the throttling', async () => {
    // On a machine that is busy otherwise the process may not even get its quota: hence several attempts.
    await firstThatHolds(12, async () => {
      const cpu = group.folder('cpu');
      const before = await subject.ask('figures');
      const firstAskedMs = performance.now();
      await subject.ask('closeWindow');
      const firstAnsweredMs = performance.now();
      const seenBefore = witnessCpu(subject.pid);
      await subject.ask('burn', { ms: 1200, share: 1, threads: 2 });
      const seenAfter = witnessCpu(subject.pid);
      const lastAskedMs = performance.now();
      const window = await subject.ask('closeWindow');
      const lastAnsweredMs = performance.now();
      const { container, process: figures } = await subject.ask('figures');

      const seen = seenAfter.user + seenAfter.system - seenBefore.user - seenBefore.system;
      const utilization = window.cpuUtilization.user + window.cpuUtilization.system;
      const quota = (wallMs: number) => (0.5 * wallMs) / 1000;
      const least = (seen - 0.01) / quota(lastAnsweredMs - firstAskedMs) - 0.01;
      const most = (seen + 0.02) / quota(lastAskedMs - firstAnsweredMs) + 0.01;
      assert.ok(utilization >= least && utilization <= most, `${utilization} outside of ${least} to ${most}`);
      // The window cuts through a period at both ends, and what it has of one may be used in full.
      assert.ok(utilization >= 0.9 && utilization <= 1.15, `${utilization}`);
      const readers = await subject.ask('readers');
      for (const [reader, told] of Object.entries(readers))
        assert.deepEqual(told.cpuUtilization, window.cpuUtilization, reader);
      assert.equal(readers.json.percent, Math.min(100, 100 * utilization), 'cut at 100, in JSON alone');

      assert.equal(container?.throttledPeriods, witnessKeyed(cpu, 'cpu.stat', 'nr_throttled'));
      const throttled = isV1
        ? witnessKeyed(cpu, 'cpu.stat', 'throttled_time') / 1e9
        : witnessKeyed(cpu, 'cpu.stat', 'throttled_usec') / 1e6;
      near(container?.throttledSeconds, throttled, 0.001, 'throttled');
      assert.ok(container!.throttledPeriods! > before.container!.throttledPeriods!);
      assert.ok(container!.throttledSeconds! > before.container!.throttledSeconds!);
      assert.ok(container!.periods! >= container!.throttledPeriods!);

      const inGroup = (of: ContainerFigures | undefined) => of!.cpuTime!.user + of!.cpuTime!.system;
      const own = (of: ProcessFigures) => of.cpuTime.user + of.cpuTime.system;
      near(
        inGroup(container) - inGroup(before.container),
        own(figures) - own(before.process),
        0.05,
        'CPU time',
      );
    });
  });

  it('fail in nothing on this machine', async () => {
    const { errors } = await subject.ask('figures');
    assert.deepEqual(errors, { procfs: 0, cgroup: 0, v8: 0, event_loop: 0 });
  });
});
