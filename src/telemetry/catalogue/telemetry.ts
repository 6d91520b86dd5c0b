/** Telemetry about itself. The SDK adds figures of its own exporter (otel.sdk.exporter.*) when OTLP is on. */
import { platformSources } from '../figures.ts';
import type { Declarations } from './declaration.ts';

/**
 * Where reading can fail: the platform's sources; a part of the service whose figures could not be had; a figure
 * that was no finite number.
 */
export const errorSources = [...platformSources, 'platform', 'gateway', 'bus', 'http', 'value'] as const;
export type ErrorSource = (typeof errorSources)[number];

export const telemetryInstruments = {
  'tidegauge.telemetry.collection.errors': {
    kind: 'counter',
    unit: '{error}',
    stability: 'ours',
    attributes: [['tidegauge.telemetry.source', errorSources]],
    counts: 'Figures, or groups of figures, that could not be read. The rest of the collection went on.',
    not: 'Failed exports; those are otel.sdk.exporter.metric_data_point.exported with an error.type.',
    source:
      'every read, most of them at each collection: files of /proc and of the control group (procfs, cgroup), answers of Node (v8, event_loop, some of procfs), a whole part that gave no figures (platform, gateway, bus, http), and figures that were no finite number (value)',
    question: 'Which figures are missing or old?',
  },
  'tidegauge.sampler.window.age': {
    kind: 'gauge',
    unit: 's',
    stability: 'ours',
    counts: 'Seconds since the sampler last closed a window; before the first one, since the start.',
    not: "The window's length. More than TIDEGAUGE_SAMPLE_INTERVAL means that the loop was stalled until just now; the next window covers all of that time.",
    source: 'the sampler',
    question: 'How old are CPU utilization and event-loop delay?',
  },
} as const satisfies Declarations;
