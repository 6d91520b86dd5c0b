/** Queries are as PromQL wants them, and a wrong name neither compiles nor gets past generation. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { labelOf, Series } from '../../../grafana/series.ts';

const series = new Series({ job: '$job' });
const anywhere = new Series();

describe('a query is built from the instrument', () => {
  const cases: [what: string, promql: string, expected: string][] = [
    [
      'an up-down counter',
      series.level('tidegauge.connection.active').sum('instance').promql,
      'sum by (instance) (tidegauge_connection_active{job=~"$job"})',
    ],
    [
      'a gauge of a ratio, one value of an attribute',
      anywhere.level('tidegauge.saturation', { 'tidegauge.resource': 'cpu' }).promql,
      'tidegauge_saturation_ratio{tidegauge_resource="cpu"}',
    ],
    [
      'the rate of a counter, several values of an attribute',
      series
        .rate('tidegauge.connection.closed', '$__rate_interval', {
          'tidegauge.close.reason': ['drain', 'policy'],
          'tidegauge.close.initiator': { not: 'client' },
        })
        .sum('tidegauge.close.reason').promql,
      'sum by (tidegauge_close_reason) (rate(tidegauge_connection_closed_total{job=~"$job", tidegauge_close_reason=~"drain|policy", tidegauge_close_initiator!="client"}[$__rate_interval]))',
    ],
    [
      'a quantile',
      anywhere.quantile(0.99, 'tidegauge.fanout.duration', '5m', { by: ['instance'] }).promql,
      'histogram_quantile(0.99, sum by (le, instance) (rate(tidegauge_fanout_duration_seconds_bucket[5m])))',
    ],
    [
      'a bucket with a fractional bound',
      anywhere.eventRateUpTo('tidegauge.fanout.duration', 0.25, '1h').promql,
      'rate(tidegauge_fanout_duration_seconds_bucket{le="0.25"}[1h])',
    ],
    [
      'a bucket with a whole bound, which is spelt in two ways',
      anywhere.eventRateUpTo('tidegauge.handshake.duration', 1, '1h', { 'error.type': '' }).promql,
      'rate(tidegauge_handshake_duration_seconds_bucket{error_type="", le=~"1|1\\\\.0"}[1h])',
    ],
    [
      'a level over time',
      series.levelOverTime('max', 'tidegauge.ready', '$__range', { 'tidegauge.ready.reason': 'bus' }).promql,
      'max_over_time(tidegauge_ready_ratio{job=~"$job", tidegauge_ready_reason="bus"}[$__range])',
    ],
    [
      'operands get parentheses where they need them',
      anywhere
        .level('tidegauge.connection.active')
        .sum()
        .dividedBy(anywhere.level('tidegauge.connection.limit').sum())
        .minus(1)
        .times(anywhere.level('process.uptime').whether('>', 60), { on: ['instance'], many: 'right' }).promql,
      '((sum (tidegauge_connection_active) / sum (tidegauge_connection_limit)) - 1) * on (instance) group_right (process_uptime_seconds > bool 60)',
    ],
    ['what is not ours', series.up().promql, 'up{job=~"$job"}'],
    [
      'labels',
      labelOf('tidegauge.connection.closed', 'tidegauge.close.initiator'),
      'tidegauge_close_initiator',
    ],
  ];
  for (const [what, promql, expected] of cases) test(what, () => assert.equal(promql, expected));
});

describe('what is not in the catalogue does not compile, and throws', () => {
  const cases: [what: string, build: () => unknown, message: RegExp][] = [
    [
      'an instrument',
      // @ts-expect-error: there is no such instrument.
      () => series.level('tidegauge.connection.lost'),
      /no instrument tidegauge\.connection\.lost/,
    ],
    [
      'an attribute',
      // @ts-expect-error: closes have a reason, no colour.
      () => series.rate('tidegauge.connection.closed', '5m', { colour: 'red' }),
      /has no attribute colour/,
    ],
    [
      'a value',
      // @ts-expect-error: no close has this reason.
      () => series.total('tidegauge.connection.closed', { 'tidegauge.close.reason': 'boredom' }),
      /is never "boredom"/,
    ],
    [
      'one of several values',
      () =>
        series.level('tidegauge.saturation', {
          // @ts-expect-error: disks are not looked at.
          'tidegauge.resource': { not: ['cpu', 'disk'] },
        }),
      /is never "disk"/,
    ],
    [
      'a bucket',
      // @ts-expect-error: between two boundaries.
      () => series.eventRateUpTo('tidegauge.fanout.duration', 0.3, '5m'),
      /no bucket up to 0\.3/,
    ],
    [
      'the label of an attribute',
      // @ts-expect-error: that of another instrument.
      () => labelOf('tidegauge.ready', 'tidegauge.close.reason'),
      /has no attribute/,
    ],
  ];
  for (const [what, build, message] of cases) test(what, () => assert.throws(build, { message }));

  test('kinds and aggregations are told apart by the compiler', () => {
    // @ts-expect-error: an amount has no rate.
    series.rate('tidegauge.connection.active', '5m');
    // @ts-expect-error: a counter is no level.
    series.level('tidegauge.connection.opened');
    // @ts-expect-error: drops have no direction.
    series.rate('tidegauge.deliveries.dropped', '5m').sum('network.io.direction');
    // @ts-expect-error: the reason was summed away.
    series.rate('tidegauge.deliveries.dropped', '5m').sum('instance').sum('tidegauge.drop.reason');
  });
});
