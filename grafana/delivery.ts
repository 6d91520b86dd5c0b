/**
 * Delivery: what becomes of a message, and of a client? In the order of the data's way: the bus, the fan-out, the
 * clients that do not keep up, and how clients come, stay and go.
 */

import { busStateColors, connectionStateColors, dropReasonColors } from './colors.ts';
import { areas, type Dashboard, figure, heatmap, lines, signal } from './panels.ts';
import { targetLabels } from './promql.ts';
import { pointsOverlap, quantile, series, step } from './surroundings.ts';
import { latency, noneAsARule, noneAtAll } from './thresholds.ts';

const range = '$__range';
const withinRange =
  'Within the time shown. Prometheus extrapolates to its ends, so a few more or less than there were.';
const inward = { 'network.io.direction': 'receive' } as const;
const outward = { 'network.io.direction': 'transmit' } as const;
const opened = series.rate('tidegauge.connection.opened', step);
const fanouts = series.eventRate('tidegauge.fanout.duration', step).sum();
const accepted = { 'error.type': '' } as const;

export const delivery: Dashboard = {
  uid: 'tidegauge-delivery',
  title: 'Tidegauge / Delivery',
  description:
    'What becomes of a message, and of a client? The bus, the fan-out, clients that do not keep up, and how clients come and go.',
  rows: [
    {
      title: undefined,
      panels: [
        signal(
          'Without the bus',
          3,
          [
            {
              ask: series
                .level('tidegauge.bus.state', { 'tidegauge.bus.state': ['connecting', 'reconnecting'] })
                .sum(),
              legend: 'instances',
            },
          ],
          {
            unit: 'none',
            thresholds: noneAtAll,
            note: 'Instances that want a connection to the bus and have none. One that has drained wants none.',
          },
        ),
        figure(
          'From the bus',
          3,
          [
            {
              ask: series.rate('messaging.client.consumed.messages', step).sum(),
              legend: 'messages',
              color: 'blue',
            },
          ],
          { min: 0 },
        ),
        figure(
          'To clients',
          3,
          [
            {
              ask: series.rate('tidegauge.deliveries.sent', step).sum(),
              legend: 'deliveries',
              color: 'blue',
            },
          ],
          { min: 0 },
        ),
        signal('Latency p99', 3, [{ ask: quantile(0.99, 'tidegauge.fanout.duration'), legend: 'p99' }], {
          thresholds: latency,
          decimals: 1,
          min: 0,
          absent: 'no messages',
        }),
        signal(
          'Do not keep up',
          3,
          [{ ask: series.level('tidegauge.send_queue.congested').sum(), legend: 'connections' }],
          { unit: 'none', thresholds: noneAsARule, min: 0 },
        ),
        signal(
          'Dropped',
          3,
          [{ ask: series.increase('tidegauge.deliveries.dropped', range).sum(), legend: 'deliveries' }],
          { decimals: 0, thresholds: noneAsARule, hasGraph: false, note: withinRange },
        ),
        signal(
          'Clients told of a gap',
          3,
          [{ ask: series.increase('tidegauge.gaps', range).sum(), legend: 'messages' }],
          { decimals: 0, thresholds: noneAsARule, hasGraph: false, note: withinRange },
        ),
        signal(
          'Refused',
          3,
          [{ ask: series.increase('tidegauge.handshake.rejections', range).sum(), legend: 'handshakes' }],
          { decimals: 0, thresholds: noneAsARule, hasGraph: false, note: withinRange },
        ),
      ],
    },
    {
      title: 'Bus',
      panels: [
        areas(
          'State of the link',
          8,
          [
            {
              ask: series.level('tidegauge.bus.state').sum('tidegauge.bus.state'),
              legend: '{{tidegauge_bus_state}}',
              colors: busStateColors,
            },
          ],
          { unit: 'none', decimals: 0, hidesZeros: true, note: 'Instances in each state.' },
        ),
        lines('Messages from and to the bus', 8, [
          {
            ask: series.rate('messaging.client.consumed.messages', step).sum(),
            legend: 'from it',
            color: 'blue',
          },
          {
            ask: series.rate('messaging.client.sent.messages', step).sum(),
            legend: 'to it',
            color: 'purple',
            isNegative: true,
          },
          {
            ask: series.rate('tidegauge.bus.duplicates', step).sum(),
            legend: 'suppressed as duplicates',
            color: 'orange',
          },
        ]),
        lines('Bytes from and to the bus', 8, [
          {
            ask: series.rate('tidegauge.bus.io', step, inward).sum(),
            legend: 'from it',
            color: 'blue',
          },
          {
            ask: series.rate('tidegauge.bus.io', step, outward).sum(),
            legend: 'to it',
            color: 'purple',
            isNegative: true,
          },
        ]),
        lines(
          'Outages of the bus',
          8,
          [
            {
              ask: series.increase('tidegauge.bus.disconnects', step).sum('error.type'),
              legend: 'lost: {{error_type}}',
              color: 'red',
            },
            {
              ask: series.increase('tidegauge.bus.reconnects', step).sum(),
              legend: 'came back',
              color: 'green',
            },
            {
              ask: series.increase('tidegauge.bus.gaps', step).sum(),
              legend: 'clients were told',
              color: 'purple',
            },
            {
              ask: series.level('tidegauge.bus.refused').sum(),
              legend: 'subscriptions that it refuses',
              color: 'orange',
            },
          ],
          {
            unit: 'short',
            decimals: 0,
            hidesZeros: true,
            note: pointsOverlap,
          },
        ),
        lines('Round trip to the broker', 8, [
          { ask: quantile(0.5, 'tidegauge.bus.round_trip'), legend: 'p50', color: 'light-blue' },
          { ask: quantile(0.99, 'tidegauge.bus.round_trip'), legend: 'p99', color: 'orange' },
        ]),
        lines('Waiting for the broker, and remembered', 8, [
          {
            ask: series.level('tidegauge.bus.pending').sum(),
            legend: 'waiting to be published',
            color: 'orange',
          },
          {
            ask: series.level('tidegauge.dedupe.entries').sum(),
            legend: 'entries of the duplicate window',
            color: 'gray',
            isDashed: true,
            rightUnit: 'short',
          },
        ]),
      ],
    },
    {
      title: 'Fan-out',
      panels: [
        heatmap(
          'Latency of all messages',
          12,
          { ask: series.bucketRate('tidegauge.fanout.duration', step).sum('le'), legend: '{{le}}' },
          { unit: 's', height: 9 },
        ),
        lines(
          'Latency from the bus to the last write',
          12,
          [
            {
              ask: quantile(0.5, 'tidegauge.fanout.duration'),
              legend: 'p50',
              color: 'light-blue',
            },
            { ask: quantile(0.9, 'tidegauge.fanout.duration'), legend: 'p90', color: 'blue' },
            { ask: quantile(0.99, 'tidegauge.fanout.duration'), legend: 'p99', color: 'orange' },
            {
              ask: series.valueRate('tidegauge.fanout.duration', step).sum().dividedBy(fanouts.where('>', 0)),
              legend: 'mean',
              color: 'gray',
              isDashed: true,
            },
          ],
          { height: 9, unit: 's', thresholds: latency, showsThresholds: true },
        ),
        lines('Messages that went to somebody', 6, [{ ask: fanouts, legend: 'messages', color: 'blue' }]),
        lines('Recipients of a message', 6, [
          {
            ask: quantile(0.9, 'tidegauge.fanout.recipients'),
            legend: 'p90',
            color: 'orange',
          },
          {
            ask: series
              .valueRate('tidegauge.fanout.recipients', step)
              .sum()
              .dividedBy(series.eventRate('tidegauge.fanout.recipients', step).sum().where('>', 0)),
            legend: 'mean',
            color: 'blue',
          },
        ]),
        lines('Messages finished in one slice of a flush', 6, [
          { ask: quantile(0.9, 'tidegauge.fanout.batch'), legend: 'p90', color: 'orange' },
          {
            ask: series
              .valueRate('tidegauge.fanout.batch', step)
              .sum()
              .dividedBy(series.eventRate('tidegauge.fanout.batch', step).sum().where('>', 0)),
            legend: 'mean',
            color: 'blue',
          },
        ]),
        lines('Waiting for the flush', 6, [
          { ask: series.level('tidegauge.flush.pending').sum(), legend: 'messages', color: 'blue' },
          {
            ask: series.level('tidegauge.flush.lag').max(),
            legend: 'age of the oldest',
            color: 'orange',
            isDashed: true,
            rightUnit: 's',
          },
        ]),
        lines('Size of messages', 12, [
          {
            ask: quantile(0.5, 'tidegauge.message.size', { by: ['network.io.direction'] }),
            legend: '{{network_io_direction}}, p50',
          },
          {
            ask: quantile(0.99, 'tidegauge.message.size', { by: ['network.io.direction'] }),
            legend: '{{network_io_direction}}, p99',
          },
        ]),
        lines('Who listens to what', 12, [
          {
            ask: series.level('tidegauge.subscription.active').sum(),
            legend: 'subscriptions',
            color: 'blue',
          },
          {
            ask: series.level('tidegauge.channel.active').sum(),
            legend: 'channels',
            color: 'purple',
            rightUnit: 'short',
          },
          {
            ask: series.level('tidegauge.audience.active').sum(),
            legend: 'audiences',
            color: 'green',
            rightUnit: 'short',
          },
        ]),
      ],
    },
    {
      title: 'Back-pressure and slow consumers',
      panels: [
        lines('What was asked for, and what became of it', 8, [
          {
            ask: series.rate('tidegauge.deliveries.matched', step).sum(),
            legend: 'matched',
            color: 'gray',
            isDashed: true,
          },
          { ask: series.rate('tidegauge.deliveries.sent', step).sum(), legend: 'sent', color: 'blue' },
          {
            ask: series.rate('tidegauge.deliveries.dropped', step).sum(),
            legend: 'dropped',
            color: 'red',
          },
        ]),
        areas(
          'Dropped deliveries by reason',
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
        areas(
          'Gaps that clients were told of',
          8,
          [
            {
              ask: series.rate('tidegauge.gaps', step).sum('tidegauge.gap.reason'),
              legend: '{{tidegauge_gap_reason}}',
            },
          ],
          { hidesZeros: true },
        ),
        lines('Bytes that wait for clients', 8, [
          { ask: series.level('tidegauge.send_queue.usage').sum(), legend: 'all queues', color: 'blue' },
          { ask: series.level('tidegauge.send_queue.max').max(), legend: 'the longest', color: 'orange' },
        ]),
        lines('Deliveries that wait for clients', 8, [
          { ask: series.level('tidegauge.deliveries.queued').sum(), legend: 'deliveries', color: 'blue' },
          {
            ask: series.level('tidegauge.send_queue.congested').sum(),
            legend: 'connections they wait for',
            color: 'orange',
            isDashed: true,
            rightUnit: 'short',
          },
        ]),
        areas('Connections by state', 8, [
          {
            ask: series.level('tidegauge.connection.state').sum('tidegauge.connection.state'),
            legend: '{{tidegauge_connection_state}}',
            colors: connectionStateColors,
          },
        ]),
      ],
    },
    {
      title: 'Clients come',
      panels: [
        lines('Handshakes by outcome', 8, [
          {
            ask: series.rate('tidegauge.handshake.begun', step).sum(),
            legend: 'begun',
            color: 'gray',
            isDashed: true,
          },
          { ask: opened.sum(), legend: 'opened', color: 'green' },
          {
            ask: series.rate('tidegauge.handshake.rejections', step).sum(),
            legend: 'refused',
            color: 'red',
          },
          {
            ask: series.level('tidegauge.handshake.active').sum(),
            legend: 'in progress',
            color: 'orange',
            rightUnit: 'short',
          },
        ]),
        areas(
          'Refusals by reason',
          8,
          [
            {
              ask: series.rate('tidegauge.handshake.rejections', step).sum('error.type'),
              legend: '{{error_type}}',
            },
          ],
          { hidesZeros: true },
        ),
        lines('Time to get in', 8, [
          {
            ask: quantile(0.5, 'tidegauge.handshake.duration', { where: accepted }),
            legend: 'p50',
            color: 'light-blue',
          },
          {
            ask: quantile(0.99, 'tidegauge.handshake.duration', { where: accepted }),
            legend: 'p99',
            color: 'orange',
          },
          {
            ask: quantile(0.99, 'tidegauge.handshake.duration', {
              where: { 'error.type': { not: '' } },
            }),
            legend: 'refusals, p99',
            color: 'red',
          },
        ]),
      ],
    },
    {
      title: 'Clients stay',
      panels: [
        lines('Round trip to clients', 8, [
          { ask: quantile(0.5, 'tidegauge.ping.duration'), legend: 'p50', color: 'light-blue' },
          { ask: quantile(0.99, 'tidegauge.ping.duration'), legend: 'p99', color: 'orange' },
        ]),
        lines('Messages with clients', 8, [
          {
            ask: series.rate('tidegauge.messages', step, outward).sum(),
            legend: 'to them',
            color: 'blue',
          },
          {
            ask: series.rate('tidegauge.messages', step, inward).sum(),
            legend: 'from them',
            color: 'purple',
            isNegative: true,
          },
        ]),
        lines('Bytes with clients', 8, [
          {
            ask: series.rate('tidegauge.io', step, outward).sum('tidegauge.io.layer'),
            legend: 'to them, {{tidegauge_io_layer}}',
          },
          {
            ask: series.rate('tidegauge.io', step, inward).sum('tidegauge.io.layer'),
            legend: 'from them, {{tidegauge_io_layer}}',
            isNegative: true,
          },
        ]),
        areas(
          'Messages that could not be used',
          8,
          [
            {
              ask: series.rate('tidegauge.messages.rejected', step).sum('error.type'),
              legend: '{{error_type}}',
            },
          ],
          { hidesZeros: true },
        ),
        lines(
          'Control frames',
          8,
          [
            {
              ask: series.rate('tidegauge.control_frames', step, outward).sum('tidegauge.control_frame.type'),
              legend: '{{tidegauge_control_frame_type}} to them',
            },
            {
              ask: series.rate('tidegauge.control_frames', step, inward).sum('tidegauge.control_frame.type'),
              legend: '{{tidegauge_control_frame_type}} from them',
              isNegative: true,
            },
          ],
          { hidesZeros: true },
        ),
        lines('Pings without an answer', 8, [
          { ask: series.rate('tidegauge.ping.timeouts', step).sum(), legend: 'time-outs', color: 'red' },
        ]),
      ],
    },
    {
      title: 'Clients go',
      panels: [
        areas(
          'Closes by reason',
          8,
          [
            {
              ask: series.rate('tidegauge.connection.closed', step).sum('tidegauge.close.reason'),
              legend: '{{tidegauge_close_reason}}',
            },
          ],
          { hidesZeros: true },
        ),
        areas(
          'Closes by who began it',
          8,
          [
            {
              ask: series.rate('tidegauge.connection.closed', step).sum('tidegauge.close.initiator'),
              legend: '{{tidegauge_close_initiator}}',
            },
          ],
          { hidesZeros: true },
        ),
        lines('How long connections live', 8, [
          {
            ask: quantile(0.5, 'tidegauge.connection.duration'),
            legend: 'those that ended, p50',
            color: 'blue',
          },
          {
            ask: quantile(0.9, 'tidegauge.connection.duration'),
            legend: 'those that ended, p90',
            color: 'orange',
          },
        ]),
        lines(
          'Connections by their time',
          12,
          [
            {
              ask: series.rate('tidegauge.connection.time', step).sum(),
              legend: 'connection seconds per second',
              color: 'blue',
            },
            {
              ask: series.level('tidegauge.connection.active').sum(),
              legend: 'open at each instant',
              color: 'gray',
              isDashed: true,
            },
          ],
          {
            unit: 'short',
            note: 'How many connections were open on average over each step, beside how many were at its end: churn within a step shows as the difference.',
          },
        ),
        lines(
          'Left to drain, by instance',
          12,
          [
            {
              ask: series.level('tidegauge.drain.remaining').sum(...targetLabels),
              legend: '{{instance}}',
            },
          ],
          { hidesZeros: true },
        ),
      ],
    },
  ],
};
