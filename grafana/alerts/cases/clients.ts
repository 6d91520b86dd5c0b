/** Clients that do not keep up, deliveries that are dropped, handshakes that are refused. */
import type { AttributeValue } from '../../series.ts';
import { type Case, gauge, type Input, input, type Labels, story } from './case.ts';

type DropReason = AttributeValue<'tidegauge.deliveries.dropped', 'tidegauge.drop.reason'>;
type RejectionReason = AttributeValue<'tidegauge.handshake.rejections', 'error.type'>;

const active = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.connection.active', {}, values, { target });
const cut = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.connection.closed', { 'tidegauge.close.reason': 'slow_consumer' }, values, { target });
const congested = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.send_queue.congested', {}, values, { target });
const matched = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.deliveries.matched', {}, values, { target });
const dropped = (reason: DropReason, values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.deliveries.dropped', { 'tidegauge.drop.reason': reason }, values, { target });
const begun = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.handshake.begun', {}, values, { target });
const refused = (reason: RejectionReason, values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.handshake.rejections', { 'error.type': reason }, values, { target });

const areSlow = (share: string) => ({
  summary: 'Clients of 10.0.0.0:9464 of tidegauge do not keep up',
  description: `${share} of the clients of 10.0.0.0:9464 of tidegauge do not keep up: within 15 minutes they were cut as slow consumers, or data kept waiting for them.`,
});
const areDropped = (reason: DropReason, share: string) => ({
  labels: { tidegauge_drop_reason: reason },
  summary: `10.0.0.0:9464 of tidegauge drops deliveries: ${reason}`,
  description: `10.0.0.0:9464 of tidegauge has dropped ${share} of its deliveries within 10 minutes, for the reason "${reason}".`,
});
const areRefused = (reason: RejectionReason, share: string) => ({
  labels: { error_type: reason },
  summary: `tidegauge refuses handshakes: ${reason}`,
  description: `${share} of the handshakes with tidegauge within 15 minutes were refused, for the reason "${reason}".`,
});

export const clientCases: readonly Case[] = [
  story(
    'TidegaugeSlowConsumers',
    'with the policy to disconnect, two of a hundred a minute are cut',
    [active('1000x120'), cut('0x20 0+20x20 400x80'), congested('0x120')],
    { '25m': [], '28m': [areSlow('14%')], '35m': [areSlow('28%')], '60m': [] },
  ),
  story(
    'TidegaugeSlowConsumers',
    'with another policy, a tenth of them stays congested',
    [active('1000x120'), cut('0x120'), congested('0x20 100x40 0x60')],
    { '28m': [], '45m': [areSlow('10%')], '80m': [] },
  ),
  story(
    'TidegaugeSlowConsumers',
    'a few of many; most of very few; nobody is there',
    [
      active('1000x90'),
      cut('0x20 0+1x20 20x50'),
      congested('40x90'),
      active('8x90', gauge(1)),
      cut('0x20 4x70', gauge(1)),
      congested('4x90', gauge(1)),
      active('0x90', gauge(2)),
      cut('0x90', gauge(2)),
      congested('0x90', gauge(2)),
    ],
    { '20m': [], '26m': [], '60m': [] },
  ),
  story(
    'TidegaugeDeliveriesDropped',
    'more comes than can be sent',
    [matched('0+60000x120'), dropped('overload', '0x20 0+600x15 9000x80')],
    { '25m': [], '32m': [areDropped('overload', '1%')], '60m': [] },
  ),
  story(
    'TidegaugeDeliveriesDropped',
    'clients do not take what is theirs',
    [matched('0+60000x120'), dropped('slow_consumer', '0x20 0+600x15 9000x80')],
    { '25m': [], '32m': [areDropped('slow_consumer', '1%')], '60m': [] },
  ),
  story(
    'TidegaugeDeliveriesDropped',
    'a trace; what was meant to be replaced; clients that have gone; a handful of few; no traffic; a past',
    [
      matched('0+60000x90'),
      dropped('overload', '0+30x90'),
      matched('0+60000x90', gauge(1)),
      dropped('conflated', '0+9000x90', gauge(1)),
      dropped('closed', '0+9000x90', gauge(1)),
      matched('0+10x90', gauge(2)),
      dropped('slow_consumer', '0x20 5x70', gauge(2)),
      matched('0x90', gauge(3)),
      dropped('overload', '0x90', gauge(3)),
      matched('_x20 9000+60000x60', gauge(4)),
      dropped('overload', '_x20 9000x60', gauge(4)),
    ],
    { '10m': [], '28m': [], '60m': [] },
  ),
  story(
    'TidegaugeHandshakesRefused',
    'a page is served from another origin, and nobody told the gateway',
    [
      begun('0+100x120'),
      begun('0+100x120', gauge(1)),
      refused('forbidden_origin', '0x20 0+50x20 1000x80'),
      refused('forbidden_origin', '0x20 0+50x20 1000x80', gauge(1)),
    ],
    {
      '28m': [],
      '31m': [areRefused('forbidden_origin', '33.33%')],
      '38m': [areRefused('forbidden_origin', '50%')],
      '60m': [],
    },
  ),
  story(
    'TidegaugeHandshakesRefused',
    'a rollout; a scanner among many; a scanner where there is nobody else; nobody at all',
    [
      begun('0+100x90'),
      refused('draining', '0x20 0+50x10 500x60'),
      refused('not_found', '0+5x90'),
      begun('0x20 15x70', { ...gauge(0), job: 'quiet' }),
      refused('not_found', '0x20 15x70', { ...gauge(0), job: 'quiet' }),
      begun('0x90', { ...gauge(0), job: 'empty' }),
      refused('not_found', '0x90', { ...gauge(0), job: 'empty' }),
    ],
    { '15m': [], '30m': [], '60m': [] },
  ),
];
