/**
 * The fields of the JSON documents, each explained: which instruments it is computed from, what it counts, and what
 * the field of that name meant in the original, a server in Go. A declaration for the page of instruments; the
 * documents themselves are rendered elsewhere, and a test holds the two together, key by key and source by source.
 *
 * Keys are paths into the document. `[]` stands for each row of a list, and `*` for names that are themselves data.
 */
import type { InstrumentName } from './catalogue.ts';

export type LegacyField = {
  /** Instruments, or what else it comes from, in words. */
  from: readonly InstrumentName[] | string;
  shows: string;
  /** How it differs from Go's, for somebody who knows the original. */
  original: string;
};

export type LegacyFields = Readonly<Record<string, LegacyField>>;

const same = 'The same.';
const clock = 'the wall clock at the collection';
const table = 'the row of the connection table, at the instant of the totals';
const noCounterpart =
  'The length of a queue of its hub. There is no such queue here; this is the nearest to it.';
const emptyObject = 'There was an empty object in its place.';
const liveOnly =
  'The sum over the connections that were open, so it fell when one closed; and it was never fed.';

const timestamp: LegacyField = { from: clock, shows: 'Unix time in whole seconds.', original: same };
const uptime: LegacyField = {
  from: ['process.uptime'],
  shows: 'Seconds since the process started, on the monotonic clock.',
  original: 'It stood at 0.',
};
const active: LegacyField = {
  from: ['tidegauge.connection.active'],
  shows: 'Connections open now, those that are closing included.',
  original: same,
};
const goroutines: LegacyField = {
  from: ['v8js.resource.active'],
  shows:
    'Sockets, timers and requests that keep the event loop alive: one for each connection, and a few. Of more than a thousand it is a count that is up to twice as many milliseconds old.',
  original:
    'Live goroutines. In both it grows with the connections, and if it never falls again, something leaks.',
};
const cpuPercent: LegacyField = {
  from: ['process.cpu.utilization'],
  shows:
    'CPU used by this process, 100 being all that it may use (affinity or quota), over the last window of the sampler. Cut at 100; the instrument is not.',
  original:
    'The use of all CPUs of the machine, by whomever; and asking for it held up the reader for a second.',
};
const heapAlloc = {
  from: ['tidegauge.go.memory'],
  original: 'Bytes of allocated objects, among them what the collector has not swept yet. The same idea.',
} as const;
const heapAllocShows =
  'Bytes in use within the heap spaces of V8: objects, dead ones until they are collected';
const heapSys = {
  from: ['tidegauge.go.memory'],
  shows: 'Size of all heap spaces: idle + inuse, always.',
  original: 'Address space that the heap had obtained from the system. The same idea.',
} as const;
const heapIdle = {
  from: ['tidegauge.go.memory'],
  shows: 'Heap without objects: pages that were never touched, or what is free within the spaces.',
  original:
    'Whole spans without a single object. V8 tells free bytes, not free spans, so it is an estimate here.',
} as const;
const heapInuse = {
  from: ['tidegauge.go.memory'],
  shows: 'The heap less what is idle; never less than what is allocated.',
  original: 'Whole spans with at least one object. An estimate here, for the same reason.',
} as const;
const stackInuse = {
  from: ['tidegauge.go.memory'],
  shows: 'Stack of the main thread; 0 where the system does not tell (Linux does).',
  original: 'The stacks of all goroutines. There is one thread of JavaScript here, and no goroutine.',
} as const;
const sysTotal = {
  from: ['tidegauge.go.memory'],
  shows: 'Resident memory, swapped memory, and what the heap has released.',
  original:
    "Address space that Go's runtime had reserved, resident or not. Here it is memory really held, Buffers and code included.",
} as const;
const gcCount: LegacyField = {
  from: ['tidegauge.v8.gc.count'],
  shows:
    'Completed collections, minor and major, since the gateway started. Incremental steps are parts of major ones and do not count.',
  original: 'Full cycles only. V8 also collects the young generation by itself, many times a minute.',
};
const gcShare = {
  from: ['tidegauge.v8.gc.time', 'process.uptime', 'tidegauge.cpu.limit'],
  original:
    "The collector's share of the CPU including its background workers. Here it is pauses only; see tidegauge.process.thread.cpu.time for the helpers.",
} as const;

