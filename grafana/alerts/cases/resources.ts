/** A process, or its container, that runs out of something. */
import type { AttributeValue } from '../../series.ts';
import { type Case, gauge, type Input, input, type Labels, story } from './case.ts';

type Resource = AttributeValue<'tidegauge.saturation', 'tidegauge.resource'>;

const saturation = (resource: Resource, values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.saturation', { 'tidegauge.resource': resource }, values, { target });
const limit = (target: Labels = gauge(0)): Input =>
  input('tidegauge.connection.limit', {}, '50000x120', { target });
const loopDelay = (values: string, target: Labels = gauge(0)): Input =>
  input('nodejs.eventloop.delay.p99', {}, values, { target });
const workingSet = (values: string, target: Labels = gauge(0)): Input =>
  input('container.memory.working_set', {}, values, { target });
const memoryLimit = (target: Labels = gauge(0)): Input =>
  input('tidegauge.container.memory.limit', {}, '1000x120', { target });
const heapUsed = (space: string, values: string, target: Labels = gauge(0)): Input =>
  input('v8js.memory.heap.used', { 'v8js.heap.space.name': space }, values, { target });
const heapLimit = (target: Labels = gauge(0)): Input =>
  input('tidegauge.v8.heap.limit', {}, '1000x120', { target });
const periods = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.container.cpu.periods', {}, values, { target });
const throttled = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.container.cpu.throttled.periods', {}, values, { target });

const isFull = (resource: Resource, share: string) => ({
  labels: { tidegauge_resource: resource },
  summary: `10.0.0.0:9464 of tidegauge is full: ${resource}`,
  description: `10.0.0.0:9464 of tidegauge uses ${share} of "${resource}" (mean of 5 minutes).`,
});
const isLate = {
  summary: 'The event loop of 10.0.0.0:9464 of tidegauge is late',
  description:
    'The event loop of 10.0.0.0:9464 of tidegauge comes round 250ms late (99th percentile, mean of 5 minutes). Every message waits for it.',
};
const isNearLimit = {
  summary: '10.0.0.0:9464 of tidegauge is near its memory limit',
  description:
    'The container of 10.0.0.0:9464 of tidegauge uses 95% of its memory limit. At 100% the kernel kills it, and all of its clients are cut off without a word.',
};
const heapIsNearLimit = {
  summary: 'The heap of 10.0.0.0:9464 of tidegauge is near its limit',
  description:
    'The JavaScript heap of 10.0.0.0:9464 of tidegauge uses 95% of its limit. At 100% the process ends, and all of its clients are cut off without a word.',
};
const isThrottled = {
  summary: '10.0.0.0:9464 of tidegauge is throttled',
  description:
    'The container of 10.0.0.0:9464 of tidegauge was stopped for want of CPU quota in 50% of its periods. Deliveries wait meanwhile.',
};

export const resourceCases: readonly Case[] = [
  story(
    'TidegaugeSaturated',
    'connections and fan-out fill up, and have room again',
    [
      saturation('connections', '0.5x20 0.95x30 0.5x60'),
      saturation('fanout', '0x20 1x30 0x60'),
      saturation('cpu', '0.6x120'),
      saturation('event_loop', '0.89x120'),
    ],
    { '31m': [], '40m': [isFull('connections', '95%'), isFull('fanout', '100%')], '60m': [] },
  ),
  story(
    'TidegaugeSaturated',
    'it is nearly full, or full for a short while; memory has other alerts',
    [
      saturation('connections', '0.89x120'),
      saturation('cpu', '0.2x20 1x8 0.2x90'),
      saturation('memory', '0.99x120'),
    ],
    { '10m': [], '28m': [], '33m': [], '60m': [] },
  ),
  story(
    'TidegaugeEventLoopLate',
    'it is late for a quarter of an hour',
    [limit(), loopDelay('0.002x20 0.25x15 0.002x60')],
    { '25m': [], '28m': [isLate], '33m': [isLate], '45m': [] },
  ),
  story(
    'TidegaugeEventLoopLate',
    'one turn is long, now and then; it is slow as a rule, and not late; another program is late',
    [
      limit(),
      limit(gauge(2)),
      loopDelay('0.08x90', gauge(2)),
      loopDelay('0.002x20 0.9 0.002x9 0.9 0.002x60'),
      loopDelay('2x90', { ...gauge(1), job: 'other' }),
    ],
    { '20m': [], '26m': [], '36m': [], '60m': [] },
  ),
  story(
    'TidegaugeMemoryNearLimit',
    'it fills up, and is replaced',
    [memoryLimit(), workingSet('500x20 950x15 300x60')],
    { '25m': [], '26m': [isNearLimit], '37m': [] },
  ),
  story(
    'TidegaugeMemoryNearLimit',
    'it comes near; there is no limit; the kubelet says something of the same name about the pod',
    [
      memoryLimit(),
      workingSet('890x90'),
      workingSet('999999x90', gauge(1)),
      workingSet('999x90', { ...gauge(0), job: 'kubelet', pod: 'tidegauge-0' }),
    ],
    { '10m': [], '60m': [] },
  ),
  story(
    'TidegaugeHeapNearLimit',
    'what is in use grows',
    [heapLimit(), heapUsed('old_space', '400x20 850x15 300x60'), heapUsed('new_space', '100x100')],
    { '25m': [], '26m': [heapIsNearLimit], '37m': [] },
  ),
  story(
    'TidegaugeHeapNearLimit',
    'garbage goes when it is collected',
    [
      heapLimit(),
      heapUsed('old_space', '400x20 880 890 900 910 300 400 500 600 700 800 880 890 300x60'),
      heapUsed('new_space', '30x100'),
    ],
    { '10m': [], '24m': [], '25m': [], '32m': [] },
  ),
  story(
    'TidegaugeCpuThrottled',
    'every second period is cut short',
    [periods('0+600x120'), throttled('0x20 0+300x30 9000x60')],
    { '35m': [], '45m': [isThrottled], '60m': [] },
  ),
  story(
    'TidegaugeCpuThrottled',
    'every fifth is; every second at the start only; no quota, so no periods',
    [
      periods('0+600x120'),
      throttled('0+120x120'),
      periods('0+600x120', gauge(1)),
      throttled('0+300x12 3600x100', gauge(1)),
      periods('0x120', gauge(2)),
      throttled('0x120', gauge(2)),
    ],
    { '14m': [], '17m': [], '60m': [] },
  ),
];
