/** From figures to points: what one collection shows of the figures that it was given. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeterProvider, type ScopeMetrics } from '@opentelemetry/sdk-metrics';
import { busStates } from '../../../src/bus/bus.ts';
import { rejectionReasons } from '../../../src/gateway/admission.ts';
import { closeReasons } from '../../../src/gateway/close-codes.ts';
import { readyReasons } from '../../../src/readiness.ts';
import type { Readings } from '../../../src/reports/readings.ts';
import { httpErrors, httpMethods, httpRoutesMax } from '../../../src/telemetry/catalogue/http.ts';
import { type Instrument, instruments } from '../../../src/telemetry/catalogue.ts';
import { gcTypes } from '../../../src/telemetry/figures.ts';
import type { FigureSources } from '../../../src/telemetry/instant.ts';
import { createMeters, type Meters } from '../../../src/telemetry/meter.ts';
import { OwnMetrics } from '../../../src/telemetry/own-metrics.ts';
import { createSnapshotReader } from '../../../src/telemetry/snapshot-reader.ts';
import { type HandMadeFigures, handMadeFigures, sourcesOf } from '../../support/figures.ts';

type Bench = {
  figures: HandMadeFigures;
  /** By scope, as the SDK's readers get it. */
  collectScopes(): readonly ScopeMetrics[];
  meters: Meters;
  collect(): Promise<Readings>;
};

function start(change: (sources: FigureSources) => FigureSources = (sources) => sources): Bench {
  const figures = handMadeFigures();
  const own = new OwnMetrics();
  const snapshot = createSnapshotReader(own);
  const collectScopes = own.collector();
  const provider = new MeterProvider();
  const meters = createMeters(own.meterProvider(provider), change(sourcesOf(figures)));
  return {
    figures,
    meters,
    collectScopes: () => collectScopes().scopeMetrics,
    collect: () => snapshot.collect(),
  };
}

const observed = instruments.filter(({ kind }) => kind !== 'histogram');
const histograms = instruments.filter(({ kind }) => kind === 'histogram');

/** How many points an instrument has when every value of its attributes has occurred. */
function pointsOf({ name, attributes = [] }: Instrument): number {
  // Of the bus there is one at a time.
  if (name.startsWith('messaging.')) return 1;
  return attributes.reduce(
    (product, [, values]) => product * ('upTo' in values ? values.upTo : values.length),
    1,
  );
}

test('the first collection has every point of every observed instrument', async () => {
  const readings = await start().collect();
  for (const instrument of observed) {
    assert.equal(readings.points(instrument.name).length, pointsOf(instrument), instrument.name);
  }
});

test('what has not happened is there as zero', async () => {
  const readings = await start().collect();
  for (const reason of closeReasons) {
    const [point] = readings
      .points('tidegauge.connection.closed')
      .filter(({ attributes }) => attributes['tidegauge.close.reason'] === reason);
    assert.equal(point?.value, 0, reason);
  }
  assert.equal(readings.value('tidegauge.handshake.rejections', { 'error.type': 'capacity' }), 0);
});

test('a figure ends up in its own point', async () => {
  const { figures, collect } = start();
  figures.gateway.closed.slow_consumer = 3;
  figures.gateway.wireBytes.transmit = 700;
  figures.gateway.payloadBytes.receive = 20;
  figures.gateway.controlFrames.receive.ping = 4;
  figures.gateway.notReady.bus = true;
  figures.bus.counts.messagesReceived = 12;
  figures.bus.state = 'reconnecting';
  const readings = await collect();
  const closed = { 'tidegauge.close.reason': 'slow_consumer', 'tidegauge.close.initiator': 'server' };
  assert.equal(readings.value('tidegauge.connection.closed', closed), 3);
  const io = (direction: string, layer: string) =>
    readings.value('tidegauge.io', { 'network.io.direction': direction, 'tidegauge.io.layer': layer });
  assert.deepEqual(
    [io('transmit', 'wire'), io('receive', 'payload'), io('transmit', 'payload')],
    [700, 20, 0],
  );
  const ping = { 'network.io.direction': 'receive', 'tidegauge.control_frame.type': 'ping' };
  assert.equal(readings.value('tidegauge.control_frames', ping), 4);
  assert.equal(readings.value('tidegauge.ready', { 'tidegauge.ready.reason': 'bus' }), 1);
  assert.equal(readings.sum('tidegauge.ready'), 1);
  const nats = { 'messaging.system': 'nats', 'messaging.operation.name': 'receive' };
  assert.equal(readings.value('messaging.client.consumed.messages', nats), 12);
  assert.equal(readings.value('tidegauge.bus.state', { 'tidegauge.bus.state': 'reconnecting' }), 1);
  assert.equal(readings.sum('tidegauge.bus.state'), 1);
});

