/**
 * The figures that several documents share, each read from one collection by the names of its instruments.
 *
 * A figure that this platform cannot tell has no point in the collection. The documents promise their keys
 * with a number each, hence such a figure reads 0 here: the stack's size outside Linux is the known case.
 * Instruments, where absence shows as absence, are the exact source.
 */
import type { Attributes, Readings } from './readings.ts';

const MIB = 2 ** 20;

/** One point; 0 where there is none. */
export function amount(readings: Readings, name: string, attributes?: Attributes): number {
  return readings.value(name, attributes) ?? 0;
}

/** All points of an instrument together; 0 where there is none. */
export function total(readings: Readings, name: string): number {
  return readings.sum(name) ?? 0;
}

/** Whole Unix seconds, as the documents give instants. */
export function unixSeconds(unixMs: number): number {
  return Math.floor(unixMs / 1000);
}

/** Bytes to what the documents call MB: 2^20 bytes, unrounded. */
export function mebibytes(bytes: number): number {
  return bytes / MIB;
}

export function uptimeSeconds(readings: Readings): number {
  return amount(readings, 'process.uptime');
}

export function activeConnections(readings: Readings): number {
  return amount(readings, 'tidegauge.connection.active');
}

export type GoMemoryKind =
  | 'heap_alloc'
  | 'heap_sys'
  | 'heap_idle'
  | 'heap_inuse'
  | 'heap_released'
  | 'stack_inuse'
  | 'sys_total';

/** Bytes, by the names that Go gives to the parts of its memory. */
export function goMemoryBytes(readings: Readings, kind: GoMemoryKind): number {
  return amount(readings, 'tidegauge.go.memory', { 'tidegauge.go.kind': kind });
}

/** What keeps the event loop alive: the nearest that Node has to a count of goroutines. */
export function goroutines(readings: Readings): number {
  return total(readings, 'v8js.resource.active');
}

/** Completed collections, minor and major. An incremental step is a part of a major one, and is not counted. */
export function gcCount(readings: Readings): number {
  return (
    amount(readings, 'tidegauge.v8.gc.count', { 'v8js.gc.type': 'minor' }) +
    amount(readings, 'tidegauge.v8.gc.count', { 'v8js.gc.type': 'major' })
  );
}

/** Share of the CPU time available since the start that went into GC pauses, 0..1; helper threads not included. */
export function gcCpuFraction(readings: Readings): number {
  const availableSeconds = uptimeSeconds(readings) * amount(readings, 'tidegauge.cpu.limit');
  return availableSeconds > 0 ? total(readings, 'tidegauge.v8.gc.time') / availableSeconds : 0;
}

/** CPU use in percent of the CPU limit over the sampler's last window. Cut at 100 here; the instrument is not. */
export function cpuPercent(readings: Readings): number {
  return Math.min(100, 100 * total(readings, 'process.cpu.utilization'));
}
