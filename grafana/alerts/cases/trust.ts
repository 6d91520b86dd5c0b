/** Figures that cannot be right, or cannot be had. */
import { type Case, gauge, type Input, input, type Labels, story } from './case.ts';

const drift = (values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.ledger.drift', {}, values, { target });
const errors = (source: string, values: string, target: Labels = gauge(0)): Input =>
  input('tidegauge.telemetry.collection.errors', { 'tidegauge.telemetry.source': source }, values, {
    target,
  });

export const trustCases: readonly Case[] = [
  story('TidegaugeLedgerDrift', 'two invariants are broken at one instant', [drift('0x20 2 0x60')], {
    '20m': [],
    '21m': [
      {
        summary: 'The accounts of 10.0.0.0:9464 of tidegauge do not add up',
        description:
          '2 of the invariants of 10.0.0.0:9464 of tidegauge do not hold. It is a bug of the gateway; its figures about connections and deliveries may be wrong.',
      },
    ],
    '36m': [],
  }),
  story('TidegaugeLedgerDrift', 'all is well, with a restart', [drift('0x20 stale _x3 0x60')], {
    '20m': [],
    '22m': [],
    '60m': [],
  }),
  story(
    'TidegaugeTelemetryErrors',
    'the control group cannot be read any more',
    [errors('cgroup', '0x20 0+4x30 120x60'), errors('procfs', '0x120')],
    {
      '30m': [],
      '40m': [
        {
          labels: { tidegauge_telemetry_source: 'cgroup' },
          summary: '10.0.0.0:9464 of tidegauge cannot read figures: cgroup',
          description:
            '10.0.0.0:9464 of tidegauge keeps failing to read figures from "cgroup". They are absent, or old; panels and alerts that use them see nothing.',
        },
      ],
      '60m': [],
    },
  ),
  story(
    'TidegaugeTelemetryErrors',
    'one read fails in passing; a restart; errors from before the first scrape',
    [
      errors('procfs', '0x20 1x60'),
      errors('v8', '7x20 0x60', gauge(1)),
      errors('cgroup', '_x10 12x60', gauge(2)),
    ],
    { '22m': [], '26m': [], '60m': [] },
  ),
];
