/**
 * What telemetry reads of the rest of the service, as plain data. The service hands in one function per part;
 * each is called once per collection, so that all the figures of a part belong to one instant.
 */
import type { BusCounts, BusState } from '../bus/bus.ts';
import type { RejectionReason } from '../gateway/admission.ts';
import type { CloseReason } from '../gateway/close-codes.ts';
import type { DropReason } from '../gateway/ledger.ts';
import type { GapReason, MessageError } from '../gateway/protocol.ts';
import type { ReadyReason } from '../readiness.ts';

export type Directed = { receive: number; transmit: number };

export type GatewayFigures = {
  /** Rows in the connection table: open, congested and closing. */
  active: number;
  states: { open: number; congested: number; closing: number };
  opened: number;
  closed: Record<CloseReason, number>;
  peak: number;
  /** Seconds that all connections together have lived, the live ones up to now. */
  connectionTime: number;
  handshakes: { begun: number; active: number; rejected: Record<RejectionReason, number> };
  messages: Directed;
  payloadBytes: Directed;
  wireBytes: Directed;
  controlFrames: { receive: Record<ControlFrame, number>; transmit: Record<ControlFrame, number> };
  messagesRejected: Record<MessageError, number>;
  gaps: Record<GapReason, number>;
  deliveries: { matched: number; sent: number; queued: number; dropped: Record<DropReason, number> };
  sendQueue: { bytes: number; largestBytes: number; connections: number };
  pingTimeouts: number;
  subscriptions: number;
  channels: number;
  audiences: number;
  flush: { pendingMessages: number; lagSeconds: number; lagLimitSeconds: number };
  closesInProgress: number;
  drainRemaining: number;
  connectionLimit: number;
  notReady: Record<ReadyReason, boolean>;
  /** Violated invariants, counted at this instant; 0 unless there is a bug. */
  ledgerDrift: number;
};

export const controlFrames = ['ping', 'pong', 'close'] as const;
export type ControlFrame = (typeof controlFrames)[number];

export type BusFigures = {
  system: 'nats' | 'tidegauge.memory';
  state: BusState;
  counts: BusCounts;
  pendingBytes: number;
  duplicates: number;
  dedupeEntries: number;
  /** Subscriptions that are wanted and that the broker has refused. */
  refused: number;
  /** Outages after which clients were told of a gap. */
  gaps: number;
};

export type HttpFigures = { activeRequests: number };

/** Figures that the platform cannot tell are absent (undefined), never zero. Seconds and bytes throughout. */
export type ProcessFigures = {
  cpuTime: { user: number; system: number };
  /** CPUs that this process may use: the smaller of affinity and cgroup quota, a fraction. */
  cpuLimit: number;
  uptime: number;
  residentBytes: number;
  virtualBytes?: number;
  residentByKind?: Record<MemoryKind, number>;
  swapBytes?: number;
  peakResidentBytes?: number;
  stackBytes?: number;
  threads?: number;
  fileDescriptors?: number;
  fileDescriptorLimit?: number;
  contextSwitches?: { voluntary: number; involuntary: number };
  pageFaults?: { major: number; minor: number };
  threadCpuTime?: Record<ThreadRole, number>;
};

export const memoryKinds = ['anon', 'file', 'shmem'] as const;
export type MemoryKind = (typeof memoryKinds)[number];
export const threadRoles = ['main', 'v8_worker', 'libuv', 'other'] as const;
export type ThreadRole = (typeof threadRoles)[number];

export type HeapSpace = { name: string; size: number; used: number; available: number; physical: number };

export type RuntimeFigures = {
  spaces: readonly HeapSpace[];
  heapLimitBytes: number;
  externalBytes: number;
  arrayBufferBytes: number;
  mallocedBytes: number;
  /** Bytes allocated on the heap since the start; absent before Node 26. */
  allocatedBytes?: number;
  go: Record<GoMemoryKind, number>;
  gc: Record<GcType, { count: number; seconds: number }>;
  eventLoopTime: { active: number; idle: number };
  activeResources: Record<ResourceType, number>;
};

