/**
 * What is promised to users, as shares of events over 30 days, and how fast what may go wrong is being used up.
 *
 * The method is that of "Alerting on SLOs" in The Site Reliability Workbook (Google, O'Reilly 2018, chapter 5), its
 * sixth way, multiwindow and multi-burn-rate (https://sre.google/workbook/alerting-on-slos/). A burn rate of 1 uses the
 * error budget up in exactly 30 days. An alert asks for a share of the budget within a long window, so it knows how
 * much harm is done, and for the same rate within a window of a twelfth, so it ends soon after the harm does. It needs
 * no `for` beside that. The shares and windows are those of the chapter's table of recommended parameters.
 *
 * Short rates are recorded, aggregated over instances after the rate is taken: a restart, or a pod that has gone, is a
 * reset of one series and no step in the sum. Longer windows are sums of what has been recorded. So a window of 30 days
 * costs nothing, and weighs each minute by its traffic, which a mean of ratios would not.
 */

import { Vector } from '../promql.ts';
import { type AttributeValue, type Boundary, Series } from '../series.ts';
import { type BurnWindow, burnWindows, recorded, recordedOverTime, type SloName } from './recorded.ts';
import {
  type Alert,
  type Alerts,
  jobLabels,
  oneDecimal,
  type Recording,
  type Severity,
  theJob,
} from './rule.ts';

const series = new Series();

/** A bucket of the histogram ends here, so the share is counted and not estimated. Its text is the same in all formats. */
export const deliveryLatencyBoundary: Boundary<'tidegauge.fanout.duration'> = 0.25;

type DropReason = AttributeValue<'tidegauge.deliveries.dropped', 'tidegauge.drop.reason'>;
type RejectionReason = AttributeValue<'tidegauge.handshake.rejections', 'error.type'>;

/**
 * What counts as lost. `conflated` is what the operator chose, and a newer value came instead; with `closed` the
 * client that was to get it has gone.
 */
const isLost: Readonly<Record<DropReason, boolean>> = {
  overload: true,
  slow_consumer: true,
  conflated: false,
  closed: false,
};

/**
 * Whose doing a refusal is. Those that are not ours do not count at all, neither as bad nor as events; nor does
 * `draining`, where another instance answers the next attempt.
 */
const isOurs: Readonly<Record<RejectionReason, boolean>> = {
  capacity: true,
  overloaded: true,
  draining: false,
  bad_request: false,
  not_found: false,
  forbidden_origin: false,
  unsupported_version: false,
  rate_limited: false,
  aborted: false,
};

function chosen<Reason extends string>(choice: Readonly<Record<Reason, boolean>>): Reason[] {
  return (Object.keys(choice) as Reason[]).filter((reason) => choice[reason]);
}

type Slo = {
  /** Share of the events that have to be good. */
  objective: number;
  /** As a sentence, for the runbook and the dashboards. */
  promise: string;
  /** Per second, by job. */
  events: Vector;
  badEvents: Vector;
};

const fanouts = series.eventRate('tidegauge.fanout.duration', '5m').sum(...jobLabels);
const handshakesFailed = series
  .rate('tidegauge.handshake.rejections', '5m', { 'error.type': chosen(isOurs) })
  .sum(...jobLabels);

export const slos: Readonly<Record<SloName, Slo>> = {
  delivery_latency: {
    objective: 0.99,
    promise: `99 % of the messages are written to all of their listeners within ${deliveryLatencyBoundary * 1000} ms`,
    events: fanouts,
    badEvents: fanouts
      .minus(
        series.eventRateUpTo('tidegauge.fanout.duration', deliveryLatencyBoundary, '5m').sum(...jobLabels),
      )
      // Two sums that ought to be the same may differ in the last digit.
      .atLeast(0),
  },
  undropped_deliveries: {
    objective: 0.999,
    promise: '99.9 % of the deliveries are not dropped for overload or for a slow consumer',
    events: series.rate('tidegauge.deliveries.matched', '5m').sum(...jobLabels),
    badEvents: series
      .rate('tidegauge.deliveries.dropped', '5m', { 'tidegauge.drop.reason': chosen(isLost) })
      .sum(...jobLabels),
  },
  handshake_success: {
    objective: 0.999,
    promise: '99.9 % of the handshakes that a client has done its part in end with a connection',
    events: series
      .rate('tidegauge.connection.opened', '5m')
      .sum(...jobLabels)
      .plus(handshakesFailed),
    badEvents: handshakesFailed,
  },
};

const sloEntries = Object.entries(slos) as [SloName, Slo][];

const periodHours = 30 * 24;

type BurnPolicy = {
  severity: Severity;
  long: BurnWindow;
  longHours: number;
  short: BurnWindow;
  /** Where the long window is drawn. */
  panel: string;
  /** Share of the budget that is gone if it goes on for the long window. */
  budgetShare: number;
};