/** Where the figure of an observed instrument lies; `*` is the place of its first attribute's value. */
const platformPlaces: Readonly<Record<string, string>> = {
  'process.cpu.time': 'process.cpuTime',
  'process.cpu.utilization': 'window.cpuUtilization',
  'tidegauge.cpu.limit': 'process.cpuLimit',
  'process.memory.usage': 'process.residentBytes',
  'process.memory.virtual': 'process.virtualBytes',
  'tidegauge.process.memory.resident': 'process.residentByKind',
  'tidegauge.process.memory.swap': 'process.swapBytes',
  'tidegauge.process.memory.peak': 'process.peakResidentBytes',
  'tidegauge.process.memory.stack': 'process.stackBytes',
  'process.thread.count': 'process.threads',
  'process.unix.file_descriptor.count': 'process.fileDescriptors',
  'tidegauge.process.file_descriptor.limit': 'process.fileDescriptorLimit',
  'process.context_switches': 'process.contextSwitches',
  'process.paging.faults': 'process.pageFaults',
  'tidegauge.process.thread.cpu.time': 'process.threadCpuTime',
  'process.uptime': 'process.uptime',
  'v8js.memory.heap.used': 'spaces.*.used',
  'v8js.memory.heap.space.size': 'spaces.*.size',
  'v8js.memory.heap.space.available_size': 'spaces.*.available',
  'v8js.memory.heap.space.physical_size': 'spaces.*.physical',
  'tidegauge.v8.heap.limit': 'runtime.heapLimitBytes',
  'tidegauge.v8.memory.external': 'runtime.externalBytes',
  'tidegauge.v8.memory.array_buffer': 'runtime.arrayBufferBytes',
  'tidegauge.v8.memory.malloced': 'runtime.mallocedBytes',
  'tidegauge.v8.memory.allocated': 'runtime.allocatedBytes',
  'tidegauge.go.memory': 'runtime.go',
  'tidegauge.v8.gc.time': 'runtime.gc.*.seconds',
  'tidegauge.v8.gc.count': 'runtime.gc.*.count',
  'nodejs.eventloop.time': 'runtime.eventLoopTime',
  'nodejs.eventloop.utilization': 'window.eventLoopUtilization',
  'nodejs.eventloop.delay.min': 'window.eventLoopDelay.min',
  'nodejs.eventloop.delay.max': 'window.eventLoopDelay.max',
  'nodejs.eventloop.delay.mean': 'window.eventLoopDelay.mean',
  'nodejs.eventloop.delay.stddev': 'window.eventLoopDelay.stddev',
  'nodejs.eventloop.delay.p50': 'window.eventLoopDelay.p50',
  'nodejs.eventloop.delay.p90': 'window.eventLoopDelay.p90',
  'nodejs.eventloop.delay.p99': 'window.eventLoopDelay.p99',
  'v8js.resource.active': 'runtime.activeResources',
  'container.cpu.time': 'container.cpuTime',
  'tidegauge.container.cpu.periods': 'container.periods',
  'tidegauge.container.cpu.throttled.periods': 'container.throttledPeriods',
  'tidegauge.container.cpu.throttled.time': 'container.throttledSeconds',
  'container.memory.usage': 'container.memoryUsageBytes',
  'container.memory.working_set': 'container.workingSetBytes',
  'container.memory.rss': 'container.rssBytes',
  'container.memory.available': 'container.availableBytes',
  'container.paging.faults': 'container.pageFaults',
  'tidegauge.container.memory.limit': 'container.memoryLimitBytes',
  'tidegauge.container.memory.high': 'container.memoryHighBytes',
  'tidegauge.container.memory.peak': 'container.memoryPeakBytes',
  'tidegauge.container.memory.events': 'container.memoryEvents',
  'tidegauge.container.pressure.time': 'container.pressureSeconds',
  'system.memory.usage': 'host.memoryBytes',
  'system.memory.limit': 'host.memoryLimitBytes',
  'system.paging.usage': 'host.pagingBytes',
  'system.cpu.time': 'host.cpuTime',
  'system.cpu.logical.count': 'host.cpus',
};

