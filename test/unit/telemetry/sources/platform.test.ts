/** The sources put together: what is left on other systems, what failures do, and that several live side by side. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Platform } from '../../../../src/telemetry/sources/platform.ts';
import { createPlatform } from '../../../../src/telemetry/sources/platform.ts';
import { recordedFiles, recordedMachine } from '../../../support/recorded-files.ts';

const noTimer = { ticker: { every: () => () => {}, onWake: undefined } };
const required = ['cpuTime', 'cpuLimit', 'uptime', 'residentBytes', 'contextSwitches', 'pageFaults'];

/** On a recorded machine, started, and its windows closed by the test. */
function startByHand(files: ReturnType<typeof recordedFiles>) {
  let close = (): void => {};
  let nowMs = 0;
  const every = (run: () => void): (() => void) => {
    close = run;
    return () => {};
  };
  const platform = createPlatform({
    sampleIntervalMs: 1000,
    system: 'linux',
    files,
    nowMs: () => nowMs,
    ticker: { every, onWake: undefined },
  });
  platform.start();
  const tickAt = (ms: number): void => {
    nowMs = ms;
    close();
  };
  return { platform, tickAt };
}

function readAll(platform: Platform) {
  return {
    process: platform.process(),
    runtime: platform.runtime(),
    container: platform.container(),
    host: platform.host(),
    window: platform.window(),
  };
}

function assertFinite(value: unknown, path: string): void {
  if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) assertFinite(inner, `${path}.${key}`);
  } else if (typeof value === 'number') {
    assert.ok(Number.isFinite(value) && value >= 0, `${path} is ${value}`);
  } else {
    assert.equal(typeof value, 'string', path);
  }
}

