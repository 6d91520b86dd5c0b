/**
 * Cases for `promtool test rules`: series as a Prometheus would have scraped them, and what is to fire when. Series are
 * named through the catalogue, as in the rules. What a firing alert says is written out in full, so a case also proves
 * the templates of its texts.
 *
 * Values are in promtool's notation, a sample a minute: `1x5 0x10` is six ones and eleven noughts, `0+3x9` rises.
 */
import type { InstrumentName } from '../../../src/telemetry/catalogue.ts';
import { labelName, seriesName } from '../../../src/telemetry/metric-names.ts';
import { type AttributeName, find } from '../../series.ts';
import { dashboardLink, relativeLinks, runbookLink } from '../links.ts';
import { type Severity, scopeLabels } from '../rule.ts';
import type { Plain } from '../rule-file.ts';
import { type AlertName, allAlerts, ruleFiles } from '../rules.ts';

export type Labels = Readonly<Record<string, string>>;

/** The job of all cases. Its labels are what a Prometheus with Kubernetes' service discovery and relabelling makes. */
export const job = { cluster: 'harbour', namespace: 'tide', job: 'tidegauge' } as const;

/** `gauge(0)` is the first instance. */
export function gauge(number: number): Labels {
  return { ...job, instance: `10.0.0.${number}:9464` };
}

export type Input = { series: string; values: string };

/** One series of an instrument; of an instance of the job unless other labels are given. */
export function input<Name extends InstrumentName>(
  name: Name,
  attributes: { readonly [Key in AttributeName<Name>]?: string },
  values: string,
  {
    target = gauge(0),
    suffix = '',
    le,
  }: { target?: Labels; suffix?: '_bucket' | '_count' | ''; le?: number } = {},
): Input {
  const { unit, kind } = find(name);
  const labels = Object.fromEntries(
    Object.entries<string>(attributes as Labels).map(([attribute, value]) => [labelName(attribute), value]),
  );
  return series(
    `${seriesName(name, unit, kind)}${suffix}`,
    { ...target, ...labels, ...(le && { le: String(le) }) },
    values,
  );
}

/** Prometheus' word for how a scrape went. */
export function up(values: string, target: Labels = gauge(0)): Input {
  return series('up', target, values);
}

function series(name: string, labels: Labels, values: string): Input {
  const matchers = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return { series: `${name}{${matchers.join(', ')}}`, values };
}

/** One alert that fires: all of its labels and texts. */
export type Firing = {
  /** Default: the severity of the alert, where it has one only. */
  severity?: Severity;
  labels?: Labels;
  summary: string;
  description: string;
};

export type Case = {
  name: string;
  input: readonly Input[];
  /** By time: what fires then. Nothing: the alert is quiet. */
  checks: readonly { alert: AlertName; at: string; firing: readonly Firing[] }[];
  /** By time and expression: the values of its elements. */
  values?: readonly { expr: string; at: string; samples: Readonly<Record<string, number>> }[];
  /** Between two samples; default a minute. */
  interval?: string;
};

/** What happens with one alert in the course of a case. */
export function story(
  alert: AlertName,
  name: string,
  input: readonly Input[],
  times: Readonly<Record<string, readonly Firing[]>>,
  more: Pick<Case, 'interval' | 'values'> = {},
): Case {
  const checks = Object.entries(times).map(([at, firing]) => ({ alert, at, firing }));
  return { name: `${alert}: ${name}`, input, checks, ...more };
}

/** Nothing at all fires at these times. */
export function quiet(
  name: string,
  input: readonly Input[],
  times: readonly string[],
  interval?: string,
): Case {
  const checks = times.flatMap((at) => allAlerts().map((alert) => ({ alert: alert.name, at, firing: [] })));
  return { name, input, checks, ...(interval && { interval }) };
}

/** A file for `promtool test rules`, beside the rule files in the folder above. */
export function testFile(cases: readonly Case[]): Plain {
  return {
    rule_files: ['../tidegauge-recording.yaml', '../tidegauge-alerts.yaml'],
    evaluation_interval: '1m',
    // What is recorded has to be there before it is asked for. A group that is left out may come at any place.
    group_eval_order: Object.values(ruleFiles()).flatMap(({ groups }) => groups.map(({ name }) => name)),
    tests: cases.map(({ name, input, checks, values = [], interval = '1m' }) => ({
      name,
      interval,
      input_series: input,
      alert_rule_test: checks.map(({ alert, at, firing }) => ({
        eval_time: at,
        alertname: alert,
        exp_alerts: firing.map((one) => expected(alert, one)),
      })),
      promql_expr_test: values.map(({ expr, at, samples }) => ({
        expr,
        eval_time: at,
        exp_samples: Object.entries(samples).map(([labels, value]) => ({ labels, value })),
      })),
    })),
  };
}

function expected(name: AlertName, { severity, labels = {}, summary, description }: Firing): Plain {
  const { strengths } = allAlerts().find((alert) => alert.name === name)!;
  const alert = strengths.find((one) => one.labels?.long === labels.long)!;
  const target = Object.fromEntries(scopeLabels[alert.scope].map((label) => [label, gauge(0)[label]!]));
  const all: Labels = { ...target, ...labels, severity: severity ?? alert.severity };
  return {
    exp_labels: all,
    exp_annotations: {
      summary,
      description,
      runbook_url: runbookLink(relativeLinks, name),
      dashboard_url: dashboardLink(relativeLinks, alert, (label) => encodeURIComponent(all[label] ?? '')),
    },
  };
}
