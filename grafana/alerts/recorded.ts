/**
 * The series that the recording rules make, for alert rules and panels to build queries from. They exist only where
 * Prometheus has loaded the rule files, and have the labels cluster, namespace and job, never an instance.
 * What each of them holds is said where it is recorded: slo.ts and availability.ts.
 */
import { type Span, Vector } from '../promql.ts';
import type { Target } from '../series.ts';

/** What is promised; slo.ts has the objectives. */
export const sloNames = ['delivery_latency', 'undropped_deliveries', 'handshake_success'] as const;
export type SloName = (typeof sloNames)[number];

/** The spans over which the burning of an error budget is measured. */
export const burnWindows = ['5m', '30m', '1h', '6h', '3d'] as const;
export type BurnWindow = (typeof burnWindows)[number];

/** By slo, all but the first. */
export type RecordedName =
  | 'job:tidegauge_instances:count'
  | 'job:tidegauge_slo_events:rate5m'
  | 'job:tidegauge_slo_bad_events:rate5m'
  | `job:tidegauge_slo:burnrate${BurnWindow}`
  | 'job:tidegauge_slo:error_budget_remaining30d';

export const recordedNames: readonly RecordedName[] = [
  'job:tidegauge_instances:count',
  'job:tidegauge_slo_events:rate5m',
  'job:tidegauge_slo_bad_events:rate5m',
  ...burnWindows.map((window) => `job:tidegauge_slo:burnrate${window}` as const),
  'job:tidegauge_slo:error_budget_remaining30d',
];

type JobTarget = Omit<Target, 'instance'>;
type Choice = { slo?: SloName; target?: JobTarget };

export function recorded(name: RecordedName, choice: Choice = {}): Vector<'slo'> {
  return new Vector(selector(name, choice), true);
}

/** The samples of a span put together; the rules that record them run once in `recordingInterval`. */
export function recordedOverTime(
  what: 'sum' | 'last' | 'max' | 'min',
  name: RecordedName,
  span: Span,
  choice: Choice = {},
): Vector<'slo'> {
  return new Vector(`${what}_over_time(${selector(name, choice)}[${span}])`, true);
}

function selector(name: RecordedName, { slo, target = {} }: Choice): string {
  const matchers = Object.entries(target).map(([label, pattern]) => `${label}=~${JSON.stringify(pattern)}`);
  if (slo !== undefined) matchers.push(`slo="${slo}"`);
  return matchers.length === 0 ? name : `${name}{${matchers.join(', ')}}`;
}
