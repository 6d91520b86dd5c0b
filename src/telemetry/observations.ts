/**
 * For each observed instrument, the function that reads it from the figures of one instant. Leaving one out, one
 * too many, or a figure of another shape than the instrument's attributes is a compile error.
 *
 * The functions only read. A delta computed or a window closed here would be wrong as soon as there are two
 * readers, for every collection of any reader runs all of them.
 */

import { heapSpaces } from './catalogue/runtime.ts';
import type { Observed, ObservedName } from './catalogue.ts';
import type { ContainerFigures, HeapSpace, MemoryEvent, PressureResource } from './figures.ts';
import type { Instant } from './instant.ts';

export type Observations = { readonly [Name in ObservedName]: (instant: Instant) => Observed<Name> };

export const observations: Observations = {
  'tidegauge.connection.active': ({ gateway }) => gateway.active,
  'tidegauge.connection.opened': ({ gateway }) => gateway.opened,
  'tidegauge.connection.closed': ({ gateway }) => gateway.closed,
  'tidegauge.connection.peak': ({ gateway }) => gateway.peak,
  'tidegauge.connection.time': ({ gateway }) => gateway.connectionTime,
  'tidegauge.connection.state': ({ gateway }) => gateway.states,
  'tidegauge.handshake.begun': ({ gateway }) => gateway.handshakes.begun,
  'tidegauge.handshake.active': ({ gateway }) => gateway.handshakes.active,
  'tidegauge.handshake.rejections': ({ gateway }) => gateway.handshakes.rejected,
  'tidegauge.messages': ({ gateway }) => gateway.messages,
  'tidegauge.messages.rejected': ({ gateway }) => gateway.messagesRejected,
  'tidegauge.gaps': ({ gateway }) => gateway.gaps,
  'tidegauge.io': ({ gateway: { payloadBytes, wireBytes } }) => ({
    receive: { payload: payloadBytes.receive, wire: wireBytes.receive },
    transmit: { payload: payloadBytes.transmit, wire: wireBytes.transmit },
  }),
  'tidegauge.control_frames': ({ gateway }) => gateway.controlFrames,
  'tidegauge.deliveries.matched': ({ gateway }) => gateway.deliveries.matched,
  'tidegauge.deliveries.sent': ({ gateway }) => gateway.deliveries.sent,
  'tidegauge.deliveries.queued': ({ gateway }) => gateway.deliveries.queued,
  'tidegauge.deliveries.dropped': ({ gateway }) => gateway.deliveries.dropped,
  'tidegauge.send_queue.usage': ({ gateway }) => gateway.sendQueue.bytes,
  'tidegauge.send_queue.max': ({ gateway }) => gateway.sendQueue.largestBytes,
  'tidegauge.send_queue.congested': ({ gateway }) => gateway.sendQueue.connections,
  'tidegauge.ping.timeouts': ({ gateway }) => gateway.pingTimeouts,
  'tidegauge.subscription.active': ({ gateway }) => gateway.subscriptions,
  'tidegauge.channel.active': ({ gateway }) => gateway.channels,
  'tidegauge.audience.active': ({ gateway }) => gateway.audiences,
  'tidegauge.flush.pending': ({ gateway }) => gateway.flush.pendingMessages,
  'tidegauge.flush.lag': ({ gateway }) => gateway.flush.lagSeconds,
  'tidegauge.ready': ({ gateway: { notReady } }) => ({
    starting: Number(notReady.starting),
    draining: Number(notReady.draining),
    bus: Number(notReady.bus),
    capacity: Number(notReady.capacity),
  }),
  'tidegauge.drain.remaining': ({ gateway }) => gateway.drainRemaining,
  'tidegauge.connection.limit': ({ gateway }) => gateway.connectionLimit,
  'tidegauge.saturation': saturation,
  'tidegauge.ledger.drift': ({ gateway }) => gateway.ledgerDrift,

  'messaging.client.consumed.messages': ({ bus }) => ({
    [bus.system]: { receive: bus.counts.messagesReceived },
  }),
  'messaging.client.sent.messages': ({ bus }) => ({ [bus.system]: { publish: bus.counts.messagesSent } }),
  'tidegauge.bus.io': ({ bus }) => ({ receive: bus.counts.bytesReceived, transmit: bus.counts.bytesSent }),
  'tidegauge.bus.state': ({ bus: { state } }) => ({
    connected: Number(state === 'connected'),
    connecting: Number(state === 'connecting'),
    reconnecting: Number(state === 'reconnecting'),
    draining: Number(state === 'draining'),
    closed: Number(state === 'closed'),
  }),
  'tidegauge.bus.reconnects': ({ bus }) => bus.counts.reconnects,
  'tidegauge.bus.disconnects': ({ bus }) => bus.counts.disconnects,
  'tidegauge.bus.pending': ({ bus }) => bus.pendingBytes,
  'tidegauge.bus.duplicates': ({ bus }) => bus.duplicates,
  'tidegauge.dedupe.entries': ({ bus }) => bus.dedupeEntries,
  'tidegauge.bus.refused': ({ bus }) => bus.refused,
  'tidegauge.bus.gaps': ({ bus }) => bus.gaps,

  'http.server.active_requests': ({ http }) => http.activeRequests,

  'process.cpu.time': ({ process }) => process.cpuTime,
  'process.cpu.utilization': ({ window }) => window.cpuUtilization,
  'tidegauge.cpu.limit': ({ process }) => process.cpuLimit,
  'process.memory.usage': ({ process }) => process.residentBytes,
  'process.memory.virtual': ({ process }) => process.virtualBytes,
  'tidegauge.process.memory.resident': ({ process }) => process.residentByKind,
  'tidegauge.process.memory.swap': ({ process }) => process.swapBytes,
  'tidegauge.process.memory.peak': ({ process }) => process.peakResidentBytes,
  'tidegauge.process.memory.stack': ({ process }) => process.stackBytes,
  'process.thread.count': ({ process }) => process.threads,
  'process.unix.file_descriptor.count': ({ process }) => process.fileDescriptors,
  'tidegauge.process.file_descriptor.limit': ({ process }) => process.fileDescriptorLimit,
  'process.context_switches': ({ process }) => process.contextSwitches,
  'process.paging.faults': ({ process }) => process.pageFaults,
  'tidegauge.process.thread.cpu.time': ({ process }) => process.threadCpuTime,
  'process.uptime': ({ process }) => process.uptime,

  'v8js.memory.heap.used': ({ runtime }) => bySpace(runtime.spaces, (space) => space.used),
  'v8js.memory.heap.space.size': ({ runtime }) => bySpace(runtime.spaces, (space) => space.size),
  'v8js.memory.heap.space.available_size': ({ runtime }) =>
    bySpace(runtime.spaces, (space) => space.available),
  'v8js.memory.heap.space.physical_size': ({ runtime }) => bySpace(runtime.spaces, (space) => space.physical),
  'tidegauge.v8.heap.limit': ({ runtime }) => runtime.heapLimitBytes,
  'tidegauge.v8.memory.external': ({ runtime }) => runtime.externalBytes,
  'tidegauge.v8.memory.array_buffer': ({ runtime }) => runtime.arrayBufferBytes,
  'tidegauge.v8.memory.malloced': ({ runtime }) => runtime.mallocedBytes,
  'tidegauge.v8.memory.allocated': ({ runtime }) => runtime.allocatedBytes,
  'tidegauge.go.memory': ({ runtime }) => runtime.go,
  'tidegauge.v8.gc.time': ({ runtime: { gc } }) => ({
    major: gc.major.seconds,
    minor: gc.minor.seconds,
    incremental: gc.incremental.seconds,
    weakcb: gc.weakcb.seconds,
  }),
  'tidegauge.v8.gc.count': ({ runtime: { gc } }) => ({
    major: gc.major.count,
    minor: gc.minor.count,
    incremental: gc.incremental.count,
    weakcb: gc.weakcb.count,
  }),
  'nodejs.eventloop.time': ({ runtime }) => runtime.eventLoopTime,
  'nodejs.eventloop.utilization': ({ window }) => window.eventLoopUtilization,
  'nodejs.eventloop.delay.min': ({ window }) => window.eventLoopDelay.min,
  'nodejs.eventloop.delay.max': ({ window }) => window.eventLoopDelay.max,
  'nodejs.eventloop.delay.mean': ({ window }) => window.eventLoopDelay.mean,
  'nodejs.eventloop.delay.stddev': ({ window }) => window.eventLoopDelay.stddev,
  'nodejs.eventloop.delay.p50': ({ window }) => window.eventLoopDelay.p50,
  'nodejs.eventloop.delay.p90': ({ window }) => window.eventLoopDelay.p90,
  'nodejs.eventloop.delay.p99': ({ window }) => window.eventLoopDelay.p99,
  'v8js.resource.active': ({ runtime }) => runtime.activeResources,

  'container.cpu.time': ({ container }) => container?.cpuTime,
  'tidegauge.container.cpu.periods': ({ container }) => container?.periods,
  'tidegauge.container.cpu.throttled.periods': ({ container }) => container?.throttledPeriods,
  'tidegauge.container.cpu.throttled.time': ({ container }) => container?.throttledSeconds,
  'container.memory.usage': ({ container }) => container?.memoryUsageBytes,
  'container.memory.working_set': ({ container }) => container?.workingSetBytes,
  'container.memory.rss': ({ container }) => container?.rssBytes,
  'container.memory.available': ({ container }) => container?.availableBytes,
  'container.paging.faults': ({ container }) => container?.pageFaults,
  'tidegauge.container.memory.limit': ({ container }) => container?.memoryLimitBytes,
  'tidegauge.container.memory.high': ({ container }) => container?.memoryHighBytes,
  'tidegauge.container.memory.peak': ({ container }) => container?.memoryPeakBytes,
  'tidegauge.container.memory.events': ({ container }): Partial<Record<MemoryEvent, number>> | undefined =>
    container?.memoryEvents,
  'tidegauge.container.pressure.time': ({
    container,
  }): Partial<Record<PressureResource, { some?: number; full?: number }>> | undefined =>
    container?.pressureSeconds,

  'system.memory.usage': ({ host }) => host.memoryBytes,
  'system.memory.limit': ({ host }) => host.memoryLimitBytes,
  'system.paging.usage': ({ host }) => host.pagingBytes,
  'system.cpu.time': ({ host }) => host.cpuTime,
  'system.cpu.logical.count': ({ host }) => host.cpus,

  'tidegauge.telemetry.collection.errors': ({ errors }) => errors,
  'tidegauge.sampler.window.age': ({ window }) => window.age,
};