/** Gives each number within a value of its own. */
function numberAll(value: object, next: () => number): void {
  for (const [key, inner] of Object.entries(value)) {
    if (typeof inner === 'object' && inner !== null) numberAll(inner, next);
    else if (typeof inner === 'number') (value as Record<string, number>)[key] = next();
  }
}

test('every figure of the platform ends up in its own instrument, under its own values', async () => {
  const { figures, collect } = start();
  let last = 0;
  for (const part of ['process', 'runtime', 'container', 'host', 'window'] as const)
    numberAll(figures[part]!, () => ++last);
  const spaces = Object.fromEntries(figures.runtime.spaces.map((space) => [space.name, space]));
  const readings = await collect();
  const seen = new Set<number>();
  const ofPlatform = /^tidegauge\/(?:process|runtime|container|host)$/;
  for (const { name } of observed.filter(({ scope }) => ofPlatform.test(scope))) {
    for (const { attributes, value } of readings.points(name)) {
      const values = Object.values(attributes).map(String);
      const path = platformPlaces[name]!.split('.').map((step) => (step === '*' ? values.shift()! : step));
      const told = [...path, ...values].reduce<unknown>(
        (part, step) => (part as Record<string, unknown>)[step],
        { ...figures, spaces },
      );
      assert.equal(value, told, `${name} ${JSON.stringify(attributes)}`);
      seen.add(value as number);
    }
  }
  // The end of a window and its age belong to telemetry itself.
  assert.equal(readings.value('tidegauge.sampler.window.age'), figures.window.age);
  assert.equal(seen.size, last - 2);
});

/** Where the figure of an observed instrument of the service's own parts lies. */
const servicePlaces: Readonly<Record<string, string>> = {
  'tidegauge.connection.active': 'gateway.active',
  'tidegauge.connection.opened': 'gateway.opened',
  'tidegauge.connection.closed': 'gateway.closed',
  'tidegauge.connection.peak': 'gateway.peak',
  'tidegauge.connection.time': 'gateway.connectionTime',
  'tidegauge.connection.state': 'gateway.states',
  'tidegauge.handshake.begun': 'gateway.handshakes.begun',
  'tidegauge.handshake.active': 'gateway.handshakes.active',
  'tidegauge.handshake.rejections': 'gateway.handshakes.rejected',
  'tidegauge.messages': 'gateway.messages',
  'tidegauge.messages.rejected': 'gateway.messagesRejected',
  'tidegauge.gaps': 'gateway.gaps',
  'tidegauge.io': 'io',
  'tidegauge.control_frames': 'gateway.controlFrames',
  'tidegauge.deliveries.matched': 'gateway.deliveries.matched',
  'tidegauge.deliveries.sent': 'gateway.deliveries.sent',
  'tidegauge.deliveries.queued': 'gateway.deliveries.queued',
  'tidegauge.deliveries.dropped': 'gateway.deliveries.dropped',
  'tidegauge.send_queue.usage': 'gateway.sendQueue.bytes',
  'tidegauge.send_queue.max': 'gateway.sendQueue.largestBytes',
  'tidegauge.send_queue.congested': 'gateway.sendQueue.connections',
  'tidegauge.ping.timeouts': 'gateway.pingTimeouts',
  'tidegauge.subscription.active': 'gateway.subscriptions',
  'tidegauge.channel.active': 'gateway.channels',
  'tidegauge.audience.active': 'gateway.audiences',
  'tidegauge.flush.pending': 'gateway.flush.pendingMessages',
  'tidegauge.flush.lag': 'gateway.flush.lagSeconds',
  'tidegauge.drain.remaining': 'gateway.drainRemaining',
  'tidegauge.connection.limit': 'gateway.connectionLimit',
  'tidegauge.ledger.drift': 'gateway.ledgerDrift',
  'messaging.client.consumed.messages': 'bus.counts.messagesReceived',
  'messaging.client.sent.messages': 'bus.counts.messagesSent',
  'tidegauge.bus.io': 'busIo',
  'tidegauge.bus.reconnects': 'bus.counts.reconnects',
  'tidegauge.bus.disconnects': 'bus.counts.disconnects',
  'tidegauge.bus.pending': 'bus.pendingBytes',
  'tidegauge.bus.duplicates': 'bus.duplicates',
  'tidegauge.dedupe.entries': 'bus.dedupeEntries',
  'tidegauge.bus.refused': 'bus.refused',
  'tidegauge.bus.gaps': 'bus.gaps',
  'http.server.active_requests': 'http.activeRequests',
};

