/** Fleet: are we healthy? Sums, extremes and shares over all instances; nothing here has a line for each of them. */
import { gatewayTargets } from './alerts/availability.ts';
import { recorded } from './alerts/recorded.ts';
import { deliveryLatencyBoundary, slos } from './alerts/slo.ts';
import { busStateColors, dropReasonColors, readyReasonColors } from './colors.ts';
import { areas, bars, type Dashboard, figure, lines, signal, spread } from './panels.ts';
import { targetLabels } from './promql.ts';
import { alertsFiring, quantile, series, step } from './surroundings.ts';
import {
  budgetLeft,
  burning,
  dropped,
  fullness,
  latency,
  loopDelay,
  noneAsARule,
  noneAtAll,
} from './thresholds.ts';

/** By instance: how many reasons keep it from being ready. */
const reasonsNotReady = series.level('tidegauge.ready').sum(...targetLabels);
const lostReasons = ['slow_consumer', 'overload'] as const;
const lost = series
  .rate('tidegauge.deliveries.dropped', step, { 'tidegauge.drop.reason': lostReasons })
  .sum();
const matched = series.rate('tidegauge.deliveries.matched', step).sum();
const sent = series.rate('tidegauge.deliveries.sent', step).sum();
const active = series.level('tidegauge.connection.active');
const budgetScope = { target: { cluster: '$cluster', namespace: '$namespace', job: '$job' } };
const promises = Object.values(slos)
  .map(({ promise }) => `- ${promise}`)
  .join('\n');
const onePercentLate = quantile(0.99, 'tidegauge.fanout.duration');

