/** V8 and the event loop. */
import { gcTypes, goMemoryKinds, resourceTypes } from '../figures.ts';
import type { Declarations } from './declaration.ts';

/** The heap spaces of V8 in Node 26. A space that a later V8 brings is counted as other. */
export const heapSpaces = [
  'read_only_space',
  'new_space',
  'old_space',
  'code_space',
  'shared_space',
  'trusted_space',
  'shared_trusted_space',
  'new_large_object_space',
  'large_object_space',
  'code_large_object_space',
  'shared_large_object_space',
  'shared_trusted_large_object_space',
  'trusted_large_object_space',
  'other',
] as const;
const loopStates = ['active', 'idle'] as const;

const bySpace = {
  kind: 'upDownCounter',
  unit: 'By',
  stability: 'development',
  attributes: [['v8js.heap.space.name', heapSpaces]],
  source: 'v8.getHeapSpaceStatistics(), once per collection',
} as const;

const loopDelay = {
  kind: 'gauge',
  unit: 's',
  stability: 'development',
  not: 'The time a message waits: it is how late the loop came round. A window without a sample reads 0.',
  source:
    'the worse of two: how late a timer fired, four times a second (once where nothing was due), and for how long the work of one turn of the loop kept all else waiting, at each turn; the sampler closes the window',
} as const;