test('every figure of gateway, bus and HTTP ends up in its own instrument, under its own values', async () => {
  const { figures, collect } = start();
  let last = 0;
  for (const part of ['gateway', 'bus', 'http'] as const) numberAll(figures[part], () => ++last);
  const { payloadBytes: payload, wireBytes: wire } = figures.gateway;
  const { bytesReceived: receive, bytesSent: transmit } = figures.bus.counts;
  const byDirection = (direction: 'receive' | 'transmit') => ({
    payload: payload[direction],
    wire: wire[direction],
  });
  const io = { receive: byDirection('receive'), transmit: byDirection('transmit') };
  const readings = await collect();
  const seen = new Set<number>();
  const states = ['tidegauge.ready', 'tidegauge.bus.state', 'tidegauge.saturation'];
  const ofService = /^tidegauge\/(?:gateway|bus|http)$/;
  for (const { name } of observed.filter((one) => ofService.test(one.scope) && !states.includes(one.name))) {
    for (const { attributes, value } of readings.points(name)) {
      // The side that closes goes with the reason, and of the bus there is one at a time.
      const isOne = name.startsWith('messaging.');
      const values = isOne ? [] : Object.values(attributes).slice(0, name.endsWith('.closed') ? 1 : 2);
      const told = [...servicePlaces[name]!.split('.'), ...values.map(String)].reduce<unknown>(
        (part, step) => (part as Record<string, unknown>)[step],
        { ...figures, io, busIo: { receive, transmit } },
      );
      assert.equal(value, told, `${name} ${JSON.stringify(attributes)}`);
      seen.add(value as number);
    }
  }
  // The limit of the lag is in the saturation, and closes in progress are told by their state.
  assert.equal(seen.size, last - 2);
});

test('of the states of the bus and the reasons for not being ready each has its own point', async () => {
  for (const state of busStates) {
    const { figures, collect } = start();
    figures.bus.state = state;
    const readings = await collect();
    assert.equal(readings.value('tidegauge.bus.state', { 'tidegauge.bus.state': state }), 1, state);
    assert.equal(readings.sum('tidegauge.bus.state'), 1, state);
  }
  for (const reason of readyReasons) {
    const { figures, collect } = start();
    figures.gateway.notReady[reason] = true;
    const readings = await collect();
    assert.equal(readings.value('tidegauge.ready', { 'tidegauge.ready.reason': reason }), 1, reason);
    assert.equal(readings.sum('tidegauge.ready'), 1, reason);
  }
});

test('a figure that the platform cannot tell, or not any more, has no point', async () => {
  const { figures, collect } = start();
  assert.ok((await collect()).points('container.memory.usage').length > 0);
  figures.container = undefined;
  delete figures.process.swapBytes;
  delete figures.process.residentByKind;
  figures.runtime.spaces = [{ name: 'old_space', size: 4, used: 2, available: 1, physical: 3 }];
  const readings = await collect();
  const absent = observed.filter(({ name }) => readings.points(name).length === 0).map(({ name }) => name);
  const container = observed.filter(({ scope }) => scope === 'tidegauge/container').map(({ name }) => name);
  assert.deepEqual(
    new Set(absent),
    new Set([...container, 'tidegauge.process.memory.swap', 'tidegauge.process.memory.resident']),
  );
  const oldSpace = { attributes: { 'v8js.heap.space.name': 'old_space' }, value: 2 };
  assert.deepEqual(readings.points('v8js.memory.heap.used'), [oldSpace]);
});

test('heap spaces that are not known by name are other, together', async () => {
  const { figures, collect } = start();
  const space = { size: 4, used: 2, available: 1, physical: 3 };
  figures.runtime.spaces = [
    { name: 'new_in_v99', ...space },
    { name: 'also_new', ...space },
  ];
  const readings = await collect();
  const other = { 'v8js.heap.space.name': 'other' };
  assert.equal(readings.value('v8js.memory.heap.used', other), 4);
  assert.equal(readings.value('v8js.memory.heap.space.physical_size', other), 6);
});

