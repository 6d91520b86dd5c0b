/**
 * CPU figures of a real process under load, against /proc/PID/stat read by another one. A busy machine may give the load
 * less than it asks for; the figures and the witness then agree on less.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { threadRoles } from '../../src/telemetry/figures.ts';
import { type Subject, skipWithoutLinux, witnessCpu } from '../support/figures-subject.ts';
import { createPlaces, type Place } from '../support/places.ts';
import { until } from '../support/until.ts';

const tick = 0.01;
/** Sums of seconds are rounded to a millionth. */
const grid = 1e-6;

for (const place of createPlaces(512 * 1024 * 1024))
  describe(`CPU figures ${place.name}`, { skip: skipWithoutLinux || place.skip }, () => cpuFigures(place));

function cpuFigures(place: Place): void {
  let subject: Subject;
  before(async () => {
    subject = await place.createSubject();
  });
  after(async () => {
    await subject.end();
    await place.leave();
  });

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
      const firstAnswered = performance.now();
      const seenBefore = look();
      if (share === 0) await subject.ask('idle', { ms });
      else await subject.ask('burn', { ms, share, threads });
      const seen = look() - seenBefore;
      const lastAsked = performance.now();
      const window = await subject.ask('closeWindow');
      const lastAnswered = performance.now();

      // Whatever the process has used when it answers lies between two looks from outside, which are cut to the tick.
      const earlier = witnessCpu(subject.pid);
      const readers = await subject.ask('readers');
      const later = witnessCpu(subject.pid);
      for (const [reader, { cpuTime }] of Object.entries(readers)) {
        for (const mode of ['user', 'system'] as const) {
          assert.ok(
            cpuTime[mode] >= earlier[mode] - grid && cpuTime[mode] <= later[mode] + tick + grid,
            `${reader}: ${mode} ${cpuTime[mode]} is not within ${earlier[mode]} and ${later[mode]}`,
          );
        }
      }

      // The window began and ended somewhere between question and answer, which bounds what it may say.
      const { cpuLimit } = (await subject.ask('figures')).process;
      const utilization = window.cpuUtilization.user + window.cpuUtilization.system;
      const longest = ((lastAnswered - firstAsked) / 1000) * cpuLimit;
      const shortest = ((lastAsked - firstAnswered) / 1000) * cpuLimit;
      // Both modes are cut to the tick at both ends.
      const least = (seen - 2 * tick) / longest - 0.01;
      const most = (seen + 2 * tick) / shortest + 0.01;
      assert.ok(
        utilization >= least && utilization <= most,
        `utilization ${utilization} outside of ${least} to ${most}`,
      );
      for (const [reader, told] of Object.entries(readers))
        assert.deepEqual(told.cpuUtilization, window.cpuUtilization, reader);
      assert.equal(readers.json.percent, Math.min(100, 100 * utilization));
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
}
