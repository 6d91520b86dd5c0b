/**
 * The health document of GET /health, kept for clients of the original and true now: whether new clients are
 * served is in `status`, and why not in `reasons`. A pure function of one collection; the probes, which must
 * answer without any collection, are elsewhere.
 */
import {
  activeConnections,
  amount,
  gcCount,
  gcCpuFraction,
  goMemoryBytes,
  goroutines,
  unixSeconds,
  uptimeSeconds,
} from './amounts.ts';
import type { Readings } from './readings.ts';

/** Degraded: ready, though the bus is away, for less than the grace. Unhealthy: not ready. */
export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy';

/** What may be told to anybody: no figures. */
export type HealthSummary = {
  status: HealthStatus;
  /** Unix seconds. */
  timestamp: number;
  /** Seconds. */
  uptime: number;
  /** Why it is not ready, in the words of the readiness probe. */
  reasons: string[];
};

export type HealthDocument = HealthSummary & {
  services: {
    /** Unhealthy while it is no place for new clients, which the reasons draining and capacity mean. */
    websocket: { status: 'healthy' | 'unhealthy'; clients: number };
    /** connected, connecting, reconnecting, draining or closed. */
    nats: { status: string; connected: boolean };
  };
  system: {
    goroutines: number;
    /** Bytes, but for the last two. */
    memory: {
      alloc: number;
      total_alloc: number;
      sys: number;
      heap_alloc: number;
      heap_sys: number;
      heap_idle: number;
      heap_inuse: number;
      stack_inuse: number;
      stack_sys: number;
      num_gc: number;
      gc_cpu_fraction: number;
    };
  };
};

export function healthSummary(readings: Readings): HealthSummary {
  const notReady = valuesThatHold(readings, 'tidegauge.ready', 'tidegauge.ready.reason');
  const isDegraded = notReady.length === 0 && busState(readings) !== 'connected';
  // Within its grace the bus keeps nobody from coming, but it is the reason why all is not well.
  const reasons = isDegraded ? ['bus'] : notReady;
  return {
    status: isDegraded ? 'degraded' : reasons.length > 0 ? 'unhealthy' : 'healthy',
    timestamp: unixSeconds(readings.timestampMs),
    uptime: uptimeSeconds(readings),
    reasons,
  };
}

export function health(readings: Readings): HealthDocument {
  const summary = healthSummary(readings);
  const isNoPlace = summary.reasons.some((reason) => reason === 'draining' || reason === 'capacity');
  const nats = busState(readings);
  const heapAlloc = goMemoryBytes(readings, 'heap_alloc');
  const stack = goMemoryBytes(readings, 'stack_inuse');
  return {
    ...summary,
    services: {
      websocket: { status: isNoPlace ? 'unhealthy' : 'healthy', clients: activeConnections(readings) },
      nats: { status: nats, connected: nats === 'connected' },
    },
    system: {
      goroutines: goroutines(readings),
      memory: {
        alloc: heapAlloc,
        total_alloc: amount(readings, 'tidegauge.v8.memory.allocated'),
        sys: goMemoryBytes(readings, 'sys_total'),
        heap_alloc: heapAlloc,
        heap_sys: goMemoryBytes(readings, 'heap_sys'),
        heap_idle: goMemoryBytes(readings, 'heap_idle'),
        heap_inuse: goMemoryBytes(readings, 'heap_inuse'),
        stack_inuse: stack,
        stack_sys: stack,
        num_gc: gcCount(readings),
        gc_cpu_fraction: gcCpuFraction(readings),
      },
    },
  };
}

/** The bus's state is one-hot: of its points exactly one is 1. */
function busState(readings: Readings): string {
  return valuesThatHold(readings, 'tidegauge.bus.state', 'tidegauge.bus.state')[0] ?? 'closed';
}

function valuesThatHold(readings: Readings, name: string, attribute: string): string[] {
  return readings
    .points(name)
    .filter(({ value }) => value === 1)
    .map(({ attributes }) => String(attributes[attribute]));
}
