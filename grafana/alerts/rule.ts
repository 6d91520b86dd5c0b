/**
 * What a rule is here, before it becomes text. An alert keeps the labels by which it is routed: those of a job for
 * what concerns all instances together, and the instance for what concerns one.
 *
 * Two severities. `critical` wakes somebody: users notice it now or will within minutes, and a person can do something
 * about it. `warning` is work for the day. What is neither is a figure on a dashboard and no alert.
 */
import type { Span, Vector } from '../promql.ts';
import type { RecordedName } from './recorded.ts';

export type Severity = 'critical' | 'warning';

export const jobLabels = ['cluster', 'namespace', 'job'] as const;
export const instanceLabels = [...jobLabels, 'instance'] as const;

export const scopeLabels = { job: jobLabels, instance: instanceLabels } as const;
export type Scope = keyof typeof scopeLabels;

/** A panel by its title, which is unique within a dashboard. */
export type PanelLink = {
  dashboard: 'tidegauge-fleet' | 'tidegauge-instance' | 'tidegauge-delivery';
  title: string;
};

export type Alert = {
  severity: Severity;
  /** Whether its elements are jobs or instances: which labels it is routed by. */
  scope: Scope;
  /** Holds where it has an element: the value is what the description shows. */
  expr: Vector<string>;
  /** How long it has to hold without a break. Nothing: at the first evaluation. */
  for?: Span;
  /** Beside severity and the labels of the elements. */
  labels?: Readonly<Record<string, string>>;
  /** One line, for the list of alerts. Both are templates of Prometheus. */
  summary: string;
  /** What is the matter, with the value. */
  description: string;
  /** Where the figure is drawn. */
  panel: PanelLink;
};

/** By name; several under one name are one alert in different strengths. */
export type Alerts = Readonly<Record<`Tidegauge${string}`, Alert | readonly Alert[]>>;

export type Recording = {
  record: RecordedName;
  expr: Vector<string>;
  labels?: Readonly<Record<string, string>>;
};

/** The value as the descriptions show it. */
export const percentage = '{{ $value | humanizePercentage }}';
export const whole = '{{ $value | printf "%.0f" }}';
export const oneDecimal = '{{ $value | printf "%.1f" }}';
/** Which instance, or which job, in the words of a sentence. */
export const theInstance = '{{ $labels.instance }} of {{ $labels.job }}';
export const theJob = '{{ $labels.job }}';
