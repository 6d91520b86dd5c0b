/** Instances that go, come back, or let nobody in. */
import type { AttributeValue } from '../../series.ts';
import { type Case, gauge, type Input, input, type Labels, story, up } from './case.ts';

type ReadyReason = AttributeValue<'tidegauge.ready', 'tidegauge.ready.reason'>;
const readyReasons: readonly ReadyReason[] = ['starting', 'draining', 'bus', 'capacity'];

const limit = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.connection.limit', {}, values, { target });
const uptime = (values: string, target: Labels = gauge(0)): Input =>
  input('process.uptime', {}, values, { target });

/** All reasons of an instance; those that are not named never hold. */
export function ready(held: Partial<Record<ReadyReason, string>>, target: Labels = gauge(0)): Input[] {
  return readyReasons.map((reason) =>
    input('tidegauge.ready', { 'tidegauge.ready.reason': reason }, held[reason] ?? '0x90', { target }),
  );
}

const isDown = {
  summary: 'tidegauge: no instance reports',
  description:
    'Not one instance of tidegauge sends figures. Either the gateway is down and nobody is served, or Prometheus cannot see it.',
};
const instanceIsDown = {
  summary: '10.0.0.0:9464 of tidegauge cannot be scraped',
  description:
    'Prometheus cannot scrape 10.0.0.0:9464 of tidegauge. Its clients have most likely been cut off, and are with the others now.',
};
const noneIsReady = {
  summary: 'tidegauge: no instance is ready',
  description:
    'No instance of tidegauge takes new connections. Whoever is connected stays; nobody else gets in.',
};
const restarts = (times: number) => ({
  summary: '10.0.0.0:9464 of tidegauge restarts again and again',
  description: `10.0.0.0:9464 of tidegauge has restarted ${times} times within 30 minutes. Each time all of its clients are cut off.`,
});
const notReady = (reason: ReadyReason) => ({
  labels: { tidegauge_ready_reason: reason },
  summary: `10.0.0.0:9464 of tidegauge is not ready: ${reason}`,
  description: `10.0.0.0:9464 of tidegauge takes no new connections, for the reason "${reason}".`,
});

/** A failed scrape ends all series of its target. */
const endsAtTen = '50000x10 stale _x18 50000x60';

export const availabilityCases: readonly Case[] = [
  story(
    'TidegaugeDown',
    'both targets fail, and come back',
    [up('1x10 0x19 1x60'), up('1x10 0x19 1x60', gauge(1)), limit(endsAtTen), limit(endsAtTen, gauge(1))],
    { '10m': [], '13m': [], '14m': [isDown], '30m': [isDown], '31m': [] },
  ),
  story(
    'TidegaugeDown',
    'it goes on for as long as the targets are there, also when what was recorded has been forgotten',
    [up('1x10 0x200'), limit('50000x10 stale')],
    { '14m': [isDown], '90m': [isDown] },
  ),
  story(
    'TidegaugeDown',
    'no target and no push is left, which is forgotten after an hour',
    [limit('50000x10 stale')],
    { '13m': [], '14m': [isDown], '69m': [isDown], '71m': [] },
  ),
  story(
    'TidegaugeDown',
    'one of two answers; the only instance is restarted; another job fails that has no gateway in it',
    [
      up('0x90', { ...gauge(5), job: 'other' }),
      up('1x90'),
      up('0x90', gauge(1)),
      limit('50000x90'),
      limit('50000 stale', gauge(1)),
      up('1x10 0x1 1x60', { ...gauge(0), job: 'alone' }),
      limit('50000x10 stale _ 50000x60', { ...gauge(0), job: 'alone' }),
    ],
    { '5m': [], '14m': [], '60m': [] },
  ),
  story(
    'TidegaugeInstanceDown',
    'one of two fails, and comes back',
    [
      up('1x10 0x9 1x60'),
      up('1x90', gauge(1)),
      limit('50000x10 stale _x8 50000x60'),
      limit('50000x90', gauge(1)),
    ],
    { '15m': [], '16m': [instanceIsDown], '20m': [instanceIsDown], '21m': [] },
  ),
  story(
    'TidegaugeInstanceDown',
    'the last targets of pods that have ended, and targets of the same job that are no gateways',
    [up('1x10 0x2 stale'), limit('50000x10 stale'), up('0x90', { ...gauge(7), pod: 'somebody-else' })],
    { '14m': [], '20m': [], '60m': [] },
  ),
  story(
    'TidegaugeRestarting',
    'three restarts within half an hour',
    [limit('50000x90'), uptime('0+60x5 0+60x5 0+60x5 0+60x60')],
    { '17m': [], '18m': [restarts(3)], '36m': [] },
  ),
  story(
    'TidegaugeRestarting',
    'most of the time it is not there to be scraped',
    [limit(Array(5).fill('50000x1 stale _x2').join(' ')), uptime(Array(5).fill('10 70 stale _x2').join(' '))],
    {
      '14m': [],
      '16m': [restarts(3)],
      '18m': [restarts(3)],
      '19m': [restarts(3)],
      '24m': [restarts(4)],
      '60m': [],
    },
  ),
  story(
    'TidegaugeRestarting',
    'two restarts; and another program that does nothing else',
    [
      limit('50000x90'),
      uptime('0+60x5 0+60x5 0+60x60'),
      uptime('0+60x2 0+60x2 0+60x2 0+60x2 0+60x60', { ...gauge(1), job: 'other' }),
    ],
    { '12m': [], '18m': [], '30m': [] },
  ),
  story(
    'TidegaugeNoneReady',
    'no instance reaches the bus after the start',
    [...ready({ starting: '0x5 1x9 0x60' }), ...ready({ starting: '1x15 0x60' }, gauge(1))],
    { '7m': [], '8m': [noneIsReady], '15m': [noneIsReady], '16m': [] },
  ),
  story(
    'TidegaugeNoneReady',
    'all of them are full',
    [...ready({ capacity: '0x5 1x60' }), ...ready({ capacity: '1x60' }, gauge(1))],
    { '7m': [], '8m': [noneIsReady] },
  ),
  story(
    'TidegaugeNoneReady',
    'one drains beside one that is ready; the bus is away from all, which has an alert of its own',
    [
      ...ready({ draining: '1x90' }),
      ...ready({}, gauge(1)),
      ...ready({ bus: '0x5 1x60' }, { ...gauge(0), job: 'cut-off' }),
      ...ready({ bus: '0x5 1x60', capacity: '1x60' }, { ...gauge(1), job: 'cut-off' }),
    ],
    { '3m': [], '8m': [], '60m': [] },
  ),
  story(
    'TidegaugeNotReady',
    'it stays full, and empties',
    [...ready({ capacity: '0x5 1x14 0x60' }), ...ready({}, gauge(1))],
    { '15m': [], '16m': [notReady('capacity')], '20m': [notReady('capacity')], '21m': [] },
  ),
  story('TidegaugeNotReady', 'it does not get through its start', [...ready({ starting: '1x60' })], {
    '9m': [],
    '10m': [notReady('starting')],
  }),
  story(
    'TidegaugeNotReady',
    'it drains, or has lost the bus, or takes a while to start',
    [
      ...ready({ draining: '1x90' }),
      ...ready({ bus: '1x90' }, gauge(1)),
      ...ready({ starting: '1x8 0x60' }, gauge(2)),
    ],
    { '8m': [], '10m': [], '60m': [] },
  ),
];
