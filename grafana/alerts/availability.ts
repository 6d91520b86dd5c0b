/** Is it there, does it stay there, and does it let anybody in? */
import type { Vector } from '../promql.ts';
import { Series } from '../series.ts';
import { recorded, recordedOverTime } from './recorded.ts';
import {
  type Alerts,
  instanceLabels,
  jobLabels,
  type Recording,
  theInstance,
  theJob,
  whole,
} from './rule.ts';

const series = new Series();

/**
 * Targets that have been a gateway within a day: 1 for those that can be scraped. A job may have others in it, where all pods
 * of a namespace are scraped as one; theirs is not our business.
 */
export function gatewayTargets(of: Series): Vector {
  const known = of.levelOverTime('last', 'tidegauge.connection.limit', '1d').max(...instanceLabels);
  return of
    .up()
    .max(...instanceLabels)
    .and(known, { on: instanceLabels });
}

/** Reasons with an alert of their own, and the one that is meant: whoever drains has been told to. */
const otherwiseKnown = ['bus', 'draining'] as const;

export const availabilityRecordings: readonly Recording[] = [
  {
    // Instances whose figures arrive, whichever way. Which targets are gateways is seen by their series, so no rule depends on
    // what the job is called.
    record: 'job:tidegauge_instances:count',
    expr: series.level('tidegauge.connection.limit').count(...jobLabels),
  },
];

const instances = recorded('job:tidegauge_instances:count');
/** Of what is neither a target nor pushed any more, nobody can tell whether it was taken away on purpose. */
const lately = recordedOverTime('last', 'job:tidegauge_instances:count', '1h');
const targets = gatewayTargets(series);

const isNotReady = series.level('tidegauge.ready').max(...instanceLabels);
const lacksBus = series.level('tidegauge.ready', { 'tidegauge.ready.reason': 'bus' }).max(...instanceLabels);

export const availabilityAlerts = {
  TidegaugeDown: {
    severity: 'critical',
    scope: 'job',
    // The second half goes on for as long as Prometheus has the targets; the first sees what has no targets: figures
    // that are pushed, and a service discovery that finds nothing.
    expr: lately.unless(instances, { on: jobLabels }).or(targets.max(...jobLabels).where('==', 0)),
    // A restart of the only instance takes less.
    for: '3m',
    summary: `${theJob}: no instance reports`,
    description: `Not one instance of ${theJob} sends figures. Either the gateway is down and nobody is served, or Prometheus cannot see it.`,
    panel: { dashboard: 'tidegauge-fleet', title: 'Instances' },
  },
  TidegaugeInstanceDown: {
    severity: 'warning',
    scope: 'instance',
    expr: targets.where('==', 0),
    // At a rollout a pod that has ended stays a target for a short while.
    for: '5m',
    summary: `${theInstance} cannot be scraped`,
    description: `Prometheus cannot scrape ${theInstance}. Its clients have most likely been cut off, and are with the others now.`,
    panel: { dashboard: 'tidegauge-fleet', title: 'Instances' },
  },
  TidegaugeRestarting: {
    severity: 'warning',
    scope: 'instance',
    expr: series
      .resets('process.uptime', '30m')
      .max(...instanceLabels)
      // Not whether it has series now: most of the time, what restarts again and again has none.
      .and(series.levelOverTime('last', 'tidegauge.connection.limit', '30m').max(...instanceLabels), {
        on: instanceLabels,
      })
      .where('>=', 3),
    summary: `${theInstance} restarts again and again`,
    description: `${theInstance} has restarted ${whole} times within 30 minutes. Each time all of its clients are cut off.`,
    panel: { dashboard: 'tidegauge-fleet', title: 'All instances' },
  },
  TidegaugeNoneReady: {
    severity: 'critical',
    scope: 'job',
    // While the bus is away from all of them, TidegaugeBusDisconnected says so; one fault wakes nobody twice.
    expr: isNotReady
      .min(...jobLabels)
      .where('==', 1)
      .unless(lacksBus.min(...jobLabels).where('==', 1), { on: jobLabels }),
    for: '2m',
    summary: `${theJob}: no instance is ready`,
    description: `No instance of ${theJob} takes new connections. Whoever is connected stays; nobody else gets in.`,
    panel: { dashboard: 'tidegauge-fleet', title: 'Instances by readiness' },
  },
  TidegaugeNotReady: {
    severity: 'warning',
    scope: 'instance',
    expr: series
      .level('tidegauge.ready', { 'tidegauge.ready.reason': { not: otherwiseKnown } })
      .max(...instanceLabels, 'tidegauge.ready.reason')
      .where('==', 1),
    for: '10m',
    summary: `${theInstance} is not ready: {{ $labels.tidegauge_ready_reason }}`,
    description: `${theInstance} takes no new connections, for the reason "{{ $labels.tidegauge_ready_reason }}".`,
    panel: { dashboard: 'tidegauge-fleet', title: 'Instances by readiness' },
  },
} as const satisfies Alerts;
