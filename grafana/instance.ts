/**
 * Instance: what does one process do, and what does it run short of? Loop, CPU, memory from the heap outwards to the
 * container, garbage collection. What is a level of a process has a line for each instance that is chosen; what adds up
 * is added up over them.
 */
import { areas, type Dashboard, figure, lines, signal } from './panels.ts';
import { targetLabels } from './promql.ts';
import { pointsOverlap, quantile, series, step } from './surroundings.ts';
import { collecting, fullness, loopDelay, noneAsARule, noneAtAll, throttled } from './thresholds.ts';

const reasonsNotReady = series.level('tidegauge.ready').sum(...targetLabels);
const heapUsed = series.level('v8js.memory.heap.used');
const heapPhysical = series.level('v8js.memory.heap.space.physical_size');
const external = series.level('tidegauge.v8.memory.external');
const arrayBuffers = series.level('tidegauge.v8.memory.array_buffer');
const malloced = series.level('tidegauge.v8.memory.malloced');
const resident = series.level('process.memory.usage');
const workingSet = series.level('container.memory.working_set');
const containerLimit = series.level('tidegauge.container.memory.limit');
const loopTime = series.rate('nodejs.eventloop.time', step);
const periods = series.rate('tidegauge.container.cpu.periods', step);

/** By the number of reasons against it. */
const readiness = {
  '0': { text: 'ready', color: 'green' },
  '1': { text: 'not ready', color: 'orange' },
  '2': { text: 'not ready', color: 'orange' },
  '3': { text: 'not ready', color: 'orange' },
  '4': { text: 'not ready', color: 'orange' },
} as const;
const noContainer = 'no control group';
const noLimit = 'no limit';

