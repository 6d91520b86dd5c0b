/**
 * Memory, CPU and their summary: GET /metrics/system, and two sections of GET /metrics/enhanced. The names are
 * Go's; what each means on V8 and Linux is decided where tidegauge.go.memory is observed. "mb" is MiB, unrounded.
 */
import {
  activeConnections,
  cpuPercent,
  type GoMemoryKind,
  gcCount,
  gcCpuFraction,
  goMemoryBytes,
  goroutines,
  mebibytes,
  unixSeconds,
} from './amounts.ts';
import type { Readings } from './readings.ts';

export type SystemSection = {
  memory: {
    heap_alloc_mb: number;
    heap_sys_mb: number;
    heap_idle_mb: number;
    heap_inuse_mb: number;
    heap_released_mb: number;
    stack_inuse_mb: number;
    sys_total_mb: number;
    gc_count: number;
    gc_cpu_percent: number;
    goroutines: number;
  };
  cpu: { percent: number; cores: number };
};

/** Repeats figures of the other sections, for clients that want only a handful. */
export type PerformanceSection = {
  memory_mb: number;
  cpu_percent: number;
  goroutines: number;
  active_conns: number;
};

export type SystemDocument = {
  /** Unix seconds. */
  timestamp: number;
  system: SystemSection;
  performance: PerformanceSection;
};

/** `cores` is the number of CPUs, a constant of the process; the share of them it may use is another figure. */
export function systemSection(readings: Readings, cores: number): SystemSection {
  const mb = (kind: GoMemoryKind) => mebibytes(goMemoryBytes(readings, kind));
  return {
    memory: {
      heap_alloc_mb: mb('heap_alloc'),
      heap_sys_mb: mb('heap_sys'),
      heap_idle_mb: mb('heap_idle'),
      heap_inuse_mb: mb('heap_inuse'),
      heap_released_mb: mb('heap_released'),
      stack_inuse_mb: mb('stack_inuse'),
      sys_total_mb: mb('sys_total'),
      gc_count: gcCount(readings),
      gc_cpu_percent: 100 * gcCpuFraction(readings),
      goroutines: goroutines(readings),
    },
    cpu: { percent: cpuPercent(readings), cores },
  };
}

export function performanceSection(readings: Readings): PerformanceSection {
  return {
    memory_mb: mebibytes(goMemoryBytes(readings, 'heap_alloc')),
    cpu_percent: cpuPercent(readings),
    goroutines: goroutines(readings),
    active_conns: activeConnections(readings),
  };
}

export function system(readings: Readings, cores: number): SystemDocument {
  return {
    timestamp: unixSeconds(readings.timestampMs),
    system: systemSection(readings, cores),
    performance: performanceSection(readings),
  };
}