test('a part that throws is counted and absent, and the rest goes on', async () => {
  const { figures, collect } = start((sources) => ({
    ...sources,
    bus() {
      throw new Error('the bus is broken');
    },
  }));
  figures.errors.cgroup = 2;
  await collect();
  const readings = await collect();
  const errors = (source: string) =>
    readings.value('tidegauge.telemetry.collection.errors', { 'tidegauge.telemetry.source': source });
  assert.deepEqual([errors('bus'), errors('gateway'), errors('cgroup'), errors('value')], [2, 0, 2, 0]);
  assert.equal(readings.points('tidegauge.bus.state').length, 0);
  assert.equal(readings.value('tidegauge.connection.limit'), 1000);
});

test('a figure that is no finite number is left out and counted', async () => {
  const { figures, collect } = start();
  figures.process.uptime = Number.NaN;
  figures.gateway.sendQueue.bytes = Number.POSITIVE_INFINITY;
  await collect();
  const readings = await collect();
  assert.equal(readings.value('process.uptime'), undefined);
  assert.equal(readings.value('tidegauge.send_queue.usage'), undefined);
  const value = { 'tidegauge.telemetry.source': 'value' };
  assert.equal(readings.value('tidegauge.telemetry.collection.errors', value), 2);
});

test('every part is read once per collection, however many readers collide', async () => {
  let asked = 0;
  const figures = handMadeFigures();
  const own = new OwnMetrics();
  const snapshots = [createSnapshotReader(own), createSnapshotReader(own)];
  createMeters(own.meterProvider(new MeterProvider()), {
    ...sourcesOf(figures),
    gateway() {
      asked += 1;
      return figures.gateway;
    },
  });
  await snapshots[0]!.collect();
  assert.equal(asked, 1);
  await Promise.all(snapshots.map((snapshot) => snapshot.collect()));
  assert.equal(asked, 3);
});

test('saturation is the share of each limit, from 0 to 1', async () => {
  const { figures, collect } = start();
  const saturation = async () => {
    const readings = await collect();
    return Object.fromEntries(
      readings
        .points('tidegauge.saturation')
        .map(({ attributes, value }) => [attributes['tidegauge.resource'], value]),
    );
  };
  figures.gateway.active = 250;
  figures.window.cpuUtilization = { user: 0.5, system: 0.25 };
  figures.gateway.flush.lagSeconds = 0.1;
  const some = { connections: 0.25, memory: 0.5, event_loop: 0.5, cpu: 0.75, fanout: 0.1 };
  assert.deepEqual(await saturation(), some);
  figures.gateway.active = 1_200;
  figures.window.cpuUtilization = { user: 1.5, system: 0.25 };
  figures.runtime.heapLimitBytes = 20_000;
  figures.gateway.flush.lagSeconds = 5;
  const full = { connections: 1, memory: 0.7, event_loop: 0.5, cpu: 1, fanout: 1 };
  assert.deepEqual(await saturation(), full);
  figures.container = undefined;
  figures.runtime.heapLimitBytes = 56_000;
  assert.equal((await saturation()).memory, 0.25);
  figures.gateway.connectionLimit = 0;
  assert.equal((await saturation()).connections, 1, 'more than a limit of nothing');
  figures.gateway.active = 0;
  assert.equal((await saturation()).connections, 0);
});

/** Every value of every attribute of the histograms, once. */
function recordEverything({ gateway, ...meters }: Meters, routes: readonly string[]): void {
  gateway.handshake(0.01);
  for (const reason of rejectionReasons) gateway.handshake(0.01, reason);
  for (const reason of closeReasons) gateway.connectionClosed(60, reason);
  for (const direction of ['receive', 'transmit'] as const) gateway.messageSize(200, direction);
  gateway.fanoutDuration(0.001);
  gateway.fanoutRecipients(10);
  gateway.fanoutBatch(3);
  gateway.pingRoundTrip(0.02);
  for (const type of gcTypes) meters.recordGcPause(0.002, type);
  meters.recordBusRoundTrip(0.0005);
  for (const route of routes) {
    for (const method of [...httpMethods, 'BREW']) {
      meters.recordRequest(0.01, { method, route, status: 200, scheme: 'http' });
    }
  }
  for (const errorType of [...httpErrors, 'ECONNRESET']) {
    meters.recordRequest(0.01, { method: 'GET', route: '', status: undefined, scheme: 'http', errorType });
  }
}

