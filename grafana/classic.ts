/**
 * From a dashboard to the JSON that Grafana keeps it in: the classic form, schema version 42, which file provisioning
 * and the sidecars of Kubernetes take. Pure. Fields are left out where what Grafana takes for absent is what is meant.
 */
import { describePanel, grafanaUnit } from './descriptions.ts';
import type {
  Color,
  Dashboard,
  GrafanaUnit,
  Panel,
  Query,
  TablePanel,
  Thresholds,
  TimeSeriesPanel,
} from './panels.ts';
import { annotations, dashboardLinks, datasource, variables } from './surroundings.ts';

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };
export type JsonObject = { readonly [key: string]: Json | undefined };

const columnsMax = 24;
const rowHeight = 1;
const defaultHeights: Readonly<Record<Panel['kind'], number>> = {
  stat: 4,
  timeseries: 8,
  bargauge: 8,
  heatmap: 8,
  table: 10,
};

export function renderDashboard(dashboard: Dashboard): JsonObject {
  const { uid, title, description } = dashboard;
  return {
    uid,
    title,
    description,
    tags: ['tidegauge'],
    id: null,
    schemaVersion: 42,
    version: 1,
    // What is provisioned from a file is changed in the file.
    editable: false,
    // Shared crosshair: pointing at a peak shows what else was then.
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timepicker: {},
    timezone: 'browser',
    weekStart: '',
    fiscalYearStartMonth: 0,
    liveNow: false,
    templating: { list: variables },
    annotations: { list: annotations },
    links: dashboardLinks(uid),
    panels: renderRows(dashboard),
  };
}

/** The number of a panel within its dashboard, for links. It follows from the title, so that links outlive additions. */
export function panelId(title: string): number {
  let hash = 0;
  for (const character of title) hash = (hash * 31 + character.codePointAt(0)!) % 99_991;
  return hash + 1;
}

function renderRows({ rows, title: dashboard }: Dashboard): JsonObject[] {
  const rendered: JsonObject[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    if (title !== undefined) {
      rendered.push({
        type: 'row',
        id: panelId(`row ${title}`),
        title,
        collapsed: false,
        gridPos: { x: 0, y, w: columnsMax, h: rowHeight },
        panels: [],
      });
      y += rowHeight;
    }
    let x = 0;
    let lineHeight = 0;
    for (const panel of panels) {
      const { width: w, height: h = defaultHeights[panel.kind] } = panel;
      if (x + w > columnsMax || (x > 0 && h !== lineHeight)) {
        throw new Error(`${dashboard}: ${panel.title} does not fit beside the panels before it`);
      }
      lineHeight = h;
      rendered.push(renderPanel(panel, { x, y, w, h }));
      x += w;
      if (x === columnsMax) {
        x = 0;
        y += h;
      }
    }
    if (x !== 0)
      throw new Error(`${dashboard}: the last line of panels in ${title ?? 'the first row'} is not full`);
  }
  return rendered;
}

function renderPanel(panel: Panel, gridPos: JsonObject): JsonObject {
  return {
    type: panel.kind,
    id: panelId(panel.title),
    title: panel.title,
    description: describePanel(panel),
    datasource,
    gridPos,
    fieldConfig: { defaults: renderDefaults(panel), overrides: renderOverrides(panel) },
    options: renderOptions(panel),
    targets: panel.queries.map((query, index) => renderTarget(panel, query, index)),
    ...(panel.kind === 'table' ? { transformations: renderTransformations(panel) } : {}),
  };
}

function renderTarget({ kind }: Panel, { ask, legend }: Query, index: number): JsonObject {
  const isInstant = kind === 'table' || kind === 'bargauge';
  return {
    refId: refId(index),
    editorMode: 'code',
    expr: ask.promql,
    legendFormat: legend,
    format: kind === 'table' ? 'table' : kind === 'heatmap' ? 'heatmap' : 'time_series',
    instant: isInstant,
    range: !isInstant,
  };
}

/** The letters by which Grafana tells the queries of a panel apart. */
export function refId(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}

export function unitOf({ title, unit, queries }: Panel): GrafanaUnit {
  const found = unit ?? grafanaUnit(queries[0]?.ask.origin.unit);
  if (found === undefined) throw new Error(`the unit of ${title} does not follow from its first query`);
  return found;
}

