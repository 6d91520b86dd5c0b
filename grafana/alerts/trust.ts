/** Can the figures themselves be trusted? */
import { Series } from '../series.ts';
import { type Alerts, instanceLabels, theInstance, whole } from './rule.ts';

const series = new Series();

export const trustAlerts = {
  TidegaugeLedgerDrift: {
    severity: 'warning',
    scope: 'instance',
    // Never anything but 0 without a bug, so once is enough; it stays visible for a while.
    expr: series
      .levelOverTime('max', 'tidegauge.ledger.drift', '15m')
      .max(...instanceLabels)
      .where('>', 0),
    summary: `The accounts of ${theInstance} do not add up`,
    description: `${whole} of the invariants of ${theInstance} do not hold. It is a bug of the gateway; its figures about connections and deliveries may be wrong.`,
    panel: { dashboard: 'tidegauge-instance', title: 'Accounts that do not add up' },
  },
  TidegaugeTelemetryErrors: {
    severity: 'warning',
    scope: 'instance',
    expr: series
      .increase('tidegauge.telemetry.collection.errors', '5m')
      .max(...instanceLabels, 'tidegauge.telemetry.source')
      .where('>', 0),
    // One failure in passing is none.
    for: '15m',
    summary: `${theInstance} cannot read figures: {{ $labels.tidegauge_telemetry_source }}`,
    description: `${theInstance} keeps failing to read figures from "{{ $labels.tidegauge_telemetry_source }}". They are absent, or old; panels and alerts that use them see nothing.`,
    panel: { dashboard: 'tidegauge-instance', title: 'Figures that could not be read' },
  },
} as const satisfies Alerts;