/** /metrics/system, and two sections of /metrics/enhanced. */
const systemFields: LegacyFields = {
  'system.memory.heap_alloc_mb': { ...heapAlloc, shows: `${heapAllocShows}. MiB, as all fields in mb.` },
  'system.memory.heap_sys_mb': heapSys,
  'system.memory.heap_idle_mb': heapIdle,
  'system.memory.heap_inuse_mb': heapInuse,
  'system.memory.heap_released_mb': {
    from: ['tidegauge.go.memory'],
    shows: 'Heap pages that are not backed by memory; never more than what is idle. Practically 0.',
    original:
      'Memory given back to the system. V8 gives pages back out of its spaces or keeps them pooled, and neither is told.',
  },
  'system.memory.stack_inuse_mb': stackInuse,
  'system.memory.sys_total_mb': sysTotal,
  'system.memory.gc_count': gcCount,
  'system.memory.gc_cpu_percent': {
    ...gcShare,
    shows: '100 x seconds of pauses / (uptime x CPU limit), since the start.',
  },
  'system.memory.goroutines': goroutines,
  'system.cpu.percent': cpuPercent,
  'system.cpu.cores': {
    from: 'the CPUs that the process may be scheduled on, a whole number, at least 1',
    shows: 'CPUs. The share of them that a quota leaves is tidegauge.cpu.limit.',
    original: 'CPUs by affinity alone. Here a quota of cgroup v2 counts too.',
  },
  'performance.memory_mb': {
    from: ['tidegauge.go.memory'],
    shows: 'The same as system.memory.heap_alloc_mb.',
    original: same,
  },
  'performance.cpu_percent': { ...cpuPercent, shows: 'The same as system.cpu.percent.' },
  'performance.goroutines': { ...goroutines, shows: 'The same as system.memory.goroutines.' },
  'performance.active_conns': { ...active, shows: 'Connections open now.' },
};

const statsFields: LegacyFields = {
  'connections.active': active,
  'system.memory.heap_alloc': { ...heapAlloc, shows: `${heapAllocShows}.` },
  'system.goroutines': goroutines,
  'nats.InMsgs': {
    from: ['messaging.client.consumed.messages'],
    shows: 'Messages that came from the bus, the embedded one too, before duplicates are dropped.',
    original: same,
  },
  'nats.OutMsgs': {
    from: ['messaging.client.sent.messages'],
    shows: 'Messages published to the bus.',
    original: same,
  },
  'nats.InBytes': {
    from: ['tidegauge.bus.io'],
    shows: 'Payload bytes that came from the bus.',
    original: same,
  },
  'nats.OutBytes': {
    from: ['tidegauge.bus.io'],
    shows: 'Payload bytes published to the bus.',
    original: same,
  },
  'nats.Reconnects': {
    from: ['tidegauge.bus.reconnects'],
    shows: 'Times that the connection to the bus was made again. The embedded bus has none.',
    original: same,
  },
  'hub.connected_clients': { ...active, shows: 'The same as connections.active.' },
  'hub.seen_nonces': {
    from: ['tidegauge.dedupe.entries'],
    shows: 'Messages remembered in the duplicate window, which is bounded in time and number.',
    original: 'Nonces remembered. Here it is message ids, and nonces where that is switched on.',
  },
  'hub.broadcast_queue': {
    from: ['tidegauge.flush.pending'],
    shows: 'Messages taken from the bus that wait for the next flush.',
    original: noCounterpart,
  },
  'hub.register_queue': {
    from: ['tidegauge.handshake.active'],
    shows: 'WebSocket handshakes in progress.',
    original: noCounterpart,
  },
  'hub.unregister_queue': {
    from: ['tidegauge.connection.state'],
    shows: 'Connections whose close is in progress.',
    original: noCounterpart,
  },
  uptime_seconds: uptime,
};

