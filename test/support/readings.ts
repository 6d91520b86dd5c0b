/**
 * Readings from a literal object, for tests of whatever is rendered from a collection.
 *
 * An instrument is one number, or a list of [attributes, number], or a histogram.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Attributes, HistogramReading, Readings } from '../../src/reports/readings.ts';

type Point = readonly [Attributes, number];
export type LiteralReadings = Record<string, number | readonly Point[] | HistogramReading>;

export function readingsOf(literal: LiteralReadings, timestampMs = 1_703_123_456_789): Readings {
  const points = (name: string) => {
    const given = Object.hasOwn(literal, name) ? literal[name] : undefined;
    if (typeof given === 'number') return [{ attributes: {}, value: given }];
    if (!Array.isArray(given)) return [];
    return (given as readonly Point[]).map(([attributes, value]) => ({ attributes, value }));
  };
  return {
    timestampMs,
    points,
    value: (name, attributes = {}) =>
      points(name).find((point) => isDeepStrictEqual(point.attributes, attributes))?.value,
    sum(name) {
      const all = points(name);
      return all.length === 0 ? undefined : all.reduce((sum, { value }) => sum + value, 0);
    },
    histogram(name) {
      const given = literal[name];
      return typeof given === 'object' && 'buckets' in given ? given : undefined;
    },
  };
}

const MIB = 2 ** 20;

/** One collection in which every figure that the documents read is there, and no two of them are equal. */
export const fullReadings: LiteralReadings = {
  'process.uptime': 128,
  'process.cpu.utilization': [
    [{ 'cpu.mode': 'user' }, 0.1],
    [{ 'cpu.mode': 'system' }, 0.025],
  ],
  'process.cpu.time': [
    [{ 'cpu.mode': 'user' }, 11.5],
    [{ 'cpu.mode': 'system' }, 2.25],
  ],
  'tidegauge.cpu.limit': 2,
  'process.memory.usage': 90 * MIB,
  'v8js.memory.heap.used': [
    [{ 'v8js.heap.space.name': 'new_space' }, 3 * MIB],
    [{ 'v8js.heap.space.name': 'old_space' }, 5 * MIB],
  ],
  'v8js.memory.heap.space.size': [
    [{ 'v8js.heap.space.name': 'new_space' }, 4 * MIB],
    [{ 'v8js.heap.space.name': 'old_space' }, 8.5 * MIB],
  ],
  'v8js.memory.heap.space.available_size': [
    [{ 'v8js.heap.space.name': 'new_space' }, 1 * MIB],
    [{ 'v8js.heap.space.name': 'old_space' }, 3.5 * MIB],
  ],
  'v8js.memory.heap.space.physical_size': [
    [{ 'v8js.heap.space.name': 'new_space' }, 3.75 * MIB],
    [{ 'v8js.heap.space.name': 'old_space' }, 8.25 * MIB],
  ],
  'tidegauge.v8.heap.limit': 4096 * MIB,
  'tidegauge.v8.memory.external': 1_700_000,
  'tidegauge.v8.memory.array_buffer': 650_000,
  'tidegauge.v8.memory.allocated': 99_999_999,
  'tidegauge.go.memory': [
    [{ 'tidegauge.go.kind': 'heap_alloc' }, 8 * MIB],
    [{ 'tidegauge.go.kind': 'heap_sys' }, 12.5 * MIB],
    [{ 'tidegauge.go.kind': 'heap_idle' }, 4.25 * MIB],
    [{ 'tidegauge.go.kind': 'heap_inuse' }, 8.25 * MIB],
    [{ 'tidegauge.go.kind': 'heap_released' }, 0.125 * MIB],
    [{ 'tidegauge.go.kind': 'stack_inuse' }, 135_168],
    [{ 'tidegauge.go.kind': 'sys_total' }, 90.125 * MIB],
  ],
  'tidegauge.v8.gc.count': [
    [{ 'v8js.gc.type': 'major' }, 2],
    [{ 'v8js.gc.type': 'minor' }, 5],
    [{ 'v8js.gc.type': 'incremental' }, 11],
    [{ 'v8js.gc.type': 'weakcb' }, 1],
  ],
  'tidegauge.v8.gc.time': [
    [{ 'v8js.gc.type': 'major' }, 0.0625],
    [{ 'v8js.gc.type': 'minor' }, 0.03125],
    [{ 'v8js.gc.type': 'incremental' }, 0.0234375],
    [{ 'v8js.gc.type': 'weakcb' }, 0.0078125],
  ],
  'nodejs.eventloop.utilization': 0.375,
  'nodejs.eventloop.delay.p50': 0.0001,
  'nodejs.eventloop.delay.p99': 0.0012,
  'nodejs.eventloop.delay.max': 0.0048,
  'v8js.resource.active': [
    [{ 'v8js.resource.type': 'TCPSocketWrap' }, 19],
    [{ 'v8js.resource.type': 'Timeout' }, 4],
    [{ 'v8js.resource.type': 'other' }, 0],
  ],
  'tidegauge.container.cpu.throttled.time': 1.75,
  'tidegauge.sampler.window.age': 3.5,
  'tidegauge.connection.active': 6,
  'tidegauge.connection.opened': 16,
  'tidegauge.connection.peak': 9,
  'tidegauge.connection.time': 724,
  'tidegauge.connection.state': [
    [{ 'tidegauge.connection.state': 'open' }, 2],
    [{ 'tidegauge.connection.state': 'congested' }, 1],
    [{ 'tidegauge.connection.state': 'closing' }, 3],
  ],
  'tidegauge.handshake.active': 12,
  'tidegauge.messages': [
    [{ 'network.io.direction': 'receive' }, 340],
    [{ 'network.io.direction': 'transmit' }, 1250],
  ],
  'tidegauge.io': [
    [{ 'network.io.direction': 'receive', 'tidegauge.io.layer': 'payload' }, 34_000],
    [{ 'network.io.direction': 'transmit', 'tidegauge.io.layer': 'payload' }, 125_000],
    [{ 'network.io.direction': 'receive', 'tidegauge.io.layer': 'wire' }, 38_000],
    [{ 'network.io.direction': 'transmit', 'tidegauge.io.layer': 'wire' }, 130_000],
  ],
  'tidegauge.flush.pending': 17,
  'tidegauge.dedupe.entries': 401,
  'tidegauge.ready': [
    [{ 'tidegauge.ready.reason': 'starting' }, 0],
    [{ 'tidegauge.ready.reason': 'draining' }, 0],
    [{ 'tidegauge.ready.reason': 'bus' }, 0],
    [{ 'tidegauge.ready.reason': 'capacity' }, 0],
  ],
  'messaging.client.consumed.messages': [
    [{ 'messaging.system': 'nats', 'messaging.operation.name': 'receive' }, 777],
  ],
  'messaging.client.sent.messages': [
    [{ 'messaging.system': 'nats', 'messaging.operation.name': 'publish' }, 55],
  ],
  'tidegauge.bus.io': [
    [{ 'network.io.direction': 'receive' }, 77_700],
    [{ 'network.io.direction': 'transmit' }, 5_500],
  ],
  'tidegauge.bus.reconnects': 8,
  'tidegauge.bus.state': [
    [{ 'tidegauge.bus.state': 'connected' }, 1],
    [{ 'tidegauge.bus.state': 'connecting' }, 0],
    [{ 'tidegauge.bus.state': 'reconnecting' }, 0],
    [{ 'tidegauge.bus.state': 'draining' }, 0],
    [{ 'tidegauge.bus.state': 'closed' }, 0],
  ],
};

/** A collection in which one of an instrument's points is 1 and the others are 0. */
export function withOneOf(name: string, attribute: string, value: string | undefined): LiteralReadings {
  const points = fullReadings[name] as readonly Point[];
  return {
    ...fullReadings,
    [name]: points.map(([attributes]): Point => [attributes, attributes[attribute] === value ? 1 : 0]),
  };
}