describe('createPlatform', () => {
  it('starts on another system and gives fewer figures, which is no error', () => {
    const files = recordedFiles(new Map());
    const platform = createPlatform({ sampleIntervalMs: 1000, system: 'darwin', files, ...noTimer });
    platform.start();
    const { container, ...figures } = readAll(platform);
    platform.stop();
    assert.equal(container, undefined);
    assert.deepEqual(Object.keys(figures.process).sort(), [...required, 'peakResidentBytes'].sort());
    assertFinite(figures, 'figures');
    assert.ok(figures.process.residentBytes > 1e6 && figures.runtime.go.heap_alloc > 1e6);
    assert.deepEqual(files.reads, []);
    assert.deepEqual(platform.errors, { procfs: 0, cgroup: 0, v8: 0, event_loop: 0 });
  });

  it('tells peak, faults and switches as getrusage does, each under its own name', () => {
    const platform = createPlatform({
      sampleIntervalMs: 1000,
      system: 'darwin',
      files: recordedFiles(new Map()),
      ...noTimer,
    });
    const earlier = process.resourceUsage();
    const { pageFaults, contextSwitches, peakResidentBytes } = platform.process();
    const later = process.resourceUsage();
    const told = {
      minorPageFault: pageFaults!.minor,
      majorPageFault: pageFaults!.major,
      voluntaryContextSwitches: contextSwitches!.voluntary,
      involuntaryContextSwitches: contextSwitches!.involuntary,
      maxRSS: peakResidentBytes! / 1024,
    };
    for (const [key, value] of Object.entries(told)) {
      const [least, most] = [earlier[key as keyof typeof told], later[key as keyof typeof told]];
      assert.ok(value >= least && value <= most, `${key}: ${value} is not within ${least} and ${most}`);
    }
    assert.ok(peakResidentBytes! >= process.memoryUsage.rss() / 2, 'in bytes');
  });

  it('tells the last answer of Node, and counts, when it gives none; the rest goes on', (context) => {
    const { recorded } = recordedMachine('v2-container-private-namespace');
    const platform = createPlatform({ sampleIntervalMs: 1000, system: 'linux', files: recorded, ...noTimer });
    const before = platform.process();
    const { eventLoopTime, heapLimitBytes } = platform.runtime();
    const fail = () => {
      throw new Error('not now');
    };
    context.mock.method(process, 'resourceUsage', fail);
    context.mock.method(process, 'memoryUsage', fail);
    context.mock.method(performance, 'eventLoopUtilization', fail);
    const during = platform.process();
    assert.deepEqual(during.cpuTime, before.cpuTime);
    assert.equal(during.threads, before.threads);
    assert.ok(during.uptime > before.uptime);
    assert.deepEqual(platform.runtime().eventLoopTime, eventLoopTime);
    assert.equal(platform.runtime().heapLimitBytes, heapLimitBytes);
    assert.deepEqual(platform.errors, { procfs: 1, cgroup: 0, v8: 2, event_loop: 2 });
  });

  it('tells uptime and CPU time in seconds', () => {
    const platform = createPlatform({ sampleIntervalMs: 1000, ...noTimer });
    const [usageBefore, uptimeBefore] = [process.cpuUsage(), process.uptime()];
    const { cpuTime, uptime } = platform.process();
    const [usageAfter, uptimeAfter] = [process.cpuUsage(), process.uptime()];
    assert.ok(uptime >= uptimeBefore && uptime <= uptimeAfter, `${uptime}`);
    for (const mode of ['user', 'system'] as const) {
      assert.ok(cpuTime[mode] >= usageBefore[mode] / 1e6 && cpuTime[mode] <= usageAfter[mode] / 1e6, mode);
    }
  });

  it('leaves out, and counts, what cannot be read where it should be', () => {
    const platform = createPlatform({
      sampleIntervalMs: 1000,
      system: 'linux',
      files: recordedFiles(new Map()),
      ...noTimer,
    });
    const before = platform.errors.procfs;
    const { container, ...figures } = readAll(platform);
    assert.equal(container, undefined);
    assert.deepEqual(Object.keys(figures.process).sort(), [...required, 'peakResidentBytes'].sort());
    assertFinite(figures, 'figures');
    // status, the descriptors, the threads, and the two files of the machine: each once.
    assert.equal(platform.errors.procfs - before, 5);
    assert.deepEqual(figures.host, {});
    assert.equal(platform.errors.cgroup, 0);
  });

  it('gives all figures of a recorded machine', () => {
    const { recorded } = recordedMachine('v2-container-private-namespace');
    const platform = createPlatform({ sampleIntervalMs: 1000, system: 'linux', files: recorded, ...noTimer });
    const { process: figures, runtime, container, host } = readAll(platform);
    assert.equal(figures.residentBytes, 42196 * 1024);
    assert.equal(figures.fileDescriptors, 42);
    assert.equal(figures.fileDescriptorLimit, 20_000);
    assert.equal(figures.threads, 11);
    assert.ok(figures.threadCpuTime!.main > 0);
    assert.equal(runtime.go.sys_total, figures.residentBytes + runtime.go.heap_released);
    assert.equal(container?.memoryLimitBytes, 512 * 1024 * 1024);
    assert.equal(host.memoryLimitBytes, 24_684_096 * 1024);
    assert.equal(host.cpus, 2);
    assert.deepEqual(platform.errors, { procfs: 0, cgroup: 0, v8: 0, event_loop: 0 });
  });

  it('takes as CPU limit the smaller of affinity and quota', async () => {
    const { files, recorded } = recordedMachine('v2-container-private-namespace');
    const { platform, tickAt } = startByHand(recorded);
    const limit = () => platform.process().cpuLimit;
    assert.equal(limit(), 1.5);
    files.set('/sys/fs/cgroup/cpu.max', '100000 100000\n');
    assert.equal(limit(), 1.5, 'what the last window was divided by');
    tickAt(0);
    assert.equal(limit(), 1);
    files.set('/sys/fs/cgroup/cpu.max', '300000 100000\n');
    tickAt(0);
    assert.equal(limit(), 2, 'status allows the CPUs 0 and 1');
    files.set('/sys/fs/cgroup/cpu.max', 'max 100000\n');
    tickAt(0);
    assert.equal(limit(), 2);
    files.set(
      '/proc/self/status',
      files.get('/proc/self/status')!.replace(/Cpus_allowed_list:.*/, 'Cpus_allowed_list:\t0-63'),
    );
    await Promise.resolve();
    assert.equal(limit(), 8, 'eight are online');
    files.set('/sys/devices/system/cpu/online', '0-3\n');
    tickAt(29_999);
    assert.equal(limit(), 8, 'which is looked at every half a minute');
    tickAt(30_000);
    assert.equal(limit(), 4, 'as the sampler has seen since');
    const errorsBefore = platform.errors.procfs;
    files.delete('/sys/devices/system/cpu/online');
    tickAt(60_000);
    assert.equal(limit(), 4, 'and as it was while it cannot look');
    assert.equal(platform.errors.procfs, errorsBefore + 1);
    platform.stop();
  });

  it('closes windows with the user’s and the system’s time apart, in shares of the limit', (context) => {
    const { files, recorded } = recordedMachine('v2-container-private-namespace');
    files.set('/sys/fs/cgroup/cpu.max', '50000 100000\n');
    const usage = { ...process.resourceUsage(), userCPUTime: 7_000_000, systemCPUTime: 2_000_000 };
    context.mock.method(process, 'resourceUsage', () => ({ ...usage }));
    const { platform, tickAt } = startByHand(recorded);
    usage.userCPUTime += 500_000;
    usage.systemCPUTime += 125_000;
    tickAt(2_000);
    // Of two seconds on half a CPU.
    assert.deepEqual(platform.window().cpuUtilization, { user: 0.5, system: 0.125 });
    platform.stop();
  });

  it('gives stack, swap and peak of the recorded machine each under its own name', () => {
    const { files, recorded } = recordedMachine('v2-container-private-namespace');
    const status = files
      .get('/proc/self/status')!
      .replace(/VmSwap:.*/, 'VmSwap:\t     512 kB')
      .replace(/VmStk:.*/, 'VmStk:\t     136 kB')
      .replace(/VmHWM:.*/, 'VmHWM:\t   77777 kB');
    files.set('/proc/self/status', status);
    const platform = createPlatform({ sampleIntervalMs: 1000, system: 'linux', files: recorded, ...noTimer });
    const { process: figures, runtime } = readAll(platform);
    assert.equal(figures.swapBytes, 512 * 1024);
    assert.equal(figures.stackBytes, 136 * 1024);
    assert.equal(figures.peakResidentBytes, 77_777 * 1024);
    assert.equal(runtime.go.stack_inuse, 136 * 1024);
    assert.equal(runtime.go.sys_total, figures.residentBytes + 512 * 1024 + runtime.go.heap_released);
  });

  it('looks for other groups every half a minute, and not at each window', async () => {
    const { files, recorded } = recordedMachine('v2-container-private-namespace');
    const { platform, tickAt } = startByHand(recorded);
    const looks = () => recorded.reads.filter((path) => path === '/proc/self/cgroup').length;
    const atStart = looks();
    for (let ms = 1_000; ms < 90_000; ms += 1_000) tickAt(ms);
    assert.equal(looks() - atStart, 2);
    // A group that was moved elsewhere, where nothing is limited.
    assert.equal(platform.container()?.memoryLimitBytes, 512 * 1024 * 1024);
    files.set('/proc/self/cgroup', files.get('/proc/self/cgroup')!.replace(/0::.*/, '0::/elsewhere'));
    tickAt(120_000);
    await Promise.resolve();
    assert.equal(platform.container()?.memoryUsageBytes, undefined);
    platform.stop();
  });

  it('looks at the limit on descriptors every half a minute, and stays with it when it cannot, which counts', () => {
    const { files, recorded } = recordedMachine('v2-container-private-namespace');
    const { platform, tickAt } = startByHand(recorded);
    const text = files.get('/proc/self/limits')!;
    const limitAt = (ms: number) => {
      tickAt(ms);
      return platform.process().fileDescriptorLimit;
    };
    files.set('/proc/self/limits', text.replace(/(Max open files +)\d+/, '$199999'));
    assert.deepEqual([29_999, 30_000].map(limitAt), [20_000, 99_999]);
    const errorsBefore = platform.errors.procfs;
    files.delete('/proc/self/limits');
    assert.deepEqual([59_999, 60_000, 89_999].map(limitAt), [99_999, 99_999, 99_999]);
    assert.equal(platform.errors.procfs, errorsBefore + 1);
    files.set('/proc/self/limits', text.replace(/(Max open files +)\d+/, '$1unlimited'));
    assert.equal(limitAt(90_000), undefined);
    platform.stop();
  });

  it('reads resident memory once in a turn', async () => {
    const { files, recorded } = recordedMachine('v2-root');
    const platform = createPlatform({ sampleIntervalMs: 1000, system: 'linux', files: recorded, ...noTimer });
    const grow = () =>
      files.set(
        '/proc/self/status',
        files.get('/proc/self/status')!.replace(/VmRSS:.*/, 'VmRSS:\t   99999 kB'),
      );
    const readsBefore = recorded.reads.filter((path) => path === '/proc/self/status').length;
    const first = platform.residentBytes();
    grow();
    const inOneTurn = (): number[] => {
      const { go } = platform.runtime();
      return [platform.residentBytes(), platform.process().residentBytes!, go.sys_total - go.heap_released];
    };
    assert.deepEqual(inOneTurn(), [first, first, first]);
    await Promise.resolve();
    assert.deepEqual(inOneTurn(), [99_999 * 1024, 99_999 * 1024, 99_999 * 1024]);
    // Once for each of the two turns, whoever asked.
    assert.equal(recorded.reads.filter((path) => path === '/proc/self/status').length - readsBefore, 2);
  });

  it('reads the files of the container once in a turn', async () => {
    const { recorded } = recordedMachine('v2-container-private-namespace');
    const platform = createPlatform({ sampleIntervalMs: 1000, system: 'linux', files: recorded, ...noTimer });
    const looks = () => recorded.reads.filter((path) => path.endsWith('/memory.current')).length;
    const before = looks();
    for (let turn = 1; turn <= 2; turn += 1) {
      assert.deepEqual(platform.container(), platform.container());
      assert.equal(looks() - before, turn);
      await Promise.resolve();
    }
  });

  it('changes nothing by being read', () => {
    const { recorded } = recordedMachine('v1-limits-from-host');
    const platform = createPlatform({ sampleIntervalMs: 1000, system: 'linux', files: recorded, ...noTimer });
    const steady = () => {
      const { process: figures, container, window } = readAll(platform);
      const { threadCpuTime, fileDescriptors, residentBytes, threads } = figures;
      return {
        // The main thread's is its own, and goes on.
        threadCpuTime: { ...threadCpuTime, main: 0 },
        fileDescriptors,
        residentBytes,
        threads,
        container,
        closedAtMs: window.closedAtMs,
      };
    };
    const first = steady();
    for (let read = 0; read < 20; read++) assert.deepEqual(steady(), first);
  });

  it('lives beside another one: each hears every pause, and one may stop', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const heard = { first: 0, second: 0 };
    const options = { sampleIntervalMs: 60_000 };
    const [first, second] = [createPlatform(options), createPlatform(options)];
    first.onGcPause(() => heard.first++);
    second.onGcPause(() => heard.second++);
    first.start();
    second.start();
    const settle = async () => {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    await settle();
    collect();
    await settle();
    assert.ok(heard.first >= 1 && heard.first === heard.second);
    assert.equal(first.runtime().gc.major.count, second.runtime().gc.major.count);
    first.stop();
    const heardBefore = heard.first;
    collect();
    await settle();
    assert.equal(heard.first, heardBefore);
    assert.ok(heard.second > heardBefore);
    const seconds = Object.values(second.runtime().gc).reduce((sum, { seconds }) => sum + seconds, 0);
    assert.ok(seconds > 0 && seconds < 10);
    second.stop();
  });

  it('leaves nothing open after stop, and can still be read', {
    skip: process.platform === 'linux' ? false : 'counts descriptors in /proc',
  }, async () => {
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const resources = process.getActiveResourcesInfo();
    const before = descriptors();
    const platform = createPlatform({ sampleIntervalMs: 1000 });
    platform.start();
    readAll(platform);
    assert.ok(descriptors() > before);
    assert.deepEqual(
      process.getActiveResourcesInfo(),
      resources,
      'nor anything that keeps a process alive before',
    );
    platform.stop();
    assert.equal(descriptors(), before);
    assert.deepEqual(process.getActiveResourcesInfo(), resources);
    assertFinite(readAll(platform).process, 'process');
    assert.equal(descriptors(), before);
    assert.deepEqual(platform.errors, { procfs: 0, cgroup: 0, v8: 0, event_loop: 0 });
  });
});
