/** Container figures from recorded and written trees of v1, v2 and hybrid machines; see the data's README. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createCgroup } from '../../../../src/telemetry/sources/cgroup.ts';
import {
  parseCpuMax,
  parseKeyed,
  parseNumber,
  parsePressure,
} from '../../../../src/telemetry/sources/cgroup-files.ts';
import { readTree, recordedFiles } from '../../../support/recorded-files.ts';

const mib = 1024 * 1024;

function open(tree: string | Map<string, string>) {
  const files = typeof tree === 'string' ? readTree(tree) : tree;
  const errors = { count: 0 };
  const recorded = recordedFiles(files);
  const cgroup = createCgroup(recorded, () => errors.count++);
  return { cgroup, files, errors, recorded };
}

describe('on v1', () => {
  const limited = {
    cpuTime: { user: 3.18, system: 0.59 },
    throttledSeconds: 3.335833231,
    throttledPeriods: 71,
    periods: 75,
    memoryUsageBytes: 1282048,
    memoryLimitBytes: 256 * mib,
    memoryPeakBytes: 268931072,
    memoryEvents: { max: 0, oom_kill: 0 },
  };

  it('reads a group with limits from the host, the parent having the smaller one', () => {
    const { cgroup, errors } = open('v1-limits-from-host');
    const figures = cgroup.read()!;
    for (const [key, value] of Object.entries(limited))
      assert.deepEqual(figures[key as keyof typeof figures], value, key);
    assert.equal(figures.workingSetBytes, 1282048 - 8192);
    assert.equal(figures.availableBytes, 256 * mib - figures.workingSetBytes!);
    assert.equal(figures.rssBytes, 503808);
    assert.deepEqual(figures.pageFaults, { major: 2, minor: 32837 - 2 });
    assert.deepEqual(figures.pressureSeconds, {
      cpu: { some: 3.077334, full: 3.064282 },
      memory: { some: 0.041095, full: 0.041095 },
      io: { some: 0.054773, full: 0.054773 },
    });
    assert.equal('memoryHighBytes' in figures, false);
    assert.equal(cgroup.cpuLimit(), 0.5);
    assert.equal(errors.count, 0);
  });

  it('counts what lies in groups below, as the usage does that it is taken from', () => {
    const { cgroup, files } = open('v1-limits-from-host');
    const path = [...files.keys()].find((name) => name.endsWith('/memory.stat'))!;
    files.set(
      path,
      'cache 1\nrss 10\npgfault 20\npgmajfault 2\ninactive_file 4096\n' +
        'total_rss 100\ntotal_pgfault 200\ntotal_pgmajfault 30\ntotal_inactive_file 12288\n',
    );
    const figures = cgroup.read()!;
    assert.equal(figures.workingSetBytes, 1282048 - 12288);
    assert.equal(figures.rssBytes, 100);
    assert.deepEqual(figures.pageFaults, { major: 30, minor: 170 });
  });

  it('takes the smaller limit of a parent that it sees, also when the kernel does not add them up', () => {
    const { cgroup, files } = open('v1-limits-from-host');
    for (const path of files.keys()) if (path.endsWith('/memory.stat')) files.delete(path);
    assert.equal(cgroup.read()?.memoryLimitBytes, 256 * mib);
  });

  it('counts what was killed, and not that memory is short now', () => {
    const { cgroup, files } = open('v1-limits-from-host');
    const path = [...files.keys()].find((name) => name.endsWith('/memory.oom_control'))!;
    files.set(path, 'oom_kill_disable 0\nunder_oom 1\noom_kill 3\n');
    assert.equal(cgroup.read()?.memoryEvents?.oom_kill, 3);
  });

  it('takes the smaller quota of the parent', () => {
    const { cgroup, files } = open('v1-limits-from-host');
    files.set('/sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us', '25000\n');
    assert.equal(cgroup.cpuLimit(), 0.25);
    files.set('/sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us', '-1\n');
    assert.equal(cgroup.cpuLimit(), 0.5);
  });

  it('reads the same group from inside, with and without a cgroup namespace', () => {
    for (const tree of ['v1-container-shared-namespace', 'v1-container-private-namespace']) {
      const { cgroup, errors } = open(tree);
      const figures = cgroup.read()!;
      assert.equal(cgroup.cpuLimit(), 0.5, tree);
      // The parent's limit cannot be seen in its folder, but the kernel passes it down.
      assert.equal(figures.memoryLimitBytes, 256 * mib, tree);
      assert.ok(figures.throttledSeconds! > 0 && figures.cpuTime!.user > 0, tree);
      assert.equal('pressureSeconds' in figures, tree === 'v1-container-private-namespace');
      assert.equal(errors.count, 0);
    }
  });

  it('leaves out limits that are none, and controllers whose group is the whole machine', () => {
    const { cgroup, errors } = open('v1-hybrid-no-limits');
    const figures = cgroup.read()!;
    assert.deepEqual(Object.keys(figures).sort(), [
      'memoryEvents',
      'memoryPeakBytes',
      'memoryUsageBytes',
      'pageFaults',
      'rssBytes',
      'workingSetBytes',
    ]);
    assert.equal(cgroup.cpuLimit(), undefined);
    assert.equal(errors.count, 0);
  });

  it('says nothing of a group that it cannot name', () => {
    const { cgroup, errors } = open('v1-namespace-below-mount');
    assert.equal(cgroup.read(), undefined);
    assert.equal(cgroup.cpuLimit(), undefined);
    assert.equal(errors.count, 0);
  });
});

describe('on v2', () => {
  it('reads a container in its own namespace', () => {
    const { cgroup, errors } = open('v2-container-private-namespace');
    assert.deepEqual(cgroup.read(), {
      cpuTime: { user: 71.5, system: 22.012345 },
      throttledSeconds: 12.5,
      throttledPeriods: 321,
      periods: 81234,
      memoryUsageBytes: 200 * mib,
      workingSetBytes: 180 * mib,
      rssBytes: 140 * mib,
      availableBytes: 332 * mib,
      pageFaults: { major: 145, minor: 412200 },
      memoryLimitBytes: 512 * mib,
      memoryPeakBytes: 300 * mib,
      memoryEvents: { high: 0, max: 17, oom: 2, oom_kill: 1 },
      pressureSeconds: {
        cpu: { some: 4.5, full: 3.5 },
        memory: { some: 0.00125, full: 0.001 },
        io: { some: 0.75, full: 0.5 },
      },
    });
    assert.equal(cgroup.cpuLimit(), 1.5);
    assert.equal(errors.count, 0);
  });

  it('takes the smallest limit of each kind on the way up', () => {
    const { cgroup, errors } = open('v2-limits-at-parents');
    const figures = cgroup.read()!;
    assert.equal(cgroup.cpuLimit(), 1.75);
    assert.equal(figures.memoryLimitBytes, 1024 * mib);
    assert.equal(figures.memoryHighBytes, 900 * mib);
    assert.equal(figures.availableBytes, (1024 - 180) * mib);
    assert.deepEqual(figures.cpuTime, { user: 4, system: 1 });
    assert.equal('memoryPeakBytes' in figures, false, 'before Linux 5.19 there is no memory.peak');
    assert.deepEqual(figures.pressureSeconds?.cpu, { some: 2 });
    assert.equal(errors.count, 0);
  });

  it('reads a service without limits, and without the CPU controller', () => {
    const { cgroup, errors } = open('v2-systemd-no-limits');
    const figures = cgroup.read()!;
    assert.equal(cgroup.cpuLimit(), undefined);
    for (const absent of [
      'memoryLimitBytes',
      'memoryHighBytes',
      'availableBytes',
      'periods',
      'pressureSeconds',
    ]) {
      assert.equal(absent in figures, false, absent);
    }
    assert.deepEqual(figures.cpuTime, { user: 1, system: 0.234567 });
    assert.equal(errors.count, 0);
  });

  it('is no container in the root group, whose figures are the machine’s', () => {
    const { cgroup, errors } = open('v2-root');
    assert.equal(cgroup.read(), undefined);
    assert.equal(errors.count, 0);
  });
});

describe('createCgroup', () => {
  const usage = '/sys/fs/cgroup/memory.current';

  it('reads now: a limit that changes shows at the next read', () => {
    const { cgroup, files } = open('v2-container-private-namespace');
    files.set('/sys/fs/cgroup/memory.max', 'max\n');
    files.set('/sys/fs/cgroup/cpu.max', '25000 100000\n');
    assert.equal('memoryLimitBytes' in cgroup.read()!, false);
    assert.equal(cgroup.cpuLimit(), 0.25);
  });

  it('leaves out, and counts, what can no longer be read; the rest goes on', () => {
    const { cgroup, files, errors } = open('v2-container-private-namespace');
    files.delete(usage);
    const figures = cgroup.read()!;
    assert.equal(errors.count, 1);
    for (const absent of ['memoryUsageBytes', 'workingSetBytes', 'availableBytes'])
      assert.equal(absent in figures, false);
    assert.equal(figures.memoryLimitBytes, 512 * mib);
    files.set(usage, 'nonsense\n');
    cgroup.read();
    assert.equal(errors.count, 2);
  });

  it('leaves out, and counts at each reading, what is there and may not be read', () => {
    const files = readTree('v2-container-private-namespace');
    const recorded = recordedFiles(files);
    recorded.denied.add('/sys/fs/cgroup/memory.stat').add('/sys/fs/cgroup/cpu.max');
    let errors = 0;
    const cgroup = createCgroup(recorded, () => errors++);
    for (const round of [1, 2]) {
      const figures = cgroup.read()!;
      for (const absent of ['workingSetBytes', 'availableBytes', 'rssBytes', 'pageFaults'])
        assert.equal(absent in figures, false, absent);
      assert.equal(figures.memoryLimitBytes, 512 * mib);
      assert.equal(cgroup.cpuLimit(), undefined);
      assert.equal(errors, 2 * round);
    }
    recorded.denied.clear();
    assert.ok(cgroup.read()!.workingSetBytes! > 0, 'it is looked for again');
    assert.equal(cgroup.cpuLimit(), 1.5);
    assert.equal(errors, 4);
  });

  it('never shows a working set below zero', () => {
    const { cgroup, files } = open('v2-container-private-namespace');
    files.set(usage, '4096\n');
    assert.equal(cgroup.read()?.workingSetBytes, 0);
  });

  it('reads no file twice for one answer, and none that is not there', () => {
    const { cgroup, recorded, files } = open('v2-limits-at-parents');
    recorded.reads.length = 0;
    cgroup.read();
    assert.equal(new Set(recorded.reads).size, recorded.reads.length);
    assert.deepEqual(
      recorded.reads.filter((path) => !files.has(path)),
      [],
    );
    assert.ok(recorded.reads.length <= 16, String(recorded.reads.length));
  });

  it('follows the process into another group at the next refresh', () => {
    const { cgroup, files } = open('v2-limits-at-parents');
    files.set('/proc/self/cgroup', '0::/kubepods.slice\n');
    files.set('/sys/fs/cgroup/kubepods.slice/cgroup.events', 'populated 1\n');
    files.set('/sys/fs/cgroup/kubepods.slice/memory.current', '4096\n');
    assert.equal(cgroup.read()?.memoryUsageBytes, 200 * mib);
    cgroup.refresh();
    assert.equal(cgroup.read()?.memoryUsageBytes, 4096);
    assert.equal(cgroup.read()?.memoryLimitBytes, 8192 * mib);
  });

  it('stays where it is while the kernel cannot be asked, and counts that', () => {
    const { cgroup, files, errors } = open('v2-limits-at-parents');
    const kept = new Map(files);
    for (const hidden of ['/proc/self/cgroup', '/proc/self/mountinfo']) {
      files.set('/proc/self/cgroup', '0::/elsewhere\n');
      files.delete(hidden);
      const before = errors.count;
      cgroup.refresh();
      assert.equal(errors.count, before + 1, hidden);
      assert.equal(cgroup.read()?.memoryUsageBytes, 200 * mib);
      files.set(hidden, kept.get(hidden)!);
    }
    files.set('/proc/self/cgroup', kept.get('/proc/self/cgroup')!);
    const before = errors.count;
    cgroup.refresh();
    assert.equal(errors.count, before);
  });

  it('finds the quota of a parent that was given the controller since', () => {
    const { cgroup, files } = open('v2-systemd-no-limits');
    files.set('/sys/fs/cgroup/system.slice/cgroup.controllers', 'cpu memory pids\n');
    files.set('/sys/fs/cgroup/system.slice/cpu.max', '50000 100000\n');
    cgroup.refresh();
    assert.equal(cgroup.cpuLimit(), 0.5);
  });

  it('passes over a mount that another one hides', () => {
    const tree = readTree('v2-container-private-namespace');
    const mountinfo = '/proc/self/mountinfo';
    const hidden = '33 24 0:29 / /hidden/cgroup rw,relatime - cgroup2 cgroup2 rw\n';
    tree.set(mountinfo, hidden + tree.get(mountinfo)!);
    const { cgroup, errors } = open(tree);
    assert.equal(cgroup.read()?.memoryLimitBytes, 512 * mib);
    assert.equal(cgroup.cpuLimit(), 1.5);
    assert.equal(errors.count, 0);
  });

  it('opens nothing anew while nothing has moved', () => {
    const { cgroup, recorded } = open('v2-container-private-namespace');
    recorded.reads.length = 0;
    cgroup.refresh();
    assert.deepEqual(recorded.reads, ['/sys/fs/cgroup/cgroup.controllers', '/proc/self/cgroup']);
  });

  it('is no container where there are no groups at all', () => {
    const { cgroup, errors } = open(new Map());
    assert.equal(cgroup.read(), undefined);
    assert.equal(cgroup.cpuLimit(), undefined);
    cgroup.refresh();
    assert.equal(errors.count, 0);
  });

  it('answers with finite numbers or not at all, whatever stands in the files', () => {
    const trees = ['v1-limits-from-host', 'v2-container-private-namespace', 'v2-limits-at-parents'];
    const content = fc.oneof(
      fc.constantFrom(
        '',
        'max\n',
        '-1\n',
        '9223372036854771712\n',
        '0 0\n',
        '50000 0\n',
        'some total=\n',
        'pgfault -3\n',
        '1e9\n',
      ),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...trees),
        fc.array(fc.tuple(fc.nat(60), content)),
        fc.nat(400),
        (tree, changes, cut) => {
          const { cgroup, files } = open(tree);
          const paths = [...files.keys()];
          for (const [index, text] of changes) files.set(paths[index % paths.length]!, text);
          const path = paths[cut % paths.length]!;
          files.set(path, files.get(path)!.slice(0, cut));
          const leaves = (value: unknown): unknown[] =>
            typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [value];
          const check = () => {
            for (const value of [...leaves(cgroup.read() ?? {}), cgroup.cpuLimit() ?? 0]) {
              assert.ok(Number.isFinite(value) && Number(value) >= 0, `${value}`);
            }
          };
          check();
          cgroup.refresh();
          check();
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('parsers', () => {
  it('take no limit from max, -1, and the number that v1 writes instead', () => {
    for (const text of ['max\n', '-1\n', '9223372036854771712\n', '9007199254740993\n', '', ' \n', '12x\n']) {
      assert.equal(parseNumber(text), undefined, text);
    }
    assert.equal(parseNumber('9007199254740991\n'), Number.MAX_SAFE_INTEGER);
    assert.equal(parseNumber('0\n'), 0);
  });

  it('read fractional quotas', () => {
    assert.equal(parseCpuMax('33000 100000\n'), 0.33);
    assert.equal(parseCpuMax('250000 100000'), 2.5);
    for (const text of ['max 100000\n', 'max', '50000', '50000 0', '0 100000', '']) {
      assert.equal(parseCpuMax(text), undefined, text);
    }
  });

  it('leave out a line that was cut', () => {
    const keyed = parseKeyed('a 1\nbb 22\nccc 33')!;
    assert.deepEqual(['a', 'bb', 'ccc', 'b', 'c'].map(keyed.get), [1, 22, undefined, undefined, undefined]);
    assert.equal(parseKeyed('a 1'), undefined);
    assert.equal(parseKeyed('no numbers\n'), undefined);
  });

  it('read pressure in seconds', () => {
    assert.deepEqual(parsePressure('some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n'), { some: 1.5 });
    assert.equal(parsePressure('full avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n'), undefined);
    assert.equal(parsePressure('some avg10=0.00'), undefined);
  });
});