const enhancedFields: LegacyFields = {
  timestamp,
  uptime_seconds: uptime,
  last_update: {
    from: ['tidegauge.sampler.window.age'],
    shows: 'Unix time in whole seconds at which the sampler last closed a window: the age of CPU and delay.',
    original:
      'The age of every figure, since it collected now and then. Here all others are read at the moment of asking.',
  },
  'connections.active': active,
  'connections.total': {
    from: ['tidegauge.connection.opened'],
    shows: 'Connections opened since the start, those that have ended included.',
    original: same,
  },
  'connections.peak': {
    from: ['tidegauge.connection.peak'],
    shows: 'The most that were open at once since the start.',
    original: same,
  },
  'connections.messages_sent_total': {
    from: ['tidegauge.messages'],
    shows: 'Data messages handed to sockets since the start, our own words (welcome, pong, gap) included.',
    original: liveOnly,
  },
  'connections.messages_recv_total': {
    from: ['tidegauge.messages'],
    shows: 'Data messages taken from clients since the start. Pings and other control frames do not count.',
    original: liveOnly,
  },
  'connections.bytes_sent_total': {
    from: ['tidegauge.io'],
    shows:
      'Payload bytes of those sent messages, without frame headers. tidegauge.io also has the wire bytes.',
    original: liveOnly,
  },
  'connections.bytes_recv_total': {
    from: ['tidegauge.io'],
    shows: 'Payload bytes of those received messages.',
    original: liveOnly,
  },
  'connections.avg_duration_sec': {
    from: ['tidegauge.connection.time', 'tidegauge.connection.opened'],
    shows:
      'Mean over all connections since the start: lifetime of the ended ones, age of those that are open.',
    original: 'Over the open ones only, which says little where clients come and go.',
  },
  'connections.connections[].id': {
    from: table,
    shows: 'The clientId that the client got in its first message.',
    original: same,
  },
  'connections.connections[].remote_addr': {
    from: table,
    shows: 'Address and port of the peer.',
    original: same,
  },
  'connections.connections[].duration_sec': {
    from: table,
    shows: 'Seconds since the upgrade.',
    original: same,
  },
  'connections.connections[].messages_sent': {
    from: table,
    shows: 'As messages_sent_total, of this connection.',
    original: 'It stood at 0.',
  },
  'connections.connections[].messages_recv': {
    from: table,
    shows: 'As messages_recv_total, of this connection.',
    original: 'It stood at 0.',
  },
  'connections.connections[].bytes_sent': {
    from: table,
    shows: 'As bytes_sent_total, of this connection.',
    original: 'It stood at 0.',
  },
  'connections.connections[].bytes_recv': {
    from: table,
    shows: 'As bytes_recv_total, of this connection.',
    original: 'It stood at 0.',
  },
  'connections.connections[].idle_sec': {
    from: table,
    shows: 'Seconds since the last message in either direction; since the upgrade if there was none.',
    original: 'It read 292 years.',
  },
  'connections.connections_truncated': {
    from: 'the connection table, at the instant of the totals',
    shows: 'Whether there are more connections of those that were asked for than the list has.',
    original: 'There was no such field, and no bound on the list.',
  },
  'connections.connections_next': {
    from: 'the connection table, at the instant of the totals',
    shows: 'The cursor that leads to more of them; null where there are none.',
    original: 'There was no such field.',
  },
  ...systemFields,
  ...runtimeFields(),
  'runtime.timestamp': { ...timestamp, original: 'There was none.' },
};

