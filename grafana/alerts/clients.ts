/** Do clients get what they are here for? */
import { Series } from '../series.ts';
import { type Alerts, instanceLabels, jobLabels, percentage, theInstance, theJob } from './rule.ts';

const series = new Series();
const on = { on: instanceLabels };

const cutAsSlow = series
  .increase('tidegauge.connection.closed', '15m', { 'tidegauge.close.reason': 'slow_consumer' })
  .max(...instanceLabels);
const congested = series.levelOverTime('avg', 'tidegauge.send_queue.congested', '15m').max(...instanceLabels);
const active = series.levelOverTime('avg', 'tidegauge.connection.active', '15m').max(...instanceLabels);

const dropReasons = ['overload', 'slow_consumer'] as const;
const dropped = series
  .increase('tidegauge.deliveries.dropped', '10m', { 'tidegauge.drop.reason': dropReasons })
  .max(...instanceLabels, 'tidegauge.drop.reason');
const matched = series.increase('tidegauge.deliveries.matched', '10m').max(...instanceLabels);

/** At a rollout those who come to a gateway that leaves are sent to another; that is how it is meant to be. */
const refused = series
  .increase('tidegauge.handshake.rejections', '15m', { 'error.type': { not: 'draining' } })
  .sum(...jobLabels, 'error.type');
const begun = series.increase('tidegauge.handshake.begun', '15m').sum(...jobLabels);

export const clientAlerts = {
  TidegaugeSlowConsumers: {
    severity: 'warning',
    scope: 'instance',
    // With the policy `disconnect` the slow are cut; with the others they stay, and stay congested. A handful is
    // somebody's bad network, whatever share of few clients it may be.
    expr: cutAsSlow
      .dividedBy(active, on)
      .where('>', 0.01)
      .and(cutAsSlow.where('>=', 5), on)
      .or(congested.dividedBy(active, on).where('>', 0.05).and(congested.where('>=', 5), on)),
    for: '5m',
    summary: `Clients of ${theInstance} do not keep up`,
    description: `${percentage} of the clients of ${theInstance} do not keep up: within 15 minutes they were cut as slow consumers, or data kept waiting for them.`,
    panel: { dashboard: 'tidegauge-delivery', title: 'Connections by state' },
  },
  TidegaugeDeliveriesDropped: {
    severity: 'warning',
    scope: 'instance',
    // Not those of clients that have gone, and not what a newer message took the place of.
    expr: dropped
      .dividedBy(matched, { ...on, many: 'left' })
      .where('>', 0.001)
      .and(dropped.where('>=', 10), { on: [...instanceLabels, 'tidegauge.drop.reason'] }),
    for: '5m',
    summary: `${theInstance} drops deliveries: {{ $labels.tidegauge_drop_reason }}`,
    description: `${theInstance} has dropped ${percentage} of its deliveries within 10 minutes, for the reason "{{ $labels.tidegauge_drop_reason }}".`,
    panel: { dashboard: 'tidegauge-delivery', title: 'Dropped deliveries by reason' },
  },
  TidegaugeHandshakesRefused: {
    severity: 'warning',
    scope: 'job',
    // A scanner that comes by makes a few; a rule that is wrong, or a client that is, makes a share.
    expr: refused
      .dividedBy(begun, { on: jobLabels, many: 'left' })
      .where('>', 0.1)
      .and(refused.where('>=', 20), { on: [...jobLabels, 'error.type'] }),
    for: '5m',
    summary: `${theJob} refuses handshakes: {{ $labels.error_type }}`,
    description: `${percentage} of the handshakes with ${theJob} within 15 minutes were refused, for the reason "{{ $labels.error_type }}".`,
    panel: { dashboard: 'tidegauge-delivery', title: 'Refusals by reason' },
  },
} as const satisfies Alerts;
