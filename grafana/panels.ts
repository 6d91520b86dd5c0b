/**
 * What a dashboard is here, before it becomes JSON: rows of panels, panels of queries. A panel says what it shows;
 * where it stands, its unit and its description follow from there, the latter two from the catalogue. Types, and
 * small functions that make a panel of its queries.
 */
import type { Vector } from './promql.ts';

/** Names that Grafana has for its own colours. */
export type Color =
  | 'green'
  | 'yellow'
  | 'orange'
  | 'red'
  | 'blue'
  | 'purple'
  | 'light-blue'
  | 'text'
  | 'gray';

/** Units of Grafana; the classic ones that every version knows. */
export type GrafanaUnit =
  | 'short'
  | 'none'
  | 'percentunit'
  | 's'
  | 'dtdurations'
  | 'bytes'
  | 'binBps'
  | 'cps'
  | 'reqps';

/** From a value on, a colour; below the first, the base colour. */
export type Thresholds = { base: Color; steps: readonly (readonly [from: number, color: Color])[] };

export type Query = {
  ask: Vector<string>;
  /** What the lines are called; `{{label}}` stands for the value of a label. */
  legend: string;
  color?: Color;
  /** By the name of a line, where each value of an attribute has a meaning of its own. */
  colors?: Readonly<Record<string, Color>>;
  /** A bound or an expectation beside what is measured. */
  isDashed?: boolean;
  /** Drawn below zero: what goes the other way. */
  isNegative?: boolean;
  /** Where its unit is not that of the panel. */
  rightUnit?: GrafanaUnit;
  /** Beside the others of a stat. */
  thresholds?: Thresholds;
};

type Common = {
  title: string;
  /** Before the catalogue's words: what to make of it. */
  note?: string;
  /** Of 24 columns. */
  width: number;
  /** Default: by the kind of panel. */
  height?: number;
  queries: readonly Query[];
  /** Default: from the unit of the first query. */
  unit?: GrafanaUnit;
  decimals?: number;
  min?: number;
  max?: number;
  thresholds?: Thresholds;
  /** Said in place of a figure where there is none, and it is all right that there is none. */
  absent?: string;
};

export type TimeSeriesPanel = Common & {
  kind: 'timeseries';
  isStacked?: boolean;
  /** Lines that are 0 all the time are left out: of a closed set, most values never occur. */
  hidesZeros?: boolean;
  /** Draws the thresholds as lines. */
  showsThresholds?: boolean;
};
export type StatPanel = Common & {
  kind: 'stat';
  /** The whole tile has the colour of its threshold; else the figure is plain. */
  isSignal?: boolean;
  /** Default: a small graph for a single figure. */
  hasGraph?: boolean;
  mappings?: Readonly<Record<string, { text: string; color: Color }>>;
  /** Shows the legend instead of the figure. */
  showsName?: boolean;
};
export type BarsPanel = Common & { kind: 'bargauge' };
export type HeatmapPanel = Common & { kind: 'heatmap' };
export type TablePanel = Common & {
  kind: 'table';
  /** One for each query: its heading, and how its cells look. */
  columns: readonly Column[];
  /** By which the rows are put together, with its heading. */
  key: readonly [label: string, heading: string];
};
export type Column = {
  heading: string;
  unit: GrafanaUnit;
  decimals?: number;
  thresholds?: Thresholds;
  isBar?: boolean;
  /** Shows this label instead of the value. */
  label?: string;
};

export type Panel = TimeSeriesPanel | StatPanel | BarsPanel | HeatmapPanel | TablePanel;

export type Row = {
  /** The first row of a dashboard has none. */
  title: string | undefined;
  panels: readonly Panel[];
};

export type Dashboard = {
  uid: `tidegauge-${string}`;
  title: string;
  description: string;
  rows: readonly Row[];
};

type Given<Kind extends Panel> = Omit<Kind, 'kind' | 'title' | 'width' | 'queries'>;

export function lines(
  title: string,
  width: number,
  queries: readonly Query[],
  given: Given<TimeSeriesPanel> = {},
): TimeSeriesPanel {
  return {
    kind: 'timeseries',
    title,
    width,
    queries,
    min: queries.some(isNegative) ? undefined : 0,
    ...given,
  } as TimeSeriesPanel;
}

/** Amounts that add up to something. */
export function areas(
  title: string,
  width: number,
  queries: readonly Query[],
  given: Given<TimeSeriesPanel> = {},
): TimeSeriesPanel {
  return lines(title, width, queries, { isStacked: true, ...given });
}

/** A figure that is good or bad. */
export function signal(
  title: string,
  width: number,
  queries: readonly Query[],
  given: Given<StatPanel> & { thresholds: Thresholds },
): StatPanel {
  return { kind: 'stat', title, width, queries, isSignal: true, ...given };
}

/** A figure that is neither good nor bad. */
export function figure(
  title: string,
  width: number,
  queries: readonly Query[],
  given: Given<StatPanel> = {},
): StatPanel {
  return { kind: 'stat', title, width, queries, ...given };
}

export function bars(
  title: string,
  width: number,
  queries: readonly Query[],
  given: Given<BarsPanel>,
): BarsPanel {
  return { kind: 'bargauge', title, width, queries, ...given };
}

export function heatmap(
  title: string,
  width: number,
  query: Query,
  given: Given<HeatmapPanel> & { unit: GrafanaUnit },
): HeatmapPanel {
  return { kind: 'heatmap', title, width, queries: [query], ...given };
}

/** The highest, the mean and the lowest of the instances: the same three lines for one instance and for fifty. */
export function spread(perInstance: Vector<string>): Query[] {
  return [
    { ask: perInstance.max(), legend: 'highest', color: 'orange' },
    { ask: perInstance.avg(), legend: 'mean', color: 'blue' },
    { ask: perInstance.min(), legend: 'lowest', color: 'light-blue' },
  ];
}

export function goodBelow(...steps: Thresholds['steps']): Thresholds {
  return { base: 'green', steps };
}

function isNegative(query: Query): boolean {
  return query.isNegative === true;
}
