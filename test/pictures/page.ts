/** A whole dashboard as one SVG, on Grafana's grid of 24 columns. */
import type { DashboardJson, DashboardPanel } from '../support/dashboards.ts';
import type { PanelLine } from '../support/panel-data.ts';
import { type Box, element, escapeXml, rectangle, text, theme } from './svg.ts';
import { drawBars, drawHeatmap, drawStat, drawTable } from './tiles.ts';
import { drawTimeSeries, type Span } from './time-series.ts';

export type Drawing = {
  dashboard: DashboardJson;
  /** What the variables say, for the line below the title. */
  chosen: string;
  span: Span;
  /** While an instance was leaving. */
  drains: readonly Span[];
  answers: ReadonlyMap<number, readonly PanelLine[]>;
};

const columns = 24;
const cell = 30;
const gap = 8;
const headHeight = 56;
const pageWidth = 1600;
const columnWidth = (pageWidth - gap) / columns;

export function drawDashboard(drawing: Drawing): string {
  const { dashboard, chosen } = drawing;
  const rows = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const height = headHeight + rows * (cell + gap) + gap;
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${pageWidth} ${height}`,
      width: pageWidth,
      height,
      'font-family': 'Inter, Helvetica, Arial, sans-serif',
    },
    element('title', {}, escapeXml(`${dashboard.title}, drawn from a recorded run`)),
    rectangle({ x: 0, y: 0, w: pageWidth, h: height }, { fill: theme.page }),
    text(gap * 2, 26, dashboard.title, { size: 18, weight: 600 }),
    text(gap * 2, 46, chosen, { color: theme.faint }),
    ...dashboard.panels.map((panel) => drawPanel(panel, drawing)),
  );
}

function drawPanel(panel: DashboardPanel, { answers, span, drains }: Drawing): string {
  const { x, y, w, h } = panel.gridPos;
  const frame: Box = {
    x: gap + x * columnWidth,
    y: headHeight + y * (cell + gap),
    w: w * columnWidth - gap,
    h: h * (cell + gap) - gap,
  };
  if (panel.type === 'row') {
    return text(frame.x + 4, frame.y + 21, `⌄  ${panel.title}`, { size: 15, weight: 600 });
  }
  const inside = { x: frame.x + 4, y: frame.y + 28, w: frame.w - 8, h: frame.h - 34 };
  const lines = answers.get(panel.id) ?? [];
  return [
    rectangle(frame, { fill: theme.panel, stroke: theme.border, rx: 3 }),
    text(frame.x + 10, frame.y + 19, panel.title, { size: 13, weight: 600, maxWidth: frame.w - 16 }),
    drawInside(panel, lines, inside, span, drains),
  ].join('');
}

function drawInside(
  panel: DashboardPanel,
  lines: readonly PanelLine[],
  box: Box,
  span: Span,
  drains: readonly Span[],
): string {
  switch (panel.type) {
    case 'timeseries':
      return drawTimeSeries(panel, lines, box, span, drains);
    case 'stat':
      return drawStat(panel, lines, box);
    case 'bargauge':
      return drawBars(panel, lines, box);
    case 'heatmap':
      return drawHeatmap(panel, lines, box, span);
    case 'table':
      return drawTable(panel, lines, box);
    default:
      throw new Error(`no way to draw a ${panel.type}`);
  }
}