type HeapSpaceName = (typeof heapSpaces)[number];
const isKnownSpace = new Set<string>(heapSpaces);

function bySpace(
  spaces: readonly HeapSpace[],
  figure: (space: HeapSpace) => number,
): Partial<Record<HeapSpaceName, number>> {
  const byName: Partial<Record<HeapSpaceName, number>> = {};
  for (const space of spaces) {
    const name = isKnownSpace.has(space.name) ? (space.name as HeapSpaceName) : 'other';
    byName[name] = (byName[name] ?? 0) + figure(space);
  }
  return byName;
}

function saturation({ gateway, runtime, container, window }: Instant): Observed<'tidegauge.saturation'> {
  const heapUsed = runtime.spaces.reduce((sum, space) => sum + space.used, 0);
  return {
    connections: share(gateway.active, gateway.connectionLimit),
    memory: Math.max(share(heapUsed, runtime.heapLimitBytes), shareOfContainer(container)),
    event_loop: share(window.eventLoopUtilization, 1),
    cpu: share(window.cpuUtilization.user + window.cpuUtilization.system, 1),
    fanout: share(gateway.flush.lagSeconds, gateway.flush.lagLimitSeconds),
  };
}

/** 0 without a limit: then the heap's own limit is the nearer one. */
function shareOfContainer(container: ContainerFigures | undefined): number {
  return container?.workingSetBytes === undefined || container.memoryLimitBytes === undefined
    ? 0
    : share(container.workingSetBytes, container.memoryLimitBytes);
}

/** 0..1. With nothing to have a share of, anything is all of it. */
function share(part: number, whole: number): number {
  if (whole <= 0) return part > 0 ? 1 : 0;
  return Math.min(1, Math.max(0, part / whole));
}
