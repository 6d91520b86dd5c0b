/** CPU time by thread role over recorded and simulated threads that come, go, and share numbers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ThreadRole } from '../../../../src/telemetry/figures.ts';
import { threadRoles } from '../../../../src/telemetry/figures.ts';
import { createThreadTimes, threadRole } from '../../../../src/telemetry/sources/threads.ts';
import { readData, recordedFiles } from '../../../support/recorded-files.ts';

type Thread = { id: number; name: string; ticks: number; startTicks?: number };

/** A third of the ticks were spent in the kernel. */
const statLine = ({ id, name, ticks, startTicks = 5 }: Thread) =>
  `${id} (${name}) S 1 1 1 0 -1 0 0 0 0 0 ${ticks - Math.floor(ticks / 3)} ${Math.floor(ticks / 3)} 0 0 20 0 1 0 ${startTicks} 0 0\n`;

/** A process of number 10 whose threads a test changes between reads. */
function build(threads: Thread[]) {
  const files = new Map<string, string>();
  const errors = { count: 0 };
  const recorded = recordedFiles(files);
  const times = createThreadTimes(recorded, () => errors.count++);
  const set = (now: Thread[]) => {
    files.clear();
    files.set('/proc/self/stat', statLine({ id: 10, name: 'node', ticks: 0 }));
    for (const thread of now) files.set(`/proc/self/task/${thread.id}/stat`, statLine(thread));
  };
  set(threads);
  return { times, errors, recorded, set };
}

describe('threadRole', () => {
  it('knows the threads of Node 26 by their recorded names', () => {
    const roles = readData('proc/threads-6.18.txt')
      .trim()
      .split('\n')
      .map((line) => /^(\d+) \((.*)\)/.exec(line)!)
      .map((match, _, all) => threadRole(Number(all[0]![1]), Number(match[1]), match[2]!));
    const count = (role: ThreadRole) => roles.filter((each) => each === role).length;
    assert.deepEqual(Object.fromEntries(threadRoles.map((role) => [role, count(role)])), {
      main: 1,
      v8_worker: 4,
      libuv: 4,
      other: 2,
    });
  });

  it('knows the main thread by its number, whatever it calls itself', () => {
    assert.equal(threadRole(10, 10, 'libuv-worker'), 'main');
    assert.equal(threadRole(10, 11, 'node-MainThread'), 'other');
  });
});

