/** All rules, in files and groups as Prometheus loads them. Plain data; rule-file.ts makes text of it. */
import type { Span } from '../promql.ts';
import { availabilityAlerts, availabilityRecordings } from './availability.ts';
import { busAlerts } from './bus.ts';
import { clientAlerts } from './clients.ts';
import { dashboardLink, type LinkBases, relativeLinks, runbookLink } from './links.ts';
import { resourceAlerts } from './resources.ts';
import type { Alert, Alerts, Recording } from './rule.ts';
import { budgetRecordings, sloAlerts, sloRecordings } from './slo.ts';
import { trustAlerts } from './trust.ts';

export type RuleText = {
  record?: string;
  alert?: string;
  expr: string;
  for?: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
};
export type RuleGroup = { name: string; interval?: string; rules: readonly RuleText[] };
export type RuleFile = { groups: readonly RuleGroup[] };

export type RuleOptions = LinkBases & {
  /** How often the rates of the SLOs are recorded. */
  recordingIntervalSeconds: number;
  /** How often alerts are evaluated; the server's own interval unless given. */
  evaluationIntervalSeconds?: number;
  /** Multiplies every `for`: less than 1 where somebody waits for an alert, as tests do. */
  holdScale: number;
};

export const defaultOptions: RuleOptions = { ...relativeLinks, recordingIntervalSeconds: 60, holdScale: 1 };

const alertGroups = (options: RuleOptions) =>
  ({
    'tidegauge-availability': availabilityAlerts,
    'tidegauge-bus': busAlerts,
    'tidegauge-clients': clientAlerts,
    'tidegauge-slo-alerts': sloAlerts(options.recordingIntervalSeconds),
    'tidegauge-resources': resourceAlerts,
    'tidegauge-trust': trustAlerts,
  }) as const satisfies Record<string, Alerts>;

type Groups = ReturnType<typeof alertGroups>;
export type AlertName = { [Group in keyof Groups]: keyof Groups[Group] }[keyof Groups];

/** In the order of the file: what users notice first. */
export function allAlerts(options: RuleOptions = defaultOptions): { name: AlertName; strengths: Alert[] }[] {
  return Object.values<Alerts>(alertGroups(options)).flatMap((alerts) =>
    Object.entries(alerts).map(([name, alert]) => ({
      name: name as AlertName,
      strengths: [alert].flat() as Alert[],
    })),
  );
}

/** By file name. The recordings have to be loaded too wherever the alerts are. */
export function ruleFiles(options: RuleOptions = defaultOptions): Record<string, RuleFile> {
  const { evaluationIntervalSeconds, recordingIntervalSeconds } = options;
  const own = evaluationIntervalSeconds && { interval: `${evaluationIntervalSeconds}s` as const };
  const recording = { interval: `${recordingIntervalSeconds}s` as const };
  // Sums over 30 days change slowly and are the only ones that cost something.
  const seldom = { interval: `${5 * recordingIntervalSeconds}s` as const };
  return {
    'tidegauge-recording.yaml': {
      groups: [
        { name: 'tidegauge-instances', ...own, rules: availabilityRecordings.map(recordingText) },
        { name: 'tidegauge-slo', ...recording, rules: sloRecordings.map(recordingText) },
        { name: 'tidegauge-slo-budget', ...seldom, rules: budgetRecordings.map(recordingText) },
      ],
    },
    'tidegauge-alerts.yaml': {
      groups: Object.entries<Alerts>(alertGroups(options)).map(([name, alerts]) => ({
        name,
        ...own,
        rules: Object.entries(alerts).flatMap(([alert, strengths]) =>
          [strengths].flat().map((one: Alert) => alertText(alert, one, options)),
        ),
      })),
    },
  };
}

function recordingText({ record, expr, labels }: Recording): RuleText {
  return { record, expr: expr.promql, ...(labels && { labels }) };
}

function alertText(name: string, alert: Alert, options: RuleOptions): RuleText {
  const { severity, expr, labels, summary, description } = alert;
  return {
    alert: name,
    expr: expr.promql,
    ...(alert.for && { for: scaled(alert.for, options.holdScale) }),
    labels: { severity, ...labels },
    annotations: {
      summary,
      description,
      runbook_url: runbookLink(options, name),
      dashboard_url: dashboardLink(options, alert),
    },
  };
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `for` as it is, or, scaled, in milliseconds. */
function scaled(span: Span, scale: number): string {
  if (scale === 1) return span;
  const seconds = Number.parseFloat(span) * unitSeconds[span.at(-1)!]!;
  return `${Math.round(seconds * scale * 1000)}ms`;
}
