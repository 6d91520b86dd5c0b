/**
 * Error budgets that are used up fast, slowly, or hardly. The stories are the same for each promise, told in burn
 * rates; only the figures that they happen to differ.
 */

import type { SloName } from '../recorded.ts';
import type { AlertName } from '../rules.ts';
import { deliveryLatencyBoundary, slos } from '../slo.ts';
import { type Case, type Firing, gauge, type Input, input, type Labels, story } from './case.ts';

/** So long, at this burn rate. */
type Stretch = readonly [minutes: number, burnRate: number];

const eventsPerMinute = 60_000;
/** What the counters have counted before the story begins. */
const past = 1_000_000;

type Subject = {
  alert: AlertName;
  summary: string;
  /** The beginning of the description. */
  soMany: string;
  input(stretches: readonly Stretch[], perMinute?: number, target?: Labels): Input[];
};

const subjects: Readonly<Record<SloName, Subject>> = {
  delivery_latency: {
    alert: 'TidegaugeDeliveryLatencyBudgetBurn',
    summary: 'tidegauge: messages are late',
    soMany: 'So many messages of tidegauge take longer than 250 ms to be written to their listeners',
    input: (stretches, perMinute = eventsPerMinute, target = gauge(0)) => [
      input('tidegauge.fanout.duration', {}, all(stretches, perMinute), { target, suffix: '_count' }),
      input('tidegauge.fanout.duration', {}, good(stretches, perMinute, 'delivery_latency'), {
        target,
        suffix: '_bucket',
        le: deliveryLatencyBoundary,
      }),
    ],
  },
  undropped_deliveries: {
    alert: 'TidegaugeDeliveryDropBudgetBurn',
    summary: 'tidegauge: deliveries are dropped',
    soMany: 'So many deliveries of tidegauge are dropped',
    input: (stretches, perMinute = eventsPerMinute, target = gauge(0)) => [
      input('tidegauge.deliveries.matched', {}, all(stretches, perMinute), { target }),
      input(
        'tidegauge.deliveries.dropped',
        { 'tidegauge.drop.reason': 'overload' },
        bad(stretches, perMinute, 'undropped_deliveries'),
        { target },
      ),
      // Neither of these breaks the promise, however many they are.
      input(
        'tidegauge.deliveries.dropped',
        { 'tidegauge.drop.reason': 'closed' },
        all(stretches, perMinute),
        {
          target,
        },
      ),
      input(
        'tidegauge.deliveries.dropped',
        { 'tidegauge.drop.reason': 'conflated' },
        all(stretches, perMinute),
        {
          target,
        },
      ),
    ],
  },
  handshake_success: {
    alert: 'TidegaugeHandshakeBudgetBurn',
    summary: 'tidegauge: clients cannot connect',
    soMany: 'So many handshakes with tidegauge fail for want of room',
    input: (stretches, perMinute = eventsPerMinute, target = gauge(0)) => [
      input('tidegauge.connection.opened', {}, good(stretches, perMinute, 'handshake_success'), { target }),
      input(
        'tidegauge.handshake.rejections',
        { 'error.type': 'capacity' },
        bad(stretches, perMinute, 'handshake_success'),
        { target },
      ),
      input(
        'tidegauge.handshake.rejections',
        { 'error.type': 'forbidden_origin' },
        all(stretches, perMinute),
        {
          target,
        },
      ),
      input('tidegauge.handshake.rejections', { 'error.type': 'draining' }, all(stretches, perMinute), {
        target,
      }),
    ],
  },
};

const budget = (slo: SloName): number => 1 - slos[slo].objective;
const all = (stretches: readonly Stretch[], perMinute: number): string =>
  rising(stretches.map(([minutes]) => [minutes, perMinute]));
const bad = (stretches: readonly Stretch[], perMinute: number, slo: SloName): string =>
  rising(stretches.map(([minutes, burn]) => [minutes, Math.round(perMinute * burn * budget(slo))]));
const good = (stretches: readonly Stretch[], perMinute: number, slo: SloName): string =>
  rising(
    stretches.map(([minutes, burn]) => [minutes, perMinute - Math.round(perMinute * burn * budget(slo))]),
  );

/**
 * A counter that grows by so much a minute, stretch after stretch. It has a past: near 0 Prometheus does not
 * extrapolate, and the promises would differ in the last digit.
 */
function rising(stretches: readonly (readonly [minutes: number, perMinute: number])[]): string {
  let total = past;
  const parts = stretches.map(([minutes, perMinute]) => {
    const part = `${total + perMinute}+${perMinute}x${minutes - 1}`;
    total += perMinute * minutes;
    return part;
  });
  return [past, ...parts].join(' ');
}

/** The same growth after a restart, from 0. */
function anew(values: string): string {
  return values.replace(/\d+(?=\+)|^\d+/g, (total) => String(Number(total) - past));
}

const hour = 60;

