/** Memory and process figures of a real process, against /proc/PID read by another one. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  firstThatHolds,
  type Subject,
  skipWithoutLinux,
  witnessDescriptors,
  witnessFaults,
  witnessStatus,
} from '../support/figures-subject.ts';
import { createPlaces, type Place } from '../support/places.ts';

const mb = 1e6;
const mib = 1024 * 1024;

for (const place of createPlaces(1024 * mib)) {
  describe(`memory figures ${place.name}`, { skip: skipWithoutLinux || place.skip }, () =>
    memoryFigures(place),
  );
}

function memoryFigures(place: Place): void {
  let subject: Subject;
  before(async () => {
    subject = await place.createSubject({ execArgv: ['--expose-gc'] });
  });
  after(async () => {
    await subject.end();
    await place.leave();
  });

  const near = (actual: number | undefined, expected: number, within: number, what: string) =>
    assert.ok(
      actual !== undefined && Math.abs(actual - expected) <= within,
      `${what}: ${actual} is not within ${within} of ${expected}`,
    );

  it('agree with /proc/PID/status', async () => {
    // Reading allocates a little; pages come and go while nobody asks, so the two looks may be a few pages apart.
    await firstThatHolds(5, async () => {
      const { process: figures, runtime } = await subject.ask('figures');
      const look = (name: string) => witnessStatus(subject.pid, name);
      near(figures.residentBytes, look('VmRSS'), mib, 'resident');
      near(figures.peakResidentBytes, look('VmHWM'), mib, 'peak');
      near(figures.residentByKind?.anon, look('RssAnon'), mib, 'anon');
      near(figures.residentByKind?.file, look('RssFile'), mib, 'file');
      near(figures.virtualBytes, look('VmSize'), mib, 'virtual');
      assert.equal(figures.residentByKind?.shmem, look('RssShmem'));
      assert.equal(figures.swapBytes, look('VmSwap'));
      assert.equal(figures.stackBytes, look('VmStk'));
      assert.equal(figures.threads, look('Threads'));
      assert.equal(
        runtime.go.sys_total,
        figures.residentBytes + figures.swapBytes! + runtime.go.heap_released,
      );
      assert.equal(runtime.go.stack_inuse, figures.stackBytes);
    });
  });

  it('count page faults as /proc/PID/stat does', async () => {
    await subject.ask('holdBuffers', { bytes: mb });
    const earlier = witnessFaults(subject.pid);
    const pageFaults = (await subject.ask('figures')).process.pageFaults!;
    const later = witnessFaults(subject.pid);
    for (const kind of ['minor', 'major'] as const) {
      const [least, told, most] = [earlier[kind], pageFaults[kind], later[kind]];
      assert.ok(told >= least && told <= most, `${kind}: ${told} is not within ${least} and ${most}`);
    }
    assert.ok(pageFaults.minor > pageFaults.major);
  });

  it('are whole: resident memory is the sum of its kinds', async () => {
    const { process: figures } = await subject.ask('figures');
    const { anon, file, shmem } = figures.residentByKind!;
    assert.equal(figures.residentBytes, anon + file + shmem);
  });

  it('count open descriptors as listing them does', async () => {
    const { process: figures } = await subject.ask('figures');
    assert.equal(figures.fileDescriptors, witnessDescriptors(subject.pid));
  });

  it('follow 200 MB of heap up and down', async () => {
    await subject.ask('drop');
    const used = async () => {
      const { runtime } = await subject.ask('figures');
      assert.equal(
        runtime.spaces.reduce((sum, space) => sum + space.used, 0),
        runtime.go.heap_alloc,
      );
      return runtime.go.heap_alloc;
    };
    const before = await used();
    await subject.ask('holdHeap', { bytes: 200 * mb });
    const during = await used();
    await subject.ask('drop');
    const afterwards = await used();
    near(during - before, 200 * mb, 4 * mb, 'rise');
    near(afterwards, before, 4 * mb, 'after the drop');
  });

  it('follow 200 MB of buffers up and down, outside of the heap', async () => {
    await subject.ask('drop');
    const look = async () => (await subject.ask('figures')).runtime;
    const before = await look();
    const { process: processBefore } = await subject.ask('figures');
    await subject.ask('holdBuffers', { bytes: 200 * mb });
    const during = await look();
    const { process: processDuring } = await subject.ask('figures');
    await subject.ask('drop');
    const afterwards = await look();
    for (const figure of ['arrayBufferBytes', 'externalBytes'] as const) {
      near(during[figure] - before[figure], 200 * mb, mb, `${figure}, rise`);
      near(afterwards[figure], before[figure], mb, `${figure}, after the drop`);
    }
    const heapGrown = during.go.heap_alloc - before.go.heap_alloc;
    assert.ok(heapGrown <= 4 * mb, `the heap has grown by ${heapGrown}`);
    assert.ok(
      processDuring.residentBytes - processBefore.residentBytes >= 190 * mb,
      'touched memory is resident',
    );
  });

  it('fail in nothing on this machine', async () => {
    const { errors } = await subject.ask('figures');
    assert.deepEqual(errors, { procfs: 0, cgroup: 0, v8: 0, event_loop: 0 });
  });
}