export const goMemoryKinds = [
  'heap_alloc',
  'heap_sys',
  'heap_idle',
  'heap_inuse',
  'heap_released',
  'stack_inuse',
  'sys_total',
] as const;
export type GoMemoryKind = (typeof goMemoryKinds)[number];
export const gcTypes = ['major', 'minor', 'incremental', 'weakcb'] as const;
export type GcType = (typeof gcTypes)[number];
export const resourceTypes = [
  'TCPSocketWrap',
  'TCPServerWrap',
  'TCPConnectWrap',
  'TLSWrap',
  'PipeWrap',
  'TTYWrap',
  'UDPWrap',
  'Timeout',
  'Immediate',
  'FSReqCallback',
  'FSReqPromise',
  'GetAddrInfoReqWrap',
  'ProcessWrap',
  'MessagePort',
  'other',
] as const;
export type ResourceType = (typeof resourceTypes)[number];

/** The sampler's last closed window. Gauges read it; reading changes nothing. */
export type WindowFigures = {
  /** Unix milliseconds at which the window was closed; 0 before the first. */
  closedAtMs: number;
  /** Seconds since then: grows when the loop is stalled. */
  age: number;
  /** Share of the CPU limit, 0..1 and over 1 where a quota was exceeded for a short while. */
  cpuUtilization: { user: number; system: number };
  eventLoopUtilization: number;
  eventLoopDelay: EventLoopDelay;
};

/** Seconds: the worse of how late timers fired and how long the work of one turn kept all else waiting. */
export type EventLoopDelay = {
  min: number;
  max: number;
  mean: number;
  stddev: number;
  p50: number;
  p90: number;
  p99: number;
};

/** Of the control group that holds this process; the whole is absent where none is found. */
export type ContainerFigures = {
  cpuTime?: { user: number; system: number };
  memoryUsageBytes?: number;
  workingSetBytes?: number;
  rssBytes?: number;
  availableBytes?: number;
  pageFaults?: { major: number; minor: number };
  throttledSeconds?: number;
  throttledPeriods?: number;
  periods?: number;
  memoryLimitBytes?: number;
  memoryHighBytes?: number;
  memoryPeakBytes?: number;
  memoryEvents?: Partial<Record<MemoryEvent, number>>;
  pressureSeconds?: Partial<Record<PressureResource, { some: number; full?: number }>>;
};

export const memoryEvents = ['high', 'max', 'oom', 'oom_kill'] as const;
export type MemoryEvent = (typeof memoryEvents)[number];
export const pressureResources = ['cpu', 'memory', 'io'] as const;
export type PressureResource = (typeof pressureResources)[number];

/** Of the machine, whoever uses it. */
export type HostFigures = {
  memoryLimitBytes?: number;
  /** The two make up the limit. */
  memoryBytes?: Record<MemoryState, number>;
  /** Swap space; 0 and 0 where the machine has none. */
  pagingBytes?: Record<PagingState, number>;
  /** Seconds since the machine's start, of all CPUs together. */
  cpuTime?: Partial<Record<HostCpuMode, number>>;
  /** Those that are online. */
  cpus?: number;
};

export const memoryStates = ['used', 'available'] as const;
export type MemoryState = (typeof memoryStates)[number];
export const pagingStates = ['used', 'free'] as const;
export type PagingState = (typeof pagingStates)[number];
export const hostCpuModes = ['user', 'system', 'nice', 'idle', 'iowait', 'interrupt', 'steal'] as const;
export type HostCpuMode = (typeof hostCpuModes)[number];

/**
 * What the platform sources offer to telemetry. Each function reads now, changes nothing and never throws;
 * what could not be read is left out of the answer and counted in `errors`.
 */
export type PlatformFigures = {
  process(): ProcessFigures;
  runtime(): RuntimeFigures;
  container(): ContainerFigures | undefined;
  host(): HostFigures;
  window(): WindowFigures;
  /** Reads that failed since the start, by source. */
  errors: Record<PlatformSource, number>;
};

export const platformSources = ['procfs', 'cgroup', 'v8', 'event_loop'] as const;
export type PlatformSource = (typeof platformSources)[number];
