/**
 * Everything at once: GET /metrics/enhanced. Totals count every connection since the start, live and closed,
 * and never shrink. The rows are a page of the live ones, of the same instant as the totals.
 */
import { activeConnections, amount, unixSeconds, uptimeSeconds } from './amounts.ts';
import {
  type ConnectionDocument,
  type ConnectionField,
  type ConnectionPage,
  connectionDocument,
  legacyConnectionFields,
} from './connections.ts';
import type { Readings } from './readings.ts';
import { type RuntimeSection, runtimeSection } from './runtime.ts';
import { type PerformanceSection, performanceSection, type SystemSection, systemSection } from './system.ts';

export type ConnectionsSection = {
  active: number;
  total: number;
  peak: number;
  messages_sent_total: number;
  messages_recv_total: number;
  /** Payload bytes, as below. */
  bytes_sent_total: number;
  bytes_recv_total: number;
  /** Mean over all connections since the start: lifetime of the closed ones, age so far of the live ones. */
  avg_duration_sec: number;
  connections: ConnectionDocument[];
  /** There are more connections than the array has, and where they are found: the cursor for the next page. */
  connections_truncated: boolean;
  connections_next: string | null;
};

export type EnhancedDocument = {
  /** Unix seconds. */
  timestamp: number;
  uptime_seconds: number;
  /** Unix seconds at which the sampler last closed a window: the age of CPU and event-loop figures. */
  last_update: number;
  connections: ConnectionsSection;
  system: SystemSection;
  performance: PerformanceSection;
  runtime: RuntimeSection;
};

/** Of each connection the given fields; without any, those that the Go server had. */
export function enhanced(
  readings: Readings,
  page: ConnectionPage,
  cores: number,
  fields: readonly ConnectionField[] = legacyConnectionFields,
): EnhancedDocument {
  return {
    timestamp: unixSeconds(readings.timestampMs),
    uptime_seconds: uptimeSeconds(readings),
    last_update: unixSeconds(readings.timestampMs - 1000 * amount(readings, 'tidegauge.sampler.window.age')),
    connections: connectionsSection(readings, page, fields),
    system: systemSection(readings, cores),
    performance: performanceSection(readings),
    runtime: runtimeSection(readings),
  };
}

function connectionsSection(
  readings: Readings,
  page: ConnectionPage,
  fields: readonly ConnectionField[],
): ConnectionsSection {
  const opened = amount(readings, 'tidegauge.connection.opened');
  return {
    active: activeConnections(readings),
    total: opened,
    peak: amount(readings, 'tidegauge.connection.peak'),
    messages_sent_total: amount(readings, 'tidegauge.messages', sent),
    messages_recv_total: amount(readings, 'tidegauge.messages', received),
    bytes_sent_total: amount(readings, 'tidegauge.io', { ...sent, ...payload }),
    bytes_recv_total: amount(readings, 'tidegauge.io', { ...received, ...payload }),
    avg_duration_sec: opened > 0 ? amount(readings, 'tidegauge.connection.time') / opened : 0,
    connections: page.rows.map((row) => connectionDocument(row, fields)),
    connections_truncated: page.isTruncated,
    connections_next: page.next ?? null,
  };
}

const sent = { 'network.io.direction': 'transmit' };
const received = { 'network.io.direction': 'receive' };
const payload = { 'tidegauge.io.layer': 'payload' };
