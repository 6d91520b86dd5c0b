/** Whole fleets, on days on which nobody is to be woken, and one on which a single instance of fifty goes. */
import type { AttributeValue } from '../../series.ts';
import { type Case, type Firing, gauge, type Input, input, type Labels, quiet, story, up } from './case.ts';

type Resource = AttributeValue<'tidegauge.saturation', 'tidegauge.resource'>;
const resources: readonly Resource[] = ['connections', 'memory', 'event_loop', 'cpu', 'fanout'];

type Life = {
  target: Labels;
  /** Minutes; both belong to it. */
  from: number;
  until: number;
  /** What it does at the end: fails to be scraped once more, and is taken from the list. */
  isReplaced?: boolean;
  /** Deliveries a minute; everything else follows from it. */
  traffic?: number;
};

/** Everything that rules ask of one process, from its first scrape to its last. Its start and its drain take a minute. */
function life({ target, from, until, isReplaced = false, traffic = 600_000 }: Life): Input[] {
  const minutes = until - from;
  const before = from === 0 ? '' : `_x${from} `;
  const after = isReplaced ? ' stale' : '';
  const level = (value: number | string): string => `${before}${value}x${minutes}${after}`;
  const counter = (perMinute: number): string => `${before}0+${perMinute}x${minutes}${after}`;
  /** Nothing until the last minute, then so many at once. */
  const atTheEnd = (count: number): string => `${before}0x${minutes - 1} ${count}${after}`;
  const of = { target };
  const drains = isReplaced ? 1 : 0;
  return [
    up(isReplaced ? `${before}1x${minutes} 0 stale` : level(1), target),
    input('tidegauge.connection.limit', {}, level(50_000), of),
    input('process.uptime', {}, counter(60), of),
    input(
      'tidegauge.ready',
      { 'tidegauge.ready.reason': 'starting' },
      `${before}1 0x${minutes - 1}${after}`,
      of,
    ),
    input('tidegauge.ready', { 'tidegauge.ready.reason': 'draining' }, atTheEnd(drains), of),
    input('tidegauge.ready', { 'tidegauge.ready.reason': 'bus' }, level(0), of),
    input('tidegauge.ready', { 'tidegauge.ready.reason': 'capacity' }, level(0), of),
    input(
      'tidegauge.bus.state',
      { 'tidegauge.bus.state': 'connected' },
      `${before}0 1x${minutes - 1}${after}`,
      of,
    ),
    input('tidegauge.bus.reconnects', {}, level(0), of),
    ...resources.map((resource) =>
      input('tidegauge.saturation', { 'tidegauge.resource': resource }, level(0.4), of),
    ),
    input('nodejs.eventloop.delay.p99', {}, level(0.004), of),
    input('container.memory.working_set', {}, level(300e6), of),
    input('tidegauge.container.memory.limit', {}, level(512e6), of),
    input('v8js.memory.heap.used', { 'v8js.heap.space.name': 'old_space' }, level(60e6), of),
    input('tidegauge.v8.heap.limit', {}, level(384e6), of),
    input('tidegauge.container.cpu.periods', {}, counter(traffic === 0 ? 0 : 600), of),
    input('tidegauge.container.cpu.throttled.periods', {}, counter(0), of),
    input('tidegauge.connection.active', {}, level(traffic / 600), of),
    input('tidegauge.connection.opened', {}, counter(traffic / 6_000), of),
    input('tidegauge.connection.closed', { 'tidegauge.close.reason': 'slow_consumer' }, level(0), of),
    input('tidegauge.send_queue.congested', {}, level(0), of),
    input('tidegauge.handshake.begun', {}, counter(traffic / 6_000), of),
    // Whoever comes while it drains is sent to another, and what still waits for clients that are closed is dropped.
    input('tidegauge.handshake.rejections', { 'error.type': 'draining' }, atTheEnd(drains * 500), of),
    input('tidegauge.handshake.rejections', { 'error.type': 'capacity' }, level(0), of),
    input('tidegauge.deliveries.matched', {}, counter(traffic), of),
    input(
      'tidegauge.deliveries.dropped',
      { 'tidegauge.drop.reason': 'closed' },
      atTheEnd(drains * 20_000),
      of,
    ),
    input('tidegauge.deliveries.dropped', { 'tidegauge.drop.reason': 'overload' }, level(0), of),
    input('tidegauge.deliveries.dropped', { 'tidegauge.drop.reason': 'slow_consumer' }, level(0), of),
    input('tidegauge.fanout.duration', {}, counter(traffic / 1_000), { ...of, suffix: '_count' }),
    input('tidegauge.fanout.duration', {}, counter(traffic / 1_000), { ...of, suffix: '_bucket', le: 0.25 }),
    input('tidegauge.ledger.drift', {}, level(0), of),
    input('tidegauge.telemetry.collection.errors', { 'tidegauge.telemetry.source': 'cgroup' }, level(0), of),
  ];
}

const everyFewMinutes = ['5m', '11m', '12m', '13m', '16m', '20m', '25m', '30m', '40m'];

/** Old and new, one after the other, the new one first. */
const rollout = [0, 1, 2].flatMap((number) => [
  ...life({ target: gauge(number), from: 0, until: 12 + 5 * number, isReplaced: true }),
  ...life({ target: gauge(number + 100), from: 10 + 5 * number, until: 45 }),
]);

const alone = gauge(0);
/** The same address before and after: both lives are in the same series. */
const restart = life({ target: alone, from: 0, until: 11, isReplaced: true }).map((first, index) => {
  const second = life({ target: alone, from: 14, until: 45 })[index]!;
  return { series: first.series, values: `${first.values} _ ${second.values.replace(/^_x\d+ /, '')}` };
});

const oneOfFifty: Firing = {
  summary: '10.0.0.0:9464 of tidegauge cannot be scraped',
  description:
    'Prometheus cannot scrape 10.0.0.0:9464 of tidegauge. Its clients have most likely been cut off, and are with the others now.',
};
/** The others are there, and do nothing that matters here. */
const fifty = Array.from({ length: 49 }, (_, index) =>
  life({ target: gauge(index + 1), from: 0, until: 30 }).slice(0, 4),
).flat();
const goes = life({ target: gauge(0), from: 0, until: 10 }).map(({ series, values }) => ({
  series,
  values: series.startsWith('up{') ? `${values} 0x19` : `${values} stale`,
}));

const oneGoes = story('TidegaugeInstanceDown', 'one of fifty', [...fifty, ...goes], {
  '15m': [],
  '16m': [oneOfFifty],
  '30m': [oneOfFifty],
});
const othersQuiet = quiet('', [], ['16m', '30m']).checks.filter(
  ({ alert }) => alert !== 'TidegaugeInstanceDown',
);

export const fleetCases: readonly Case[] = [
  quiet('a rollout of three', rollout, everyFewMinutes),
  quiet('a restart of the only one', restart, everyFewMinutes),
  quiet('nothing to do', life({ target: alone, from: 0, until: 45, traffic: 0 }), everyFewMinutes),
  { ...oneGoes, checks: [...oneGoes.checks, ...othersQuiet] },
  quiet(
    'the first start, with nothing before it',
    life({ target: alone, from: 3, until: 45 }),
    everyFewMinutes,
  ),
];
