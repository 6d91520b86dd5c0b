/**
 * CPU figures of a real process under load, against /proc/PID/stat read by another one. A busy machine may give the load
 * less than it asks for; the figures and the witness then agree on less.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { threadRoles } from '../../src/telemetry/figures.ts';
import { createSubject, type Subject, skipWithoutLinux, witnessCpu } from '../support/figures-subject.ts';
import { until } from '../support/until.ts';

const tick = 0.01;

describe('CPU figures', { skip: skipWithoutLinux }, () => {
  let subject: Subject;
  before(async () => {
    subject = await createSubject();
  });
  after(() => subject.end());

  const look = () => {
    const { user, system } = witnessCpu(subject.pid);
    return user + system;
  };

  const loads = [
    { name: 'idle', share: 0, threads: 1 },
    { name: 'a quarter of a core', share: 0.25, threads: 1 },
    { name: 'half a core', share: 0.5, threads: 1 },
    { name: 'a core', share: 1, threads: 1 },
    { name: 'two threads', share: 1, threads: 2 },
  ];
  for (const { name, share, threads } of loads) {
    it(`agree with the kernel's own under a load of ${name}`, async () => {
      const ms = 1000;
      const firstAsked = performance.now();
      await subject.ask('closeWindow');
      const before = await subject.ask('figures');
      const firstAnswered = performance.now();
      const seenBefore = look();
      if (share === 0) await subject.ask('idle', { ms });
      else await subject.ask('burn', { ms, share, threads });
      const seen = look() - seenBefore;
      const lastAsked = performance.now();
      const window = await subject.ask('closeWindow');
      const lastAnswered = performance.now();
      const { process: figures } = await subject.ask('figures');

      const { user, system } = figures.cpuTime;
      const counted = user + system - before.process.cpuTime.user - before.process.cpuTime.system;
      // The process works a little for its answers, outside of the witness's interval: hence a tick more.
      assert.ok(Math.abs(counted - seen) <= 2 * tick, `process.cpu.time ${counted}, witness ${seen}`);

      // The window began and ended somewhere between question and answer, which bounds what it may say.
      const utilization = window.cpuUtilization.user + window.cpuUtilization.system;
      const longest = ((lastAnswered - firstAsked) / 1000) * figures.cpuLimit;
      const shortest = ((lastAsked - firstAnswered) / 1000) * figures.cpuLimit;
      const least = (seen - tick) / longest - 0.01;
      const most = (seen + tick) / shortest + 0.01;
      assert.ok(
        utilization >= least && utilization <= most,
        `utilization ${utilization} outside of ${least} to ${most}`,
      );
      if (share === 1) assert.ok(seen > 0.1, `the load was no load: ${seen} s`);
    });
  }

  it('tell the threads apart', async () => {
    const { process: figures } = await subject.ask('figures');
    const times = figures.threadCpuTime!;
    const sum = threadRoles.reduce((seconds, role) => seconds + times[role], 0);
    const { user, system } = figures.cpuTime;
    // Each thread is rounded down to the tick, and one that ended is known up to the last look only.
    assert.ok(sum <= user + system + tick, `${sum} of ${user + system}`);
    const seen = witnessCpu(subject.pid, subject.pid);
    const main = seen.user + seen.system;
    assert.ok(Math.abs(times.main - main) <= 2 * tick, `main ${times.main}, witness ${main}`);
  });

  it('show a second thread while it works, and keep what it used when it has ended', async () => {
    const other = async () => (await subject.ask('figures')).process.threadCpuTime!.other;
    const before = await other();
    await subject.ask('startThread', { ms: 10_000 });
    const during = await until('the thread has worked for a tenth of a second', async () => {
      const now = await other();
      return now - before >= 0.1 && now;
    });
    await subject.ask('endThread');
    assert.ok((await other()) >= during);
  });
});
