/**
 * Figures made by hand, for tests of telemetry: every figure that the types know has a value, the platform's
 * optional ones too, so that every instrument has all of its points. A test changes the numbers in place.
 */
import { busDisconnectErrors } from '../../src/bus/bus.ts';
import { rejectionReasons } from '../../src/gateway/admission.ts';
import { closeReasons } from '../../src/gateway/close-codes.ts';
import { dropReasons, zeroes } from '../../src/gateway/ledger.ts';
import { gapReasons, messageErrors } from '../../src/gateway/protocol.ts';
import { readyReasons } from '../../src/readiness.ts';
import { heapSpaces } from '../../src/telemetry/catalogue/runtime.ts';
import {
  type BusFigures,
  type ContainerFigures,
  controlFrames,
  type GatewayFigures,
  type GcType,
  gcTypes,
  goMemoryKinds,
  type HostFigures,
  type HttpFigures,
  hostCpuModes,
  memoryEvents,
  memoryKinds,
  memoryStates,
  type PlatformSource,
  type ProcessFigures,
  pagingStates,
  platformSources,
  type RuntimeFigures,
  resourceTypes,
  threadRoles,
  type WindowFigures,
} from '../../src/telemetry/figures.ts';
import type { FigureSources } from '../../src/telemetry/instant.ts';

export type HandMadeFigures = {
  gateway: GatewayFigures;
  bus: BusFigures;
  http: HttpFigures;
  process: ProcessFigures;
  runtime: RuntimeFigures;
  container: ContainerFigures | undefined;
  host: HostFigures;
  window: WindowFigures;
  errors: Record<PlatformSource, number>;
};

export function handMadeFigures(): HandMadeFigures {
  return {
    gateway: gatewayFigures(),
    bus: {
      system: 'nats',
      state: 'connected',
      counts: {
        messagesReceived: 0,
        messagesSent: 0,
        bytesReceived: 0,
        bytesSent: 0,
        reconnects: 0,
        disconnects: zeroes(busDisconnectErrors),
      },
      pendingBytes: 0,
      duplicates: 0,
      dedupeEntries: 0,
      refused: 0,
      gaps: 0,
    },
    http: { activeRequests: 0 },
    process: processFigures(),
    runtime: runtimeFigures(),
    container: containerFigures(),
    host: hostFigures(),
    window: {
      closedAtMs: 1_000,
      age: 0.5,
      cpuUtilization: { user: 0.25, system: 0.05 },
      eventLoopUtilization: 0.5,
      eventLoopDelay: { min: 0, max: 0.06, mean: 0.001, stddev: 0.002, p50: 0.001, p90: 0.002, p99: 0.01 },
    },
    errors: zeroes(platformSources),
  };
}

/** Hands the figures to telemetry as the service would, read when asked. */
export function sourcesOf(figures: HandMadeFigures): FigureSources {
  return {
    gateway: () => figures.gateway,
    bus: () => figures.bus,
    http: () => figures.http,
    platform: {
      process: () => figures.process,
      runtime: () => figures.runtime,
      container: () => figures.container,
      host: () => figures.host,
      window: () => figures.window,
      errors: figures.errors,
    },
  };
}

function gatewayFigures(): GatewayFigures {
  return {
    active: 0,
    states: { open: 0, congested: 0, closing: 0 },
    opened: 0,
    closed: zeroes(closeReasons),
    peak: 0,
    connectionTime: 0,
    handshakes: { begun: 0, active: 0, rejected: zeroes(rejectionReasons) },
    messages: { receive: 0, transmit: 0 },
    payloadBytes: { receive: 0, transmit: 0 },
    wireBytes: { receive: 0, transmit: 0 },
    controlFrames: { receive: zeroes(controlFrames), transmit: zeroes(controlFrames) },
    messagesRejected: zeroes(messageErrors),
    gaps: zeroes(gapReasons),
    deliveries: { matched: 0, sent: 0, queued: 0, dropped: zeroes(dropReasons) },
    sendQueue: { bytes: 0, largestBytes: 0, connections: 0 },
    pingTimeouts: 0,
    subscriptions: 0,
    channels: 0,
    audiences: 0,
    flush: { pendingMessages: 0, lagSeconds: 0, lagLimitSeconds: 1 },
    closesInProgress: 0,
    drainRemaining: 0,
    connectionLimit: 1_000,
    notReady: Object.fromEntries(readyReasons.map((reason) => [reason, false])) as GatewayFigures['notReady'],
    ledgerDrift: 0,
  };
}

function processFigures(): ProcessFigures {
  return {
    cpuTime: { user: 1.25, system: 0.5 },
    cpuLimit: 1.5,
    uptime: 10,
    residentBytes: 80e6,
    virtualBytes: 1e9,
    residentByKind: zeroes(memoryKinds),
    swapBytes: 0,
    peakResidentBytes: 90e6,
    stackBytes: 135_168,
    threads: 11,
    fileDescriptors: 20,
    fileDescriptorLimit: 20_000,
    contextSwitches: { voluntary: 5, involuntary: 1 },
    pageFaults: { major: 0, minor: 100 },
    threadCpuTime: zeroes(threadRoles),
  };
}

function runtimeFigures(): RuntimeFigures {
  return {
    spaces: heapSpaces.map((name) => ({ name, size: 2_000, used: 1_000, available: 900, physical: 1_500 })),
    heapLimitBytes: 4e9,
    externalBytes: 3e6,
    arrayBufferBytes: 1e6,
    mallocedBytes: 5e5,
    allocatedBytes: 1e8,
    go: zeroes(goMemoryKinds),
    gc: Object.fromEntries(gcTypes.map((type) => [type, { count: 0, seconds: 0 }])) as Record<
      GcType,
      { count: number; seconds: number }
    >,
    eventLoopTime: { active: 1, idle: 9 },
    activeResources: zeroes(resourceTypes),
  };
}

function containerFigures(): ContainerFigures {
  return {
    cpuTime: { user: 1.25, system: 0.5 },
    memoryUsageBytes: 120e6,
    workingSetBytes: 100e6,
    rssBytes: 70e6,
    availableBytes: 100e6,
    pageFaults: { major: 0, minor: 100 },
    throttledSeconds: 0,
    throttledPeriods: 0,
    periods: 0,
    memoryLimitBytes: 200e6,
    memoryHighBytes: 180e6,
    memoryPeakBytes: 130e6,
    memoryEvents: zeroes(memoryEvents),
    pressureSeconds: {
      cpu: { some: 0, full: 0 },
      memory: { some: 0, full: 0 },
      io: { some: 0, full: 0 },
    },
  };
}

function hostFigures(): HostFigures {
  return {
    memoryLimitBytes: 8e9,
    memoryBytes: { ...zeroes(memoryStates), used: 3e9, available: 5e9 },
    pagingBytes: zeroes(pagingStates),
    cpuTime: zeroes(hostCpuModes),
    cpus: 2,
  };
}