function runtimeFields(): LegacyFields {
  const runtime = (from: InstrumentName, shows: string): LegacyField => ({
    from: [from],
    shows,
    original: emptyObject,
  });
  return {
    'runtime.memory.heap_used': runtime('v8js.memory.heap.used', 'Bytes in use, over all heap spaces.'),
    'runtime.memory.heap_total': runtime('v8js.memory.heap.space.size', 'Size of all heap spaces in bytes.'),
    'runtime.memory.heap_limit': runtime('tidegauge.v8.heap.limit', 'Heap size at which the process dies.'),
    'runtime.memory.external': runtime(
      'tidegauge.v8.memory.external',
      'Bytes outside the heap, with Buffers.',
    ),
    'runtime.memory.array_buffers': runtime('tidegauge.v8.memory.array_buffer', 'The part of it in Buffers.'),
    'runtime.memory.rss': runtime('process.memory.usage', 'Resident memory in bytes.'),
    'runtime.memory.spaces.*.used': runtime('v8js.memory.heap.used', 'Bytes in use in a heap space.'),
    'runtime.memory.spaces.*.size': runtime('v8js.memory.heap.space.size', 'Its size.'),
    'runtime.memory.spaces.*.available': runtime(
      'v8js.memory.heap.space.available_size',
      'What can be allocated without growing it.',
    ),
    'runtime.memory.spaces.*.physical': runtime(
      'v8js.memory.heap.space.physical_size',
      'What of it is backed by memory.',
    ),
    'runtime.gc.count.*': runtime('tidegauge.v8.gc.count', 'Collections since the gateway started, by type.'),
    'runtime.gc.pause_seconds.*': runtime(
      'tidegauge.v8.gc.time',
      'Seconds of pauses since the gateway started, by type.',
    ),
    'runtime.scheduler.event_loop_utilization': runtime(
      'nodejs.eventloop.utilization',
      'Share of the last window in which the event loop worked, 0 to 1.',
    ),
    'runtime.scheduler.delay_p50_seconds': runtime(
      'nodejs.eventloop.delay.p50',
      'Half of the turns of the loop in the last window were late by no more.',
    ),
    'runtime.scheduler.delay_p99_seconds': runtime(
      'nodejs.eventloop.delay.p99',
      'All but one of a hundred were late by no more.',
    ),
    'runtime.scheduler.delay_max_seconds': runtime('nodejs.eventloop.delay.max', 'The worst turn.'),
    'runtime.scheduler.active_resources': runtime('v8js.resource.active', 'As goroutines, by its own name.'),
    'runtime.cpu.user_seconds': runtime('process.cpu.time', 'CPU seconds of this process since its start.'),
    'runtime.cpu.system_seconds': runtime('process.cpu.time', 'The same within the kernel.'),
    'runtime.cpu.limit_cores': runtime('tidegauge.cpu.limit', 'CPUs that the process may use, a fraction.'),
    'runtime.cpu.throttled_seconds': runtime(
      'tidegauge.container.cpu.throttled.time',
      'Seconds for which the quota kept the container off a CPU; absent without a control group.',
    ),
  };
}

const healthFields: LegacyFields = {
  status: {
    from: ['tidegauge.ready', 'tidegauge.bus.state'],
    shows: 'healthy; degraded while the bus is away for less than the grace; unhealthy (503) when not ready.',
    original: 'Not to be relied on.',
  },
  timestamp,
  uptime,
  'reasons[]': {
    from: ['tidegauge.ready'],
    shows: 'Why it is not ready, in the words of the readiness probe.',
    original: 'It gave none.',
  },
  'services.websocket.status': {
    from: ['tidegauge.ready'],
    shows: 'unhealthy from the beginning of a drain on, and while all places are taken.',
    original: 'Not to be relied on.',
  },
  'services.websocket.clients': active,
  'services.nats.status': {
    from: ['tidegauge.bus.state'],
    shows: 'connected, connecting, reconnecting, draining or closed. The embedded bus is connected.',
    original: same,
  },
  'services.nats.connected': {
    from: ['tidegauge.bus.state'],
    shows: 'Whether that is connected.',
    original: same,
  },
  'system.goroutines': goroutines,
  'system.memory.alloc': { ...heapAlloc, shows: 'The same as heap_alloc.', original: same },
  'system.memory.total_alloc': {
    from: ['tidegauge.v8.memory.allocated'],
    shows: 'Bytes allocated on the heap since the start, whether still in use or not (0 before Node 26).',
    original: same,
  },
  'system.memory.sys': sysTotal,
  'system.memory.heap_alloc': { ...heapAlloc, shows: `${heapAllocShows}.` },
  'system.memory.heap_sys': heapSys,
  'system.memory.heap_idle': heapIdle,
  'system.memory.heap_inuse': heapInuse,
  'system.memory.stack_inuse': stackInuse,
  'system.memory.stack_sys': {
    ...stackInuse,
    shows: 'The same as stack_inuse.',
    original: 'stack_inuse, and the stacks of threads that the system had made.',
  },
  'system.memory.num_gc': gcCount,
  'system.memory.gc_cpu_fraction': {
    ...gcShare,
    shows: 'Seconds of pauses / (uptime x CPU limit), since the start; 0 to 1.',
  },
};

/** By the path of the document. */
export const legacyDocuments = {
  '/stats': statsFields,
  '/metrics/enhanced': enhancedFields,
  '/metrics/system': { timestamp, ...systemFields },
  '/health': healthFields,
} as const satisfies Record<string, LegacyFields>;