/** What the alert of a promise says, by its long window. */
function burningOf(slo: SloName, summary: string, soMany: string) {
  return (long: '1h' | '6h' | '3d', times: string): Firing => {
    const [severity, short, limit] = (
      {
        '1h': ['critical', '5m', '14.4'],
        '6h': ['critical', '30m', '6'],
        '3d': ['warning', '6h', '1'],
      } as const
    )[long];
    return {
      severity,
      labels: { slo, long, short },
      summary,
      description: `${soMany} that the error budget of 30 days is used up ${times} times as fast as it may be (over ${long}; this alert begins at ${limit}).`,
    };
  };
}

function storiesOf(slo: SloName, { alert, summary, soMany, input: happens }: Subject): Case[] {
  const burning = burningOf(slo, summary, soMany);
  const remaining = `round(job:tidegauge_slo:error_budget_remaining30d{slo="${slo}"}, 0.001)`;
  const element = `{cluster="harbour", job="tidegauge", namespace="tide", slo="${slo}"}`;
  return [
    story(
      alert,
      'an outage of twenty minutes wakes somebody, and leaves work for the day',
      happens([
        [4 * hour, 0],
        [20, 60],
        [30, 0],
      ]),
      {
        '4h3m': [],
        '4h20m': [burning('1h', '18.5'), burning('3d', '4.3')],
        '4h30m': [burning('3d', '4.5')],
      },
    ),
    story(
      alert,
      'a lesser fault wakes somebody by the longer windows',
      happens([
        [hour, 8],
        [40, 0],
      ]),
      {
        '0m': [],
        '1h': [burning('6h', '8.0'), burning('3d', '8.0')],
        '1h40m': [burning('3d', '4.9')],
      },
    ),
    story(
      alert,
      'a creeping loss is work for the day, and over when it is mended',
      happens([
        [hour, 2],
        [75, 0],
      ]),
      { '0m': [], '1h': [burning('3d', '2.0')], '2h15m': [] },
    ),
    story(
      alert,
      'less is lost than may be, before and after a restart',
      [
        ...happens([[hour, 0.9]]),
        ...happens([[30, 0.9]]).map(({ series, values }) => ({
          series: series.replace(gauge(0).instance!, gauge(1).instance!),
          values: `${values} ${anew(values)}`,
        })),
      ],
      { '20m': [], '35m': [], '1h': [] },
      { values: [{ expr: remaining, at: '55m', samples: { [element]: 0.1 } }] },
    ),
    story(
      alert,
      'nothing happens at all, so nothing is lost',
      happens([[30, 0]], 0),
      { '10m': [], '30m': [] },
      { values: [{ expr: remaining, at: '30m', samples: { [element]: 1 } }] },
    ),
    story(
      alert,
      'with hardly any traffic, five mishaps are a large share and wake nobody',
      happens(
        [
          [30, 0],
          [1, 0.05 / budget(slo)],
          [30, 0],
        ],
        100,
      ),
      { '33m': [], '35m': [], '1h': [] },
    ),
  ];
}

/** Told once, with the lengths of the windows: it takes promtool long, and the rules differ in figures only. */
function longStories(slo: SloName, { alert, summary, soMany, input: happens }: Subject): Case[] {
  const burning = burningOf(slo, summary, soMany);
  return [
    story(
      alert,
      'a fault of some hours is work for the day at first, then wakes somebody',
      happens([
        [2 * hour, 0],
        [5 * hour, 8],
        [40, 0],
      ]),
      {
        '2h10m': [],
        '6h': [burning('3d', '5.3')],
        '7h': [burning('6h', '6.6'), burning('3d', '5.7')],
        '7h40m': [burning('3d', '5.2')],
      },
    ),
    story(
      alert,
      'a creeping loss of some hours',
      happens([
        [3 * hour, 0],
        [4 * hour, 2],
        [2 * hour, 0],
      ]),
      { '5h': [], '7h': [burning('3d', '1.1')], '9h': [] },
    ),
  ];
}

/** Deliveries that were matched earlier may be dropped when hardly anything comes any more. */
const lateDrops = story(
  'TidegaugeDeliveryDropBudgetBurn',
  'more are dropped than are matched: all is lost, and not more than all',
  subjects.undropped_deliveries.input(
    [
      [20, 0],
      [3, 2 / budget('undropped_deliveries')],
      [10, 0],
    ],
    1,
  ),
  { '20m': [], '24m': [], '33m': [] },
  {
    values: [
      {
        expr: 'round(job:tidegauge_slo:burnrate5m{slo="undropped_deliveries"})',
        at: '24m',
        samples: {
          '{cluster="harbour", job="tidegauge", namespace="tide", slo="undropped_deliveries"}': 1000,
        },
      },
    ],
  },
);

export const sloCases: readonly Case[] = [
  ...Object.entries(subjects).flatMap(([slo, subject]) => storiesOf(slo as SloName, subject)),
  lateDrops,
];

export const longSloCases: readonly Case[] = longStories('delivery_latency', subjects.delivery_latency);