function renderDefaults(panel: Panel): JsonObject {
  const { decimals, min, max, absent, thresholds } = panel;
  return {
    unit: unitOf(panel),
    ...(decimals === undefined ? {} : { decimals }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(absent === undefined ? {} : { noValue: absent }),
    color: {
      mode: thresholds !== undefined && panel.kind !== 'timeseries' ? 'thresholds' : 'palette-classic',
    },
    thresholds: renderThresholds(thresholds ?? { base: panel.kind === 'stat' ? 'text' : 'green', steps: [] }),
    mappings: panel.kind === 'stat' ? renderMappings(panel.mappings ?? {}) : [],
    ...(panel.kind === 'timeseries' ? { custom: renderDrawing(panel) } : {}),
    ...(panel.kind === 'heatmap' ? { custom: { scaleDistribution: { type: 'linear' } } } : {}),
  };
}

function renderDrawing({ isStacked, showsThresholds, queries }: TimeSeriesPanel): JsonObject {
  // There may be fifty lines, and what is below each of them would add up to a wall.
  const mayBeMany = queries.some(({ legend }) => legend.includes('{{instance}}'));
  return {
    lineWidth: isStacked ? 1 : 2,
    fillOpacity: isStacked ? 40 : mayBeMany ? 0 : 8,
    showPoints: 'never',
    // A gap is a figure that did not arrive, and is to be seen.
    spanNulls: false,
    stacking: { mode: isStacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: showsThresholds ? 'dashed' : 'off' },
  };
}

function renderThresholds({ base, steps }: Thresholds): JsonObject {
  return {
    mode: 'absolute',
    steps: [{ color: base, value: null }, ...steps.map(([value, color]) => ({ color, value }))],
  };
}

function renderMappings(mappings: Readonly<Record<string, { text: string; color: Color }>>): Json {
  if (Object.keys(mappings).length === 0) return [];
  const options = Object.entries(mappings).map(([value, { text, color }], index) => [
    value,
    { text, color, index },
  ]);
  return [{ type: 'value', options: Object.fromEntries(options) as JsonObject }];
}

function renderOverrides(panel: Panel): JsonObject[] {
  const overrides = panel.queries.flatMap((query, index) => {
    const properties = propertiesOf(panel, query, index);
    const matcher =
      panel.kind === 'table'
        ? { id: 'byName', options: panel.columns[index]!.heading }
        : { id: 'byFrameRefID', options: refId(index) };
    const byName = Object.entries(query.colors ?? {}).map(([name, fixedColor]) => ({
      matcher: { id: 'byName', options: name },
      properties: [property('color', { mode: 'fixed', fixedColor })],
    }));
    return properties.length === 0 ? byName : [{ matcher, properties }, ...byName];
  });
  if (panel.kind === 'timeseries' && panel.hidesZeros) {
    overrides.push({
      matcher: { id: 'byValue', options: { reducer: 'allIsZero', op: 'gte', value: 0 } } as never,
      properties: [property('custom.hideFrom', { legend: true, tooltip: true, viz: true })],
    });
  }
  if (panel.kind === 'table') {
    overrides.push({
      matcher: { id: 'byName', options: panel.key[1] },
      properties: [property('links', [instanceLink])],
    });
  }
  return overrides;
}

const instanceLink: JsonObject = {
  title: 'This instance',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills these in, not JavaScript.
  url: '/d/tidegauge-instance?${datasource:queryparam}&${cluster:queryparam}&${namespace:queryparam}&${job:queryparam}&var-instance=${__value.raw}&${__url_time_range}',
};

function propertiesOf(panel: Panel, query: Query, index: number): JsonObject[] {
  const { color, isDashed, isNegative, rightUnit, thresholds } = query;
  const properties: JsonObject[] = [];
  if (panel.kind === 'table') return columnProperties(panel, index);
  if (color !== undefined) properties.push(property('color', { mode: 'fixed', fixedColor: color }));
  if (isDashed) {
    properties.push(
      property('custom.lineStyle', { fill: 'dash', dash: [8, 6] }),
      property('custom.lineWidth', 1),
      property('custom.fillOpacity', 0),
      property('custom.stacking', { mode: 'none', group: 'A' }),
    );
  }
  if (isNegative) properties.push(property('custom.transform', 'negative-Y'));
  if (rightUnit !== undefined) {
    properties.push(
      property('unit', rightUnit),
      property('custom.axisPlacement', 'right'),
      property('min', 0),
    );
    properties.push(
      property('custom.fillOpacity', 0),
      property('custom.stacking', { mode: 'none', group: 'A' }),
    );
  }
  if (thresholds !== undefined) {
    properties.push(
      property('color', { mode: 'thresholds' }),
      property('thresholds', renderThresholds(thresholds)),
    );
  }
  return properties;
}

function columnProperties({ columns }: TablePanel, index: number): JsonObject[] {
  const { unit, decimals, thresholds, isBar, label } = columns[index]!;
  if (label !== undefined) return [];
  const cell = isBar
    ? { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' }
    : thresholds === undefined
      ? { type: 'auto' }
      : { type: 'color-text' };
  return [
    property('unit', unit),
    ...(decimals === undefined ? [] : [property('decimals', decimals)]),
    ...(thresholds === undefined
      ? []
      : [property('color', { mode: 'thresholds' }), property('thresholds', renderThresholds(thresholds))]),
    ...(isBar ? [property('min', 0), property('max', 1)] : []),
    property('custom.cellOptions', cell),
  ];
}

function property(id: string, value: Json): JsonObject {
  return { id, value };
}

function renderOptions(panel: Panel): JsonObject {
  const reduceOptions = { calcs: ['lastNotNull'], fields: '', values: false };
  switch (panel.kind) {
    case 'timeseries':
      return {
        legend: {
          showLegend: true,
          displayMode: 'table',
          placement: 'bottom',
          calcs: ['lastNotNull', 'max'],
          // What happens now and then is mostly 0 just now.
          sortBy: panel.hidesZeros ? 'Max' : 'Last *',
          sortDesc: true,
        },
        tooltip: { mode: 'multi', sort: 'desc', hideZeros: panel.hidesZeros === true },
      };
    case 'stat': {
      const hasGraph = panel.hasGraph ?? panel.queries.length === 1;
      return {
        reduceOptions,
        orientation: 'auto',
        textMode: panel.showsName ? 'name' : panel.queries.length > 1 ? 'value_and_name' : 'value',
        colorMode: panel.isSignal ? 'background' : 'value',
        graphMode: hasGraph ? 'area' : 'none',
        justifyMode: 'auto',
        wideLayout: true,
        showPercentChange: false,
      };
    }
    case 'bargauge':
      return {
        reduceOptions,
        orientation: 'horizontal',
        displayMode: 'basic',
        valueMode: 'color',
        namePlacement: 'top',
        sizing: 'auto',
        showUnfilled: true,
      };
    case 'heatmap':
      return {
        calculate: false,
        rowsFrame: { layout: 'auto' },
        yAxis: { axisPlacement: 'left', unit: unitOf(panel), reverse: false },
        color: {
          mode: 'scheme',
          scheme: 'Blues',
          fill: 'dark-blue',
          exponent: 0.5,
          scale: 'exponential',
          steps: 64,
          reverse: false,
        },
        cellGap: 1,
        filterValues: { le: 1e-9 },
        legend: { show: true },
        showValue: 'never',
        tooltip: { mode: 'single', showColorScale: true, yHistogram: false },
      };
    case 'table':
      return {
        showHeader: true,
        cellHeight: 'sm',
        sortBy: [{ displayName: panel.key[1], desc: false }],
      };
  }
}

/** One row for each value of the key; of what the queries bring along, only the key and the columns. */
function renderTransformations({ key: [label, heading], columns }: TablePanel): JsonObject[] {
  const values = columns.map(
    (column, index) => [column.label ?? `Value #${refId(index)}`, column.heading] as const,
  );
  const order = [label, ...values.map(([field]) => field)];
  return [
    { id: 'joinByField', options: { byField: label, mode: 'outer' } },
    {
      id: 'filterFieldsByName',
      options: { include: { names: order } },
    },
    {
      id: 'organize',
      options: {
        excludeByName: {},
        indexByName: Object.fromEntries(order.map((field, index) => [field, index])),
        renameByName: Object.fromEntries([[label, heading], ...values]),
      },
    },
  ];
}
