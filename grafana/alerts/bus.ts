/** Does anything come in that could be delivered? */
import { Series } from '../series.ts';
import { type Alerts, instanceLabels, theInstance, whole } from './rule.ts';

const series = new Series();

/** One that starts has no clients to disappoint yet, and one that drains has let the bus go itself. */
const comesOrGoes = series
  .level('tidegauge.ready', { 'tidegauge.ready.reason': ['starting', 'draining'] })
  .max(...instanceLabels)
  .where('==', 1);

export const busAlerts = {
  TidegaugeBusDisconnected: {
    severity: 'critical',
    scope: 'instance',
    expr: series
      .level('tidegauge.bus.state', { 'tidegauge.bus.state': 'connected' })
      .max(...instanceLabels)
      .where('==', 0)
      .unless(comesOrGoes, { on: instanceLabels }),
    // A broker that restarts, or hands over to another of its cluster, is back before.
    for: '2m',
    summary: `${theInstance} has lost the bus`,
    description: `${theInstance} has no connection to NATS. Its clients are connected and hear nothing.`,
    panel: { dashboard: 'tidegauge-delivery', title: 'State of the link' },
  },
  TidegaugeBusUnsteady: {
    severity: 'warning',
    scope: 'instance',
    expr: series
      .increase('tidegauge.bus.reconnects', '30m')
      .max(...instanceLabels)
      .where('>=', 5),
    summary: `${theInstance} loses the bus again and again`,
    description: `${theInstance} has had to reconnect to NATS ${whole} times within 30 minutes. Clients are told of a gap each time.`,
    panel: { dashboard: 'tidegauge-delivery', title: 'Outages of the bus' },
  },
  TidegaugeBusRefusesSubscriptions: {
    severity: 'warning',
    scope: 'instance',
    expr: series
      .level('tidegauge.bus.refused')
      .max(...instanceLabels)
      .where('>', 0),
    // While overlapping subscriptions change, a full broker may refuse one for some seconds.
    for: '5m',
    summary: `${theInstance} is refused subscriptions by the bus`,
    description: `${theInstance} wants ${whole} subscriptions that NATS refuses. Clients that listen to those channels hear nothing there.`,
    panel: { dashboard: 'tidegauge-delivery', title: 'Outages of the bus' },
  },
} as const satisfies Alerts;