export const burnPolicies: readonly BurnPolicy[] = [
  {
    severity: 'critical',
    long: '1h',
    longHours: 1,
    short: '5m',
    panel: 'Budget burn over 1 h',
    budgetShare: 0.02,
  },
  {
    severity: 'critical',
    long: '6h',
    longHours: 6,
    short: '30m',
    panel: 'Budget burn over 6 h',
    budgetShare: 0.05,
  },
  {
    severity: 'warning',
    long: '3d',
    longHours: 72,
    short: '6h',
    panel: 'Error budget left',
    budgetShare: 0.1,
  },
];

/** 14.4, 6 and 1. */
export function burnRateOf({ budgetShare, longHours }: BurnPolicy): number {
  return (budgetShare * periodHours) / longHours;
}

/** With little traffic a few mishaps are a large share. They are looked at in the day, and wake nobody. */
const badEventsMin = 10;

export const sloRecordings: readonly Recording[] = sloEntries.flatMap(
  ([slo, { events, badEvents, objective }]) => [
    { record: 'job:tidegauge_slo_events:rate5m' as const, expr: events, labels: { slo } },
    { record: 'job:tidegauge_slo_bad_events:rate5m' as const, expr: badEvents, labels: { slo } },
    ...burnWindows.map((window) => ({
      record: `job:tidegauge_slo:burnrate${window}` as const,
      expr: budgetUse(badIn(window, slo), eventsIn(window, slo), objective),
      labels: { slo },
    })),
  ],
);

export const budgetRecordings: readonly Recording[] = sloEntries.map(([slo, { objective }]) => ({
  // 1: untouched; 0: used up; below: the promise is broken. Where less than 30 days are kept, of those.
  record: 'job:tidegauge_slo:error_budget_remaining30d',
  expr: budgetUse(
    recordedOverTime('sum', 'job:tidegauge_slo_bad_events:rate5m', '30d', { slo }),
    recordedOverTime('sum', 'job:tidegauge_slo_events:rate5m', '30d', { slo }),
    objective,
  ).subtractedFrom(1),
  labels: { slo },
}));

function badIn(window: BurnWindow, slo: SloName): Vector<'slo'> {
  return window === '5m'
    ? recorded('job:tidegauge_slo_bad_events:rate5m', { slo })
    : recordedOverTime('sum', 'job:tidegauge_slo_bad_events:rate5m', window, { slo });
}

function eventsIn(window: BurnWindow, slo: SloName): Vector<'slo'> {
  return window === '5m'
    ? recorded('job:tidegauge_slo_events:rate5m', { slo })
    : recordedOverTime('sum', 'job:tidegauge_slo_events:rate5m', window, { slo });
}

/** The share of bad events as a multiple of the share that may be bad. Without events nothing is bad: 0, not 0/0. */
function budgetUse(bad: Vector<'slo'>, events: Vector<'slo'>, objective: number): Vector<'slo'> {
  return (
    bad
      .dividedBy(events.where('>', 0))
      .or(events.times(0))
      // What was matched in one minute may be dropped in the next.
      .atMost(1)
      .dividedBy(new Vector(`(1 - ${objective})`, true))
  );
}

type Words = { summary: string; description: string };

/** @param recordingIntervalSeconds how often the rates are recorded, which makes counts of their sums */
export function sloAlerts(recordingIntervalSeconds: number) {
  const burns = (slo: SloName, words: Words): readonly Alert[] =>
    burnPolicies.map((policy) => burnAlert(slo, policy, recordingIntervalSeconds, words));
  return {
    TidegaugeDeliveryLatencyBudgetBurn: burns('delivery_latency', {
      summary: `${theJob}: messages are late`,
      description: `So many messages of ${theJob} take longer than ${deliveryLatencyBoundary * 1000} ms to be written to their listeners`,
    }),
    TidegaugeDeliveryDropBudgetBurn: burns('undropped_deliveries', {
      summary: `${theJob}: deliveries are dropped`,
      description: `So many deliveries of ${theJob} are dropped`,
    }),
    TidegaugeHandshakeBudgetBurn: burns('handshake_success', {
      summary: `${theJob}: clients cannot connect`,
      description: `So many handshakes with ${theJob} fail for want of room`,
    }),
  } as const satisfies Alerts;
}

function burnAlert(
  slo: SloName,
  policy: BurnPolicy,
  recordingIntervalSeconds: number,
  { summary, description }: Words,
): Alert {
  const { severity, long, short, panel } = policy;
  const limit = burnRateOf(policy);
  const badEvents = badIn(long, slo).times(recordingIntervalSeconds);
  return {
    severity,
    scope: 'job',
    expr: recorded(`job:tidegauge_slo:burnrate${long}`, { slo })
      .where('>', limit)
      .and(recorded(`job:tidegauge_slo:burnrate${short}`, { slo }).where('>', limit))
      .and(badEvents.where('>=', badEventsMin)),
    labels: { long, short },
    summary,
    description: `${description} that the error budget of 30 days is used up ${oneDecimal} times as fast as it may be (over ${long}; this alert begins at ${limit}).`,
    panel: { dashboard: 'tidegauge-fleet', title: panel },
  };
}
