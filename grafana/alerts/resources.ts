/** Is there room left in the process and in its container? */
import { Series } from '../series.ts';
import { type Alerts, instanceLabels, percentage, theInstance } from './rule.ts';

const series = new Series();
const on = { on: instanceLabels };

/** Others export series of these names too, the kubelet for one; what is meant is what stands beside our own. */
const ours = series.level('tidegauge.connection.limit').max(...instanceLabels);

export const resourceAlerts = {
  TidegaugeSaturated: {
    severity: 'warning',
    scope: 'instance',
    // Memory has alerts of its own, with limits that it dies at.
    expr: series
      .levelOverTime('avg', 'tidegauge.saturation', '5m', { 'tidegauge.resource': { not: 'memory' } })
      .max(...instanceLabels, 'tidegauge.resource')
      .where('>', 0.9),
    for: '10m',
    summary: `${theInstance} is full: {{ $labels.tidegauge_resource }}`,
    description: `${theInstance} uses ${percentage} of "{{ $labels.tidegauge_resource }}" (mean of 5 minutes).`,
    panel: { dashboard: 'tidegauge-fleet', title: 'Saturation, fullest instance' },
  },
  TidegaugeEventLoopLate: {
    severity: 'warning',
    scope: 'instance',
    // A flush lets the loop turn after 8 ms, however much there is to write: load alone does not make it late.
    expr: series
      .levelOverTime('avg', 'nodejs.eventloop.delay.p99', '5m')
      .max(...instanceLabels)
      .and(ours, on)
      .where('>', 0.1),
    for: '5m',
    summary: `The event loop of ${theInstance} is late`,
    description: `The event loop of ${theInstance} comes round {{ $value | humanizeDuration }} late (99th percentile, mean of 5 minutes). Every message waits for it.`,
    panel: { dashboard: 'tidegauge-instance', title: 'Event loop delay p99' },
  },
  TidegaugeMemoryNearLimit: {
    severity: 'critical',
    scope: 'instance',
    expr: series
      .level('container.memory.working_set')
      .max(...instanceLabels)
      .dividedBy(series.level('tidegauge.container.memory.limit').max(...instanceLabels), on)
      .where('>', 0.9),
    for: '5m',
    summary: `${theInstance} is near its memory limit`,
    description: `The container of ${theInstance} uses ${percentage} of its memory limit. At 100% the kernel kills it, and all of its clients are cut off without a word.`,
    panel: { dashboard: 'tidegauge-instance', title: 'How near to a limit' },
  },
  TidegaugeHeapNearLimit: {
    severity: 'critical',
    scope: 'instance',
    // Garbage counts as used until it is collected; a heap that is only full of it falls back within this time.
    expr: series
      .level('v8js.memory.heap.used')
      .sum(...instanceLabels)
      .dividedBy(series.level('tidegauge.v8.heap.limit').max(...instanceLabels), on)
      .where('>', 0.9),
    for: '5m',
    summary: `The heap of ${theInstance} is near its limit`,
    description: `The JavaScript heap of ${theInstance} uses ${percentage} of its limit. At 100% the process ends, and all of its clients are cut off without a word.`,
    panel: { dashboard: 'tidegauge-instance', title: 'How near to a limit' },
  },
  TidegaugeCpuThrottled: {
    severity: 'warning',
    scope: 'instance',
    // Without a quota there are no periods: nothing, or nothing by nothing, and neither is more than the bound.
    expr: series
      .rate('tidegauge.container.cpu.throttled.periods', '5m')
      .max(...instanceLabels)
      .dividedBy(series.rate('tidegauge.container.cpu.periods', '5m').max(...instanceLabels), on)
      .where('>', 0.25),
    for: '15m',
    summary: `${theInstance} is throttled`,
    description: `The container of ${theInstance} was stopped for want of CPU quota in ${percentage} of its periods. Deliveries wait meanwhile.`,
    panel: { dashboard: 'tidegauge-instance', title: 'Throttled' },
  },
} as const satisfies Alerts;