test('all that was recorded is in the next collection, in its own series, however much it is', async () => {
  const { meters, collect } = start();
  for (const times of [1, 255, 256, 257, 1_000]) {
    const before = await collect();
    for (let index = 0; index < times; index += 1) {
      meters.gateway.messageSize(index, index % 3 === 0 ? 'receive' : 'transmit');
      meters.gateway.fanoutDuration(0.5);
    }
    const after = await collect();
    const added = (name: string, attributes?: Record<string, string>) =>
      (after.histogram(name, attributes)?.count ?? 0) - (before.histogram(name, attributes)?.count ?? 0);
    const received = Math.ceil(times / 3);
    assert.equal(added('tidegauge.message.size', { 'network.io.direction': 'receive' }), received);
    assert.equal(added('tidegauge.message.size', { 'network.io.direction': 'transmit' }), times - received);
    assert.equal(added('tidegauge.fanout.duration'), times);
    const { sum } = after.histogram('tidegauge.fanout.duration')!;
    assert.equal(sum, after.histogram('tidegauge.fanout.duration')!.count * 0.5);
  }
});

test('every histogram has its recorder, and each value its series', async () => {
  const { meters, collectScopes, collect } = start();
  recordEverything(meters, ['/stats']);
  const readings = await collect();
  const scopeMetrics = collectScopes();
  const found = scopeMetrics.flatMap(({ metrics }) => metrics);
  for (const { name, boundaries, scope } of histograms) {
    const metric = found.find(({ descriptor }) => descriptor.name === name);
    assert.ok(metric, `${name} is recorded`);
    const owner = scopeMetrics.find(({ metrics }) => metrics.includes(metric));
    assert.equal(owner?.scope.name, scope);
    const [point] = metric.dataPoints as { value: { buckets: { boundaries: number[] } } }[];
    assert.deepEqual(point?.value.buckets.boundaries, [...(boundaries ?? [])], name);
  }
  const slow = readings.histogram('tidegauge.connection.duration', {
    'tidegauge.close.reason': 'slow_consumer',
  });
  assert.deepEqual([slow?.count, slow?.sum, slow?.min, slow?.max], [1, 60, 60, 60]);
  assert.equal(readings.histogram('tidegauge.handshake.duration')?.count, 1);
  assert.equal(readings.histogram('tidegauge.handshake.duration', { 'error.type': 'capacity' })?.count, 1);
});

function countSeries({ collectScopes }: Bench): number {
  return collectScopes()
    .flatMap(({ metrics }) => metrics)
    .reduce((sum, { dataPoints }) => sum + dataPoints.length, 0);
}

test('the number of points depends neither on the load nor on what clients send', async () => {
  const bench = start();
  const { figures, meters } = bench;
  recordEverything(meters, ['/stats', '/metrics']);
  const before = countSeries(bench);
  const fixed = observed.reduce((sum, instrument) => sum + pointsOf(instrument), 0);
  assert.ok(fixed > 200 && fixed < 300, `${fixed} observed points`);
  figures.gateway.active = 10_000;
  figures.gateway.opened = 1_000_000;
  figures.gateway.channels = 50_000;
  for (let index = 0; index < 10_000; index += 1) {
    meters.recordRequest(0.01, { method: `M${index}`, route: '/stats', status: 200, scheme: `s${index}` });
    meters.recordRequest(0.01, {
      method: 'GET',
      route: '/stats',
      status: 200,
      scheme: 'http',
      errorType: `e${index}`,
    });
    meters.recordRequest(0.01, { method: 'GET', route: '/stats', status: 1_000 + index, scheme: 'http' });
  }
  recordEverything(meters, ['/stats', '/metrics']);
  // One more series for an unknown error beside a status, and one without a status that HTTP knows.
  assert.equal(countSeries(bench) - before, 2);
});

test('paths in place of routes stay bounded', async () => {
  const bench = start();
  const before = countSeries(bench);
  for (let index = 0; index < 1_000; index += 1) {
    bench.meters.recordRequest(0.01, { method: 'GET', route: `/${index}`, status: 200, scheme: 'http' });
  }
  assert.equal(countSeries(bench) - before, httpRoutesMax);
});
