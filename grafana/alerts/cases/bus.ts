/** Links to the bus that break. */
import { ready } from './availability.ts';
import { type Case, gauge, type Input, input, type Labels, story } from './case.ts';

const connected = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.bus.state', { 'tidegauge.bus.state': 'connected' }, values, { target });
const reconnects = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.bus.reconnects', {}, values, { target });

const refused = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.bus.refused', {}, values, { target });

const isCutOff = (instance: string) => ({
  labels: { instance },
  summary: `${instance} of tidegauge has lost the bus`,
  description: `${instance} of tidegauge has no connection to NATS. Its clients are connected and hear nothing.`,
});

export const busCases: readonly Case[] = [
  story(
    'TidegaugeBusDisconnected',
    'two of three lose it, and get it back',
    [
      connected('1x5 0x9 1x60'),
      connected('1x5 0x9 1x60', gauge(1)),
      connected('1x90', gauge(2)),
      // Readiness follows by itself; it makes no difference here.
      ...ready({ bus: '0x5 1x9 0x60' }),
      ...ready({ bus: '0x5 1x9 0x60' }, gauge(1)),
      ...ready({}, gauge(2)),
    ],
    { '7m': [], '8m': [isCutOff('10.0.0.0:9464'), isCutOff('10.0.0.1:9464')], '16m': [] },
  ),
  story(
    'TidegaugeBusDisconnected',
    'the broker restarts; one that starts, and one that drains',
    [
      connected('1x5 0x1 1x60'),
      ...ready({}),
      connected('0x90', gauge(1)),
      ...ready({ starting: '1x90' }, gauge(1)),
      connected('1x5 0x60', gauge(2)),
      ...ready({ draining: '0x5 1x60' }, gauge(2)),
    ],
    { '2m': [], '7m': [], '8m': [], '60m': [] },
  ),
  story('TidegaugeBusUnsteady', 'five reconnects, then peace', [reconnects('0x29 0+1x5 5x60')], {
    '34m': [],
    '35m': [
      {
        summary: '10.0.0.0:9464 of tidegauge loses the bus again and again',
        description:
          '10.0.0.0:9464 of tidegauge has had to reconnect to NATS 5 times within 30 minutes. Clients are told of a gap each time.',
      },
    ],
    '75m': [],
  }),
  story(
    'TidegaugeBusRefusesSubscriptions',
    'three are refused for ten minutes',
    [refused('0x5 3x9 0x60'), refused('0x90', gauge(1))],
    {
      '10m': [],
      '11m': [
        {
          summary: '10.0.0.0:9464 of tidegauge is refused subscriptions by the bus',
          description:
            '10.0.0.0:9464 of tidegauge wants 3 subscriptions that NATS refuses. Clients that listen to those channels hear nothing there.',
        },
      ],
      '16m': [],
    },
  ),
  story(
    'TidegaugeBusRefusesSubscriptions',
    'one is refused while two are exchanged, and again',
    [refused('0x5 1x3 0x3 1x3 0x60')],
    { '10m': [], '13m': [], '16m': [] },
  ),
  story(
    'TidegaugeBusUnsteady',
    'a cluster of three is restarted; a process is, whose count begins anew; one is seen late, with a past',
    [reconnects('0x9 1x2 2x2 3x60'), reconnects('40x20 0x60', gauge(1)), reconnects('_x20 17x60', gauge(2))],
    { '15m': [], '21m': [], '22m': [], '40m': [] },
  ),
];