export const fleet: Dashboard = {
  uid: 'tidegauge-fleet',
  title: 'Tidegauge / Fleet',
  description: 'Are we healthy? All instances of the gateway together, from the bus to the clients.',
  rows: [
    {
      title: undefined,
      panels: [
        signal(
          'Alerts firing',
          4,
          [
            { ask: alertsFiring('critical'), legend: 'critical', thresholds: noneAtAll },
            { ask: alertsFiring('warning'), legend: 'warning', thresholds: noneAsARule },
          ],
          {
            unit: 'none',
            thresholds: noneAtAll,
            note: "Alerts of Tidegauge's own rules that are firing for what is chosen above. 0 also where the rules are not loaded.",
          },
        ),
        signal(
          'Instances',
          5,
          [
            {
              ask: reasonsNotReady.where('==', 0).count().orZero(),
              legend: 'ready',
              thresholds: { base: 'red', steps: [[1, 'green']] },
            },
            {
              ask: reasonsNotReady.where('>', 0).count().orZero(),
              legend: 'not ready',
              thresholds: noneAsARule,
            },
            {
              ask: gatewayTargets(series).where('==', 0).count().orZero(),
              legend: 'not scraped',
              thresholds: noneAtAll,
            },
          ],
          {
            unit: 'none',
            thresholds: noneAtAll,
            note: 'Ready: no reason against it. Not scraped: targets that Prometheus cannot reach, and that were gateways within a day; where figures are pushed there are none.',
          },
        ),
        figure('Connections', 3, [{ ask: active.sum(), legend: 'connections', color: 'blue' }], { min: 0 }),
        figure('Deliveries', 3, [{ ask: sent, legend: 'deliveries', color: 'blue' }], { min: 0 }),
        signal('Latency p99', 3, [{ ask: onePercentLate, legend: 'p99' }], {
          thresholds: latency,
          decimals: 1,
          min: 0,
          absent: 'no messages',
          note: `99 of 100 messages were written to all of their listeners within this time. Promised are ${deliveryLatencyBoundary * 1000} ms.`,
        }),
        signal(
          'Deliveries lost',
          3,
          [{ ask: lost.dividedBy(matched.where('>', 0)).orZero(), legend: 'lost' }],
          {
            thresholds: dropped,
            decimals: 2,
            min: 0,
            note: 'Share of the deliveries that was dropped for a slow consumer or for overload. One in a thousand is promised at most. What waited for a client when it left, or was cut for being slow, is not in it.',
          },
        ),
        signal(
          'Fullest resource',
          3,
          [{ ask: series.level('tidegauge.saturation').max(), legend: 'saturation' }],
          { thresholds: fullness, decimals: 0, min: 0, max: 1 },
        ),
      ],
    },
    {
      title: 'Promises over 30 days',
      panels: [
        bars(
          'Error budget left',
          8,
          [
            {
              ask: recorded('job:tidegauge_slo:error_budget_remaining30d', budgetScope).min('slo'),
              legend: '{{slo}}',
            },
          ],
          {
            height: 7,
            unit: 'percentunit',
            min: 0,
            max: 1,
            decimals: 1,
            thresholds: budgetLeft,
            absent: 'needs the recording rules',
            note: `How much of what may go wrong in 30 days has not gone wrong yet; of several jobs the worst. It takes the recording rules of grafana/alerts.\n\n${promises}`,
          },
        ),
        lines(
          'Budget burn over 1 h',
          8,
          [{ ask: recorded('job:tidegauge_slo:burnrate1h', budgetScope).max('slo'), legend: '{{slo}}' }],
          {
            height: 7,
            unit: 'none',
            thresholds: burning,
            showsThresholds: true,
            absent: 'needs the recording rules',
            note: 'How many times as fast as it may the error budget was used up within the last hour. 1 uses it up in 30 days; the alerts call somebody from the upper line on.',
          },
        ),
        lines(
          'Budget burn over 6 h',
          8,
          [{ ask: recorded('job:tidegauge_slo:burnrate6h', budgetScope).max('slo'), legend: '{{slo}}' }],
          {
            height: 7,
            unit: 'none',
            thresholds: burning,
            showsThresholds: true,
            absent: 'needs the recording rules',
            note: 'As over 1 h, and slower to rise and to fall.',
          },
        ),
      ],
    },
    {
      title: 'From the bus',
      panels: [
        lines('Messages in', 8, [
          {
            ask: series.rate('messaging.client.consumed.messages', step).sum(),
            legend: 'from the bus',
            color: 'blue',
          },
          {
            ask: series.rate('messaging.client.sent.messages', step).sum(),
            legend: 'published to it',
            color: 'purple',
          },
        ]),
        areas(
          'Instances by state of the bus',
          8,
          [
            {
              ask: series.level('tidegauge.bus.state').sum('tidegauge.bus.state'),
              legend: '{{tidegauge_bus_state}}',
              colors: busStateColors,
            },
          ],
          { unit: 'none', decimals: 0, hidesZeros: true },
        ),
        lines(
          'Round trip to the bus',
          8,
          [
            {
              ask: quantile(0.5, 'tidegauge.bus.round_trip'),
              legend: 'p50',
              color: 'light-blue',
            },
            { ask: quantile(0.99, 'tidegauge.bus.round_trip'), legend: 'p99', color: 'orange' },
          ],
          {
            note: 'Measured every 15 seconds by each instance: with few instances, or in a short time, a quantile of few values.',
          },
        ),
      ],
    },
    {
      title: 'Fan-out',
      panels: [
        lines('Deliveries asked for and made', 8, [
          { ask: matched, legend: 'matched', color: 'gray', isDashed: true },
          { ask: sent, legend: 'sent', color: 'blue' },
        ]),
        lines(
          'Latency',
          8,
          [
            {
              ask: quantile(0.5, 'tidegauge.fanout.duration'),
              legend: 'p50',
              color: 'light-blue',
            },
            { ask: quantile(0.9, 'tidegauge.fanout.duration'), legend: 'p90', color: 'blue' },
            { ask: onePercentLate, legend: 'p99', color: 'orange' },
            {
              ask: quantile(0.99, 'tidegauge.fanout.duration', { by: targetLabels }).max(),
              legend: 'p99 of the slowest instance',
              color: 'red',
            },
          ],
          { thresholds: latency, showsThresholds: true },
        ),
        lines(
          'Deliveries dropped',
          8,
          [
            {
              ask: series.rate('tidegauge.deliveries.dropped', step).sum('tidegauge.drop.reason'),
              legend: '{{tidegauge_drop_reason}}',
              colors: dropReasonColors,
            },
          ],
          { hidesZeros: true },
        ),
      ],
    },
    {
      title: 'To the clients',
      panels: [
        lines('Connections open', 8, [
          { ask: active.sum(), legend: 'all', color: 'blue' },
          {
            ask: series.level('tidegauge.send_queue.congested').sum(),
            legend: 'do not keep up',
            color: 'orange',
          },
        ]),
        lines('Connections of one instance', 8, spread(active.sum(...targetLabels)), {
          note: 'How evenly clients are spread. After a rollout the lines are apart for as long as connections live.',
        }),
        lines('Clients that come and go', 8, [
          { ask: series.rate('tidegauge.connection.opened', step).sum(), legend: 'opened', color: 'green' },
          {
            ask: series.rate('tidegauge.connection.closed', step).sum('tidegauge.close.initiator'),
            legend: 'closed by {{tidegauge_close_initiator}}',
            isNegative: true,
          },
          {
            ask: series.rate('tidegauge.handshake.rejections', step).sum(),
            legend: 'refused',
            color: 'red',
          },
        ]),
        lines('Messages to and from clients', 8, [
          {
            ask: series.rate('tidegauge.messages', step, { 'network.io.direction': 'transmit' }).sum(),
            legend: 'to clients',
            color: 'blue',
          },
          {
            ask: series.rate('tidegauge.messages', step, { 'network.io.direction': 'receive' }).sum(),
            legend: 'from clients',
            color: 'purple',
            isNegative: true,
          },
        ]),
        lines('Bandwidth', 8, [
          {
            ask: series
              .rate('tidegauge.io', step, {
                'network.io.direction': 'transmit',
                'tidegauge.io.layer': 'wire',
              })
              .sum(),
            legend: 'to clients',
            color: 'blue',
          },
          {
            ask: series
              .rate('tidegauge.io', step, { 'network.io.direction': 'receive', 'tidegauge.io.layer': 'wire' })
              .sum(),
            legend: 'from clients',
            color: 'purple',
            isNegative: true,
          },
        ]),
        lines(
          'Handshakes',
          8,
          [
            {
              ask: quantile(0.5, 'tidegauge.handshake.duration', {
                where: { 'error.type': '' },
              }),
              legend: 'p50',
              color: 'light-blue',
            },
            {
              ask: quantile(0.99, 'tidegauge.handshake.duration', {
                where: { 'error.type': '' },
              }),
              legend: 'p99',
              color: 'orange',
            },
          ],
          { note: 'Those that ended with a connection.', absent: 'nobody came' },
        ),
      ],
    },
    {
      title: 'Room left',
      panels: [
        lines(
          'Saturation, fullest instance',
          8,
          [
            {
              ask: series.level('tidegauge.saturation').max('tidegauge.resource'),
              legend: '{{tidegauge_resource}}',
            },
          ],
          { max: 1, decimals: 0, thresholds: fullness, showsThresholds: true },
        ),
        lines('CPU of one instance', 8, spread(series.level('process.cpu.utilization').sum(...targetLabels))),
        lines(
          'Resident memory of one instance',
          8,
          spread(series.level('process.memory.usage').max(...targetLabels)),
        ),
        lines(
          'Event loop delay p99 of one instance',
          8,
          spread(series.level('nodejs.eventloop.delay.p99').max(...targetLabels)),
          { thresholds: loopDelay, showsThresholds: true },
        ),
        areas(
          'Instances by readiness',
          8,
          [
            { ask: reasonsNotReady.whether('==', 0).sum(), legend: 'ready', color: 'green' },
            {
              ask: series.level('tidegauge.ready').sum('tidegauge.ready.reason'),
              legend: '{{tidegauge_ready_reason}}',
              colors: readyReasonColors,
            },
          ],
          {
            unit: 'none',
            decimals: 0,
            hidesZeros: true,
            note: 'An instance with several reasons against it counts for each of them.',
          },
        ),
        lines('Left to drain', 8, [
          { ask: series.level('tidegauge.drain.remaining').sum(), legend: 'connections', color: 'blue' },
        ]),
      ],
    },
    {
      title: 'Instances',
      panels: [
        {
          kind: 'table',
          title: 'All instances',
          width: 24,
          height: 9,
          note: 'One row for each; a click on an instance leads to its own dashboard. Where clusters use the same addresses, choose one above.',
          unit: 'short',
          key: ['instance', 'Instance'],
          columns: [
            { heading: 'Version', unit: 'short', label: 'service_version' },
            { heading: 'Up for', unit: 'dtdurations', decimals: 0 },
            { heading: 'Reasons not ready', unit: 'none', thresholds: noneAsARule },
            { heading: 'Connections', unit: 'short' },
            { heading: 'Deliveries/s', unit: 'short', decimals: 1 },
            { heading: 'Latency p99', unit: 's', decimals: 1, thresholds: latency },
            { heading: 'Saturation', unit: 'percentunit', decimals: 0, thresholds: fullness, isBar: true },
            { heading: 'CPU', unit: 'percentunit', decimals: 0, thresholds: fullness },
            { heading: 'Memory', unit: 'bytes', decimals: 0 },
            { heading: 'Drift', unit: 'none', thresholds: noneAtAll },
          ],
          queries: [
            { ask: series.targetInfo().max('instance', 'service.version'), legend: '' },
            { ask: series.level('process.uptime').max('instance'), legend: '' },
            { ask: series.level('tidegauge.ready').sum('instance'), legend: '' },
            { ask: active.sum('instance'), legend: '' },
            { ask: series.rate('tidegauge.deliveries.sent', step).sum('instance'), legend: '' },
            {
              ask: quantile(0.99, 'tidegauge.fanout.duration', { by: ['instance'] }),
              legend: '',
            },
            { ask: series.level('tidegauge.saturation').max('instance'), legend: '' },
            { ask: series.level('process.cpu.utilization').sum('instance'), legend: '' },
            { ask: series.level('process.memory.usage').max('instance'), legend: '' },
            { ask: series.level('tidegauge.ledger.drift').max('instance'), legend: '' },
          ],
        },
      ],
    },
  ],
};