export const runtimeInstruments = {
  'v8js.memory.heap.used': {
    ...bySpace,
    counts: 'Bytes of JavaScript objects, live or not yet collected, by heap space.',
    not: 'Buffers and strings outside the heap; those are tidegauge.v8.memory.external.',
    question: 'Does the program hold on to more and more objects? Look at old_space after major collections.',
  },
  'v8js.memory.heap.space.size': {
    ...bySpace,
    counts: 'Bytes that V8 has set aside for a heap space.',
    not: 'Resident memory: pages that were never touched count here.',
    question: 'How large has the heap grown?',
  },
  'v8js.memory.heap.space.available_size': {
    ...bySpace,
    counts: 'Bytes of a heap space that can be allocated without growing it.',
    not: 'What is left until the heap limit.',
    question: 'Is the heap fragmented: much available, and growing all the same?',
  },
  'v8js.memory.heap.space.physical_size': {
    ...bySpace,
    counts: 'Bytes of a heap space that are backed by memory.',
    not: 'Pages that V8 keeps pooled for later; those show only in process.memory.usage.',
    question: 'How much of the resident memory is heap?',
  },
  'tidegauge.v8.heap.limit': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'ours',
    counts: 'What V8 lets the heap grow to; before it comes to that it gives up, and the process dies.',
    not: 'A limit on Buffers, nor the limit of the container. Up to 96 MiB of it are for young objects alone: a small old space is full well below it.',
    source: 'heap_size_limit of v8.getHeapStatistics()',
    question: 'How near is the heap to its end?',
  },
  'tidegauge.v8.memory.external': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'ours',
    counts: 'Memory outside the heap that belongs to JavaScript objects, Buffers included.',
    not: 'Memory of libraries that do not tell V8 about it.',
    source: 'process.memoryUsage().external',
    question: 'Resident memory grows and the heap does not: is it Buffers?',
  },
  'tidegauge.v8.memory.array_buffer': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'ours',
    counts: 'Memory of ArrayBuffers, and thereby of Buffers: messages under way are here.',
    not: 'An amount beside external: it is a part of it.',
    source: 'process.memoryUsage().arrayBuffers',
    question: 'Do messages pile up in the process?',
  },
  'tidegauge.v8.memory.malloced': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'ours',
    counts: 'Memory that V8 itself has allocated outside its heap.',
    not: 'Memory allocated by Node or by libraries.',
    source: 'malloced_memory of v8.getHeapStatistics()',
    question: 'Is V8 itself what grows?',
  },
  'tidegauge.v8.memory.allocated': {
    kind: 'counter',
    unit: 'By',
    stability: 'ours',
    counts: 'Bytes allocated on the heap since the start, whether still in use or not.',
    not: 'Memory in use. Its rate is what keeps the garbage collector busy.',
    source:
      'by how much the heap spaces have grown; over a collection total_allocated_bytes of v8.getHeapStatistics() (Node 26 and newer), less what V8 adds to it for being asked, which is some hundred kilobytes too much for each of its collections',
    question: 'Why does the collector run so often?',
  },
  'tidegauge.go.memory': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'ours',
    attributes: [['tidegauge.go.kind', goMemoryKinds]],
    counts: "V8's memory put into the words of Go's runtime.MemStats, for clients that know only those.",
    not: 'More exact than the v8js figures, from which it is computed. Kinds overlap, so their sum means nothing.',
    source: 'one v8.getHeapSpaceStatistics(), resident memory, swap and stack of the same instant',
    question: 'What would the old dashboard have shown?',
  },
  'v8js.gc.duration': {
    kind: 'histogram',
    unit: 's',
    stability: 'development',
    attributes: [['v8js.gc.type', gcTypes]],
    boundaries: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    counts: 'How long each garbage collection stopped JavaScript.',
    not: 'Work of helper threads beside JavaScript. Node reports incremental steps only in part.',
    source: "PerformanceObserver, entries of type 'gc', one loop turn late",
    question: 'Are slow answers explained by collections?',
  },
  'tidegauge.v8.gc.time': {
    kind: 'counter',
    unit: 's',
    stability: 'ours',
    attributes: [['v8js.gc.type', gcTypes]],
    counts: 'Seconds that garbage collections have stopped JavaScript, in sum.',
    not: 'Complete for incremental steps; see v8js.gc.duration. Nor does it have the collections while the program is loaded, before the gateway starts.',
    source: 'the same entries as v8js.gc.duration',
    question: 'Which share of the time goes into collecting?',
  },
  'tidegauge.v8.gc.count': {
    kind: 'counter',
    unit: '{gc}',
    stability: 'ours',
    attributes: [['v8js.gc.type', gcTypes]],
    counts: 'Garbage collections that have ended.',
    not: 'Steps of helper threads, or the ten or so collections while the program is loaded, before the gateway starts. Of type incremental it counts steps, which are parts of a major collection.',
    source: 'the same entries as v8js.gc.duration',
    question:
      'How often are objects moved out of the young generation, and how often is everything searched?',
  },
  'nodejs.eventloop.time': {
    kind: 'counter',
    unit: 's',
    stability: 'development',
    attributes: [['nodejs.eventloop.state', loopStates]],
    counts: 'Seconds that the event loop has worked (active) or waited for something to happen (idle).',
    not: 'CPU time: an active loop may itself be waiting for a CPU.',
    source: 'performance.eventLoopUtilization(), cumulative',
    question: 'How busy was the loop over any span that I choose? Take the rate of active.',
  },
  'nodejs.eventloop.utilization': {
    kind: 'gauge',
    unit: '1',
    stability: 'development',
    counts: 'Share of the last window of the sampler in which the event loop worked.',
    not: 'CPU use. At 1 there is always something more to do, and latency grows.',
    source: 'the sampler, from performance.eventLoopUtilization()',
    question: 'How much room is left in this process?',
  },
  'nodejs.eventloop.delay.min': {
    ...loopDelay,
    counts: 'The shortest delay of the event loop in the last window.',
    question: 'Is the loop late even at its best?',
  },
  'nodejs.eventloop.delay.max': {
    ...loopDelay,
    counts: 'The longest delay of the event loop in the last window.',
    question: 'Did something block the loop, and for how long?',
  },
  'nodejs.eventloop.delay.mean': {
    ...loopDelay,
    counts: 'The mean delay of the event loop in the last window.',
    question: 'Is the loop late as a rule?',
  },
  'nodejs.eventloop.delay.stddev': {
    ...loopDelay,
    counts: 'The standard deviation of the delay of the event loop in the last window.',
    question: 'Does the delay scatter?',
  },
  'nodejs.eventloop.delay.p50': {
    ...loopDelay,
    counts: 'Half of the turns in the last window were late by no more than this.',
    question: 'How late is the loop in a typical turn?',
  },
  'nodejs.eventloop.delay.p90': {
    ...loopDelay,
    counts: 'Nine of ten turns in the last window were late by no more than this.',
    question: 'Is it more than single turns that are late?',
  },
  'nodejs.eventloop.delay.p99': {
    ...loopDelay,
    counts: 'All but one of a hundred turns in the last window were late by no more than this.',
    question: 'How bad is the bad case?',
  },
  'v8js.resource.active': {
    kind: 'gauge',
    unit: '{resource}',
    stability: 'development',
    attributes: [['v8js.resource.type', resourceTypes]],
    counts: 'What keeps the event loop alive: sockets, timers, requests to the operating system.',
    not: 'Promises, and timers that were unreferenced. Of more than a thousand the count is up to twice as many milliseconds old, 20 s at 10,000 connections, and up to six times that while the number of open descriptors stays the same to a thousandth.',
    source: 'process.getActiveResourcesInfo(), no more often than costs some ten-thousandth of the time',
    question: 'Which kind of handle leaks?',
  },
} as const satisfies Declarations;
