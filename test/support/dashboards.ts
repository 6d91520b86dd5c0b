/** The committed dashboards as Grafana reads them: their panels, and their queries with the variables filled in. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type PanelTarget = {
  refId: string;
  expr: string;
  legendFormat: string;
  format: string;
  instant: boolean;
  range: boolean;
};
export type Threshold = { color: string; value: number | null };
export type Override = {
  matcher: { id: string; options: unknown };
  properties: { id: string; value: unknown }[];
};
export type DashboardPanel = {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  fieldConfig?: {
    defaults: {
      unit?: string;
      decimals?: number;
      min?: number;
      max?: number;
      noValue?: string;
      color?: { mode: string };
      thresholds: { steps: Threshold[] };
      mappings: { options: Record<string, { text: string; color: string }> }[];
      custom?: Record<string, unknown>;
    };
    overrides: Override[];
  };
  options?: Record<string, unknown>;
  targets?: PanelTarget[];
  transformations?: { id: string; options: Record<string, unknown> }[];
  /** Of a row. */
  collapsed?: boolean;
  panels?: unknown[];
};
export type Variable = {
  name: string;
  label: string;
  type: string;
  query: string;
  datasource?: { uid: string };
  multi: boolean;
  allValue?: string;
  refresh: number;
  current: { text: unknown; value: unknown };
};
export type Annotation = {
  name: string;
  type?: string;
  expr?: string;
  datasource: { uid: string };
  enable: boolean;
  hide: boolean;
};
export type DashboardJson = {
  uid: string;
  title: string;
  description: string;
  tags: string[];
  schemaVersion: number;
  editable: boolean;
  graphTooltip: number;
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
  links: { title: string; url: string; keepTime: boolean; includeVars: boolean }[];
  panels: DashboardPanel[];
  __inputs?: { name: string; type: string; pluginId: string }[];
  __requires?: { type: string; id: string }[];
};

const grafana = join(import.meta.dirname, '../../grafana');

export function readDashboards(folder: 'dashboards' | 'import' = 'dashboards'): DashboardJson[] {
  return readdirSync(join(grafana, folder))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(grafana, folder, file), 'utf8')) as DashboardJson);
}

/** What is chosen in the variables, and the spans that Grafana computes. */
export type Choice = {
  /** By variable; one that is left out is "All". */
  chosen?: Readonly<Record<string, string>>;
  /** The options of variables whose "All" is the list of them. */
  options: Readonly<Record<string, readonly string[]>>;
  rateIntervalSeconds: number;
  rangeSeconds: number;
};

/** A query as it goes to Prometheus. */
export function fillIn(expr: string, { templating }: DashboardJson, choice: Choice): string {
  let filled = expr
    .replaceAll('$__rate_interval', `${choice.rateIntervalSeconds}s`)
    .replaceAll('$__range', `${Math.ceil(choice.rangeSeconds)}s`);
  for (const { name, type, allValue } of templating.list) {
    if (type !== 'query') continue;
    const all = allValue ?? `(${choice.options[name]?.map(escapePattern).join('|') ?? ''})`;
    const chosen = choice.chosen?.[name];
    filled = filled.replaceAll(`$${name}`, chosen === undefined ? all : escapePattern(chosen));
  }
  return filled;
}

/** As in PromQL's strings, where a backslash is written twice. */
function escapePattern(value: string): string {
  return value.replace(/[\\^$.|?*+()[\]{}]/g, '\\\\$&');
}

/** Of `label_values(series, label)`. */
export function labelValuesQuery({ query }: Variable): { match: string; label: string } {
  const found = /^label_values\((.+), (\w+)\)$/.exec(query);
  if (found === null) throw new Error(`no label_values: ${query}`);
  return { match: found[1]!, label: found[2]! };
}