export const instance: Dashboard = {
  uid: 'tidegauge-instance',
  title: 'Tidegauge / Instance',
  description:
    'What does a process do, and what does it run short of? Choose one instance for the whole story, or several to compare.',
  rows: [
    {
      title: undefined,
      panels: [
        figure('Up for', 3, [{ ask: series.level('process.uptime').min(), legend: 'shortest' }], {
          unit: 'dtdurations',
          decimals: 0,
          hasGraph: false,
          note: 'Of several instances the youngest.',
        }),
        figure(
          'Version',
          3,
          [{ ask: series.targetInfo().count('service.version'), legend: '{{service_version}}' }],
          {
            unit: 'none',
            showsName: true,
            hasGraph: false,
            note: 'From target_info, which carries what is known of the service.',
          },
        ),
        signal('Readiness', 3, [{ ask: reasonsNotReady.max(), legend: 'reasons' }], {
          unit: 'none',
          thresholds: noneAsARule,
          hasGraph: false,
          mappings: readiness,
          note: 'Whether something keeps it from taking new connections; of several instances the worst.',
        }),
        figure(
          'Connections',
          3,
          [{ ask: series.level('tidegauge.connection.active').sum(), legend: 'open', color: 'blue' }],
          { min: 0 },
        ),
        signal(
          'CPU of its limit',
          3,
          [
            {
              ask: series
                .level('process.cpu.utilization')
                .sum(...targetLabels)
                .max(),
              legend: 'highest',
            },
          ],
          { thresholds: fullness, decimals: 0, min: 0 },
        ),
        signal(
          'Memory of its limit',
          3,
          [
            {
              ask: series.level('tidegauge.saturation', { 'tidegauge.resource': 'memory' }).max(),
              legend: 'highest',
            },
          ],
          { thresholds: fullness, decimals: 0, min: 0, max: 1 },
        ),
        signal(
          'Event loop busy',
          3,
          [{ ask: series.level('nodejs.eventloop.utilization').max(), legend: 'highest' }],
          { thresholds: fullness, decimals: 0, min: 0, max: 1 },
        ),
        signal(
          'Event loop late',
          3,
          [{ ask: series.level('nodejs.eventloop.delay.p99').max(), legend: 'p99' }],
          { thresholds: loopDelay, decimals: 1, min: 0 },
        ),
      ],
    },
    {
      title: 'Event loop',
      panels: [
        lines(
          'Event loop utilization',
          8,
          [
            {
              ask: series.level('nodejs.eventloop.utilization').max(...targetLabels),
              legend: '{{instance}}',
            },
            {
              ask: series
                .rate('nodejs.eventloop.time', step, { 'nodejs.eventloop.state': 'active' })
                .sum()
                .dividedBy(loopTime.sum()),
              legend: 'mean over each step',
              color: 'gray',
              isDashed: true,
            },
          ],
          { max: 1, decimals: 0, thresholds: fullness, showsThresholds: true },
        ),
        lines(
          'Event loop delay p99',
          8,
          [{ ask: series.level('nodejs.eventloop.delay.p99').max(...targetLabels), legend: '{{instance}}' }],
          { thresholds: loopDelay, showsThresholds: true },
        ),
        lines(
          'Event loop delay, how it scatters',
          8,
          [
            { ask: series.level('nodejs.eventloop.delay.max').max(), legend: 'max', color: 'red' },
            { ask: series.level('nodejs.eventloop.delay.p90').max(), legend: 'p90', color: 'orange' },
            { ask: series.level('nodejs.eventloop.delay.mean').max(), legend: 'mean', color: 'blue' },
            { ask: series.level('nodejs.eventloop.delay.p50').max(), legend: 'p50', color: 'light-blue' },
            { ask: series.level('nodejs.eventloop.delay.min').max(), legend: 'min', color: 'green' },
            {
              ask: series.level('nodejs.eventloop.delay.stddev').max(),
              legend: 'standard deviation',
              color: 'gray',
              isDashed: true,
            },
          ],
          { note: 'Of several instances the worst for each line.' },
        ),
      ],
    },
    {
      title: 'CPU and throttling',
      panels: [
        lines(
          'CPU utilization',
          8,
          [
            {
              ask: series.level('process.cpu.utilization').sum(...targetLabels),
              legend: '{{instance}}',
            },
          ],
          { decimals: 0, thresholds: fullness, showsThresholds: true },
        ),
        areas(
          'CPUs used',
          8,
          [
            {
              ask: series.rate('process.cpu.time', step).sum('cpu.mode'),
              legend: '{{cpu_mode}}',
            },
            {
              ask: series.level('tidegauge.cpu.limit').sum(),
              legend: 'limit',
              color: 'red',
              isDashed: true,
            },
          ],
          { unit: 'none', decimals: 2 },
        ),
        areas(
          'CPUs used by kind of thread',
          8,
          [
            {
              ask: series.rate('tidegauge.process.thread.cpu.time', step).sum('tidegauge.thread.role'),
              legend: '{{tidegauge_thread_role}}',
            },
          ],
          { unit: 'none', decimals: 2, absent: 'needs /proc' },
        ),
        lines(
          'Throttled',
          8,
          [
            {
              ask: series
                .rate('tidegauge.container.cpu.throttled.periods', step)
                .sum(...targetLabels)
                .dividedBy(periods.sum(...targetLabels).where('>', 0)),
              legend: '{{instance}}',
            },
            {
              ask: series.rate('tidegauge.container.cpu.throttled.time', step).sum(),
              legend: 'thread seconds lost per second',
              color: 'gray',
              isDashed: true,
            },
          ],
          {
            max: 1,
            decimals: 0,
            thresholds: throttled,
            showsThresholds: true,
            absent: 'no CPU quota',
            note: 'Share of the quota periods in which the container was stopped.',
          },
        ),
        areas(
          'CPUs used by the container',
          8,
          [
            { ask: series.rate('container.cpu.time', step).sum('cpu.mode'), legend: '{{cpu_mode}}' },
            {
              ask: series.rate('process.cpu.time', step).sum(),
              legend: 'this process of it',
              color: 'text',
              isDashed: true,
            },
          ],
          { unit: 'none', decimals: 2, absent: noContainer },
        ),
        lines(
          'Waiting for a resource',
          8,
          [
            {
              ask: series
                .rate('tidegauge.container.pressure.time', step)
                .max('tidegauge.pressure.resource', 'tidegauge.pressure.kind'),
              legend: '{{tidegauge_pressure_resource}}, {{tidegauge_pressure_kind}}',
            },
          ],
          { hidesZeros: true, absent: 'the kernel tells no pressure' },
        ),
        lines('Context switches', 12, [
          {
            ask: series.rate('process.context_switches', step).sum('process.context_switch.type'),
            legend: '{{process_context_switch_type}}',
          },
        ]),
        areas(
          'CPUs of the machine',
          12,
          [
            {
              ask: series
                .rate('system.cpu.time', step, { 'cpu.mode': { not: ['idle', 'iowait'] } })
                .max(...targetLabels, 'cpu.mode')
                .sum('cpu.mode'),
              legend: '{{cpu_mode}}',
            },
            {
              ask: series.level('system.cpu.logical.count').sum(),
              legend: 'CPUs',
              color: 'red',
              isDashed: true,
            },
          ],
          {
            unit: 'none',
            decimals: 2,
            hidesZeros: true,
            note: 'Busy ones, by whomever. Instances on one machine each tell the same.',
          },
        ),
      ],
    },
    {
      title: 'Memory, from the heap to the container',
      panels: [
        areas(
          'What resident memory is made of',
          12,
          [
            { ask: heapUsed.sum(), legend: 'objects on the heap', color: 'blue' },
            {
              ask: heapPhysical.sum().minus(heapUsed.sum()).atLeast(0),
              legend: 'free on the heap',
              color: 'light-blue',
            },
            { ask: arrayBuffers.sum(), legend: 'buffers', color: 'orange' },
            {
              ask: external.sum().minus(arrayBuffers.sum()).atLeast(0),
              legend: 'other external memory',
              color: 'yellow',
            },
            { ask: malloced.sum(), legend: 'V8 itself', color: 'purple' },
            {
              ask: resident
                .sum()
                .minus(heapPhysical.sum())
                .minus(external.sum())
                .minus(malloced.sum())
                .atLeast(0),
              legend: 'the rest: code, stacks, libraries, pooled pages',
              color: 'gray',
            },
            { ask: resident.sum(), legend: 'resident', color: 'text', isDashed: true },
          ],
          { height: 9, note: 'From the inside outwards; together it is what the process holds.' },
        ),
        lines(
          'How near to a limit',
          12,
          [
            {
              ask: heapUsed
                .sum(...targetLabels)
                .dividedBy(series.level('tidegauge.v8.heap.limit').max(...targetLabels))
                .max(),
              legend: 'heap of its limit',
              color: 'blue',
            },
            {
              ask: workingSet
                .max(...targetLabels)
                .dividedBy(containerLimit.max(...targetLabels))
                .max(),
              legend: 'working set of the container',
              color: 'orange',
            },
            {
              ask: resident
                .max(...targetLabels)
                .dividedBy(series.level('system.memory.limit').max(...targetLabels))
                .max(),
              legend: 'resident memory of the machine',
              color: 'gray',
            },
            {
              ask: series
                .level('process.unix.file_descriptor.count')
                .max(...targetLabels)
                .dividedBy(series.level('tidegauge.process.file_descriptor.limit').max(...targetLabels))
                .max(),
              legend: 'file descriptors of their limit',
              color: 'purple',
            },
            {
              ask: series
                .level('tidegauge.connection.active')
                .sum(...targetLabels)
                .dividedBy(series.level('tidegauge.connection.limit').max(...targetLabels))
                .max(),
              legend: 'connections of their limit',
              color: 'green',
            },
          ],
          {
            height: 9,
            max: 1,
            decimals: 0,
            thresholds: fullness,
            showsThresholds: true,
            note: 'Of several instances the one that is nearest. At 1 the heap ends the process, the container is killed, and no more clients get in.',
          },
        ),
        areas(
          'Heap by space',
          8,
          [{ ask: heapUsed.sum('v8js.heap.space.name'), legend: '{{v8js_heap_space_name}}' }],
          { hidesZeros: true },
        ),
        lines('Heap, set aside and used', 8, [
          { ask: series.level('v8js.memory.heap.space.size').sum(), legend: 'set aside', color: 'gray' },
          { ask: heapPhysical.sum(), legend: 'backed by memory', color: 'light-blue' },
          { ask: heapUsed.sum(), legend: 'used', color: 'blue' },
          {
            ask: series.level('v8js.memory.heap.space.available_size').sum(),
            legend: 'available without growing',
            color: 'green',
          },
        ]),
        lines('Allocation on the heap', 8, [
          {
            ask: series.rate('tidegauge.v8.memory.allocated', step).sum(...targetLabels),
            legend: '{{instance}}',
          },
        ]),
        areas(
          'Resident memory by what backs it',
          8,
          [
            {
              ask: series.level('tidegauge.process.memory.resident').sum('tidegauge.memory.kind'),
              legend: '{{tidegauge_memory_kind}}',
            },
            { ask: series.level('tidegauge.process.memory.swap').sum(), legend: 'swapped out', color: 'red' },
            {
              ask: series.level('tidegauge.process.memory.peak').sum(),
              legend: 'peak since the start',
              color: 'gray',
              isDashed: true,
            },
          ],
          { hidesZeros: true, absent: 'needs /proc' },
        ),
        lines(
          'Memory of the container',
          8,
          [
            { ask: series.level('container.memory.usage').sum(), legend: 'usage', color: 'light-blue' },
            { ask: workingSet.sum(), legend: 'working set', color: 'blue' },
            { ask: series.level('container.memory.rss').sum(), legend: 'anonymous', color: 'purple' },
            { ask: series.level('container.memory.available').sum(), legend: 'available', color: 'green' },
            {
              ask: series.level('tidegauge.container.memory.peak').sum(),
              legend: 'peak of usage',
              color: 'gray',
              isDashed: true,
            },
            {
              ask: series.level('tidegauge.container.memory.high').sum(),
              legend: 'high mark',
              color: 'orange',
              isDashed: true,
            },
            { ask: containerLimit.sum(), legend: 'limit', color: 'red', isDashed: true },
          ],
          { absent: noContainer },
        ),
        lines(
          'Memory trouble of the container',
          8,
          [
            {
              ask: series.increase('tidegauge.container.memory.events', step).sum('tidegauge.memory.event'),
              legend: '{{tidegauge_memory_event}}',
            },
            {
              ask: series
                .increase('container.paging.faults', step, { 'system.paging.fault.type': 'major' })
                .sum(),
              legend: 'major page faults',
              color: 'gray',
            },
          ],
          {
            unit: 'short',
            decimals: 0,
            hidesZeros: true,
            absent: noLimit,
            note: pointsOverlap,
          },
        ),
        lines(
          'Page faults',
          12,
          [
            {
              ask: series.rate('process.paging.faults', step).sum('system.paging.fault.type'),
              legend: '{{system_paging_fault_type}}',
            },
          ],
          { hidesZeros: true },
        ),
        areas(
          'Memory of the machine',
          12,
          [
            {
              ask: series
                .level('system.memory.usage')
                .max(...targetLabels, 'system.memory.state')
                .sum('system.memory.state'),
              legend: '{{system_memory_state}}',
            },
            {
              ask: series.level('system.paging.usage', { 'system.paging.state': 'used' }).sum(),
              legend: 'swap used',
              color: 'red',
              isDashed: true,
            },
          ],
          { note: 'Instances on one machine each tell the same.' },
        ),
      ],
    },
    {
      title: 'Garbage collection',
      panels: [
        areas(
          'Time spent collecting',
          8,
          [
            {
              ask: series.rate('tidegauge.v8.gc.time', step).avg('v8js.gc.type'),
              legend: '{{v8js_gc_type}}',
            },
          ],
          {
            hidesZeros: true,
            thresholds: collecting,
            note: 'Share of the time for which JavaScript stood still; of several instances the mean.',
          },
        ),
        lines(
          'Collections',
          8,
          [
            {
              ask: series.rate('tidegauge.v8.gc.count', step).sum('v8js.gc.type'),
              legend: '{{v8js_gc_type}}',
            },
          ],
          { hidesZeros: true },
        ),
        lines('Pauses, p99', 8, [
          {
            ask: quantile(0.99, 'v8js.gc.duration', { by: ['v8js.gc.type'] }),
            legend: '{{v8js_gc_type}}',
          },
        ]),
      ],
    },
    {
      title: 'Process',
      panels: [
        lines('File descriptors', 6, [
          {
            ask: series.level('process.unix.file_descriptor.count').max(...targetLabels),
            legend: '{{instance}}',
          },
        ]),
        lines(
          'Threads',
          6,
          [{ ask: series.level('process.thread.count').max(...targetLabels), legend: '{{instance}}' }],
          {
            decimals: 0,
          },
        ),
        areas(
          'What keeps the loop alive',
          6,
          [
            {
              ask: series.level('v8js.resource.active').sum('v8js.resource.type'),
              legend: '{{v8js_resource_type}}',
            },
          ],
          { hidesZeros: true },
        ),
        lines('Connections, and the most so far', 6, [
          { ask: series.level('tidegauge.connection.active').sum(...targetLabels), legend: '{{instance}}' },
          {
            ask: series.level('tidegauge.connection.peak').max(),
            legend: 'highest peak since a start',
            color: 'gray',
            isDashed: true,
          },
        ]),
      ],
    },
    {
      title: 'Reports and probes',
      panels: [
        areas(
          'HTTP requests',
          8,
          [
            {
              ask: series
                .eventRate('http.server.request.duration', step)
                .sum('http.route', 'http.response.status_code'),
              legend: '{{http_route}} {{http_response_status_code}}',
            },
          ],
          { unit: 'reqps', hidesZeros: true },
        ),
        lines('HTTP requests, p99', 8, [
          {
            ask: quantile(0.99, 'http.server.request.duration', { by: ['http.route'] }),
            legend: '{{http_route}}',
          },
        ]),
        lines('HTTP requests under way', 8, [
          { ask: series.level('http.server.active_requests').sum(...targetLabels), legend: '{{instance}}' },
        ]),
      ],
    },
    {
      title: 'Can the figures be trusted?',
      panels: [
        lines(
          'Accounts that do not add up',
          8,
          [{ ask: series.level('tidegauge.ledger.drift').max(...targetLabels), legend: '{{instance}}' }],
          { unit: 'none', decimals: 0, thresholds: noneAtAll, showsThresholds: true },
        ),
        lines(
          'Figures that could not be read',
          8,
          [
            {
              ask: series
                .increase('tidegauge.telemetry.collection.errors', step)
                .sum('tidegauge.telemetry.source'),
              legend: '{{tidegauge_telemetry_source}}',
            },
          ],
          {
            unit: 'short',
            decimals: 0,
            hidesZeros: true,
            note: pointsOverlap,
          },
        ),
        lines('Age of the sampled figures', 8, [
          { ask: series.level('tidegauge.sampler.window.age').max(...targetLabels), legend: '{{instance}}' },
        ]),
      ],
    },
  ],
};