describe('createThreadTimes', () => {
  const main = { id: 10, name: 'tidegauge', ticks: 100 };
  const worker = { id: 11, name: 'node-V8Worker', ticks: 30 };
  const pool = { id: 12, name: 'libuv-worker', ticks: 7 };

  it('adds up ticks by role, in seconds', () => {
    const { times } = build([
      main,
      worker,
      pool,
      { ...worker, id: 13, ticks: 1 },
      { id: 14, name: 'WorkerThread', ticks: 9 },
    ]);
    assert.deepEqual(times.read(5), { main: 1, v8_worker: 0.31, libuv: 0.07, other: 0.09 });
  });

  it('lists the threads only when their number has changed or one is gone', () => {
    const { times, recorded, set } = build([main, worker]);
    let listings = 0;
    const { list } = recorded;
    recorded.list = (path) => {
      listings += 1;
      return list(path);
    };
    times.read(2);
    times.read(2);
    assert.equal(listings, 1);
    set([main, worker, pool]);
    assert.equal(times.read(3)?.libuv, 0.07);
    assert.equal(listings, 2);
    set([main, worker, { ...pool, id: 15, ticks: 2 }]);
    assert.equal(times.read(3)?.libuv, 0.09);
    assert.equal(listings, 3);
  });

  it('keeps what an ended thread has used', () => {
    const { times, set, errors } = build([main, worker]);
    times.read(2);
    set([main]);
    assert.equal(times.read(1)?.v8_worker, 0.3);
    assert.equal(errors.count, 0);
  });

  it('counts a new thread of an old number from its own start', () => {
    const { times, set } = build([main, worker]);
    times.read(2);
    set([main, { ...worker, ticks: 4, startTicks: 900 }]);
    assert.equal(times.read(2)?.v8_worker, 0.34);
  });

  it('counts a thread that has renamed itself under its new role from then on', () => {
    const { times, set } = build([main, { ...worker, name: 'node', ticks: 2 }]);
    assert.deepEqual(times.read(2), { main: 1, v8_worker: 0, libuv: 0, other: 0.02 });
    set([main, { ...worker, ticks: 12 }]);
    assert.deepEqual(times.read(2), { main: 1, v8_worker: 0.1, libuv: 0, other: 0.02 });
  });

  it('asks the others again only when together they have used a tick, or their number has changed', () => {
    const { times, recorded, set } = build([main, worker, pool]);
    const asked: string[] = [];
    const { read } = recorded;
    recorded.read = (path) => {
      asked.push(path.split('/')[4]!);
      return read(path);
    };
    const askedFor = (threads: number, used: { main: number; others: number }): string[] => {
      asked.length = 0;
      times.read(threads, used);
      return asked.toSorted();
    };
    assert.deepEqual(askedFor(3, { main: 1, others: 0.37 }), ['10', '11', '12']);
    set([{ ...main, ticks: 150 }, worker, pool]);
    assert.deepEqual(askedFor(3, { main: 1.504_321, others: 0.379 }), []);
    assert.equal(times.read(3, { main: 1.504_322, others: 0.379 })?.main, 1.504_322);
    set([{ ...main, ticks: 150 }, { ...worker, ticks: 31 }, pool]);
    assert.deepEqual(askedFor(3, { main: 1.504_323, others: 0.3801 }), ['10', '11', '12']);
    const told = times.read(3, { main: 1.504_323, others: 0.3801 });
    assert.deepEqual(told, { main: 1.504_323, v8_worker: 0.31, libuv: 0.07, other: 0 });
    set([main, worker, pool, { ...pool, id: 13, ticks: 0 }]);
    assert.deepEqual(askedFor(4, { main: 1.504_324, others: 0.3802 }), ['10', '11', '12', '13']);
  });

  it('never tells less of the main thread than it did, in ticks after microseconds', () => {
    const { times } = build([main, worker]);
    assert.equal(times.read(2, { main: 1.009, others: 0.3 })?.main, 1.009);
    assert.equal(times.read(2)?.main, 1.009);
  });

  it('is absent, and counted, where threads cannot be read', () => {
    const { times, errors, set, recorded } = build([]);
    assert.equal(times.read(1), undefined);
    assert.equal(errors.count, 1);
    set([main]);
    recorded.list = () => undefined;
    assert.equal(times.read(1), undefined);
    assert.equal(errors.count, 2);
  });

  it('never falls, and loses nothing of threads that are read before their end', () => {
    const life = fc.record({
      id: fc.integer({ min: 11, max: 14 }),
      name: fc.constantFrom('node-V8Worker', 'libuv-worker', 'WorkerThread'),
      work: fc.array(fc.nat(50), { minLength: 1, maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(life, { maxLength: 8 }), (lives) => {
        const { times, set } = build([main]);
        let startTicks = 0;
        let expected = main.ticks;
        let before = times.read(1)!;
        for (const { id, name, work } of lives) {
          startTicks += 1;
          let ticks = 0;
          for (const more of work) {
            ticks += more;
            expected += more;
            set([main, { id, name, ticks, startTicks }]);
            const now = times.read(2)!;
            for (const role of threadRoles) assert.ok(now[role] >= before[role]);
            const sum = threadRoles.reduce((total, role) => total + now[role], 0);
            assert.equal(Math.round(sum * 100), expected);
            before = now;
          }
        }
      }),
    );
  });
});
