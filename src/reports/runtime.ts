/**
 * The runtime section of GET /metrics/enhanced: V8 and the event loop in their own words, without a translation
 * into Go's. Unlike the older sections it promises no figure that the platform cannot tell: such a key is left
 * out. Bytes and seconds throughout.
 */
import { unixSeconds } from './amounts.ts';
import type { Readings } from './readings.ts';

type Figure = number | undefined;

export type HeapSpaceSection = { used: Figure; size: Figure; available: Figure; physical: Figure };

export type RuntimeSection = {
  memory: {
    heap_used: Figure;
    heap_total: Figure;
    heap_limit: Figure;
    external: Figure;
    array_buffers: Figure;
    rss: Figure;
    spaces: Record<string, HeapSpaceSection>;
  };
  gc: { count: Record<string, number>; pause_seconds: Record<string, number> };
  scheduler: {
    event_loop_utilization: Figure;
    delay_p50_seconds: Figure;
    delay_p99_seconds: Figure;
    delay_max_seconds: Figure;
    active_resources: Figure;
  };
  cpu: { user_seconds: Figure; system_seconds: Figure; limit_cores: Figure; throttled_seconds: Figure };
  /** Unix seconds. */
  timestamp: number;
};

export function runtimeSection(readings: Readings): RuntimeSection {
  return {
    memory: {
      heap_used: readings.sum('v8js.memory.heap.used'),
      heap_total: readings.sum('v8js.memory.heap.space.size'),
      heap_limit: readings.value('tidegauge.v8.heap.limit'),
      external: readings.value('tidegauge.v8.memory.external'),
      array_buffers: readings.value('tidegauge.v8.memory.array_buffer'),
      rss: readings.value('process.memory.usage'),
      spaces: heapSpaces(readings),
    },
    gc: {
      count: byAttribute(readings, 'tidegauge.v8.gc.count', 'v8js.gc.type'),
      pause_seconds: byAttribute(readings, 'tidegauge.v8.gc.time', 'v8js.gc.type'),
    },
    scheduler: {
      event_loop_utilization: readings.value('nodejs.eventloop.utilization'),
      delay_p50_seconds: readings.value('nodejs.eventloop.delay.p50'),
      delay_p99_seconds: readings.value('nodejs.eventloop.delay.p99'),
      delay_max_seconds: readings.value('nodejs.eventloop.delay.max'),
      active_resources: readings.sum('v8js.resource.active'),
    },
    cpu: {
      user_seconds: readings.value('process.cpu.time', { 'cpu.mode': 'user' }),
      system_seconds: readings.value('process.cpu.time', { 'cpu.mode': 'system' }),
      limit_cores: readings.value('tidegauge.cpu.limit'),
      throttled_seconds: readings.value('tidegauge.container.cpu.throttled.time'),
    },
    timestamp: unixSeconds(readings.timestampMs),
  };
}

const spaceName = 'v8js.heap.space.name';

function heapSpaces(readings: Readings): Record<string, HeapSpaceSection> {
  return Object.fromEntries(
    readings.points('v8js.memory.heap.used').map(({ attributes, value }) => [
      String(attributes[spaceName]),
      {
        used: value,
        size: readings.value('v8js.memory.heap.space.size', attributes),
        available: readings.value('v8js.memory.heap.space.available_size', attributes),
        physical: readings.value('v8js.memory.heap.space.physical_size', attributes),
      },
    ]),
  );
}

/** The points of an instrument that has one attribute, by that attribute's value. */
function byAttribute(readings: Readings, name: string, attribute: string): Record<string, number> {
  return Object.fromEntries(
    readings.points(name).map(({ attributes, value }) => [String(attributes[attribute]), value]),
  );
}
