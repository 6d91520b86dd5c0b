/** Panels that are no graph of lines: figures, bars, heat maps, tables. */
import type { DashboardPanel, Threshold } from '../support/dashboards.ts';
import type { PanelLine } from '../support/panel-data.ts';
import { lastValue, overrideOf, propertyOf, thresholdColor, unitOf } from './properties.ts';
import { type Box, colorOf, element, rectangle, round, text, theme } from './svg.ts';
import type { Span } from './time-series.ts';
import { formatValue } from './units.ts';

export function drawStat(panel: DashboardPanel, lines: readonly PanelLine[], box: Box): string {
  const { noValue, decimals, thresholds, mappings } = panel.fieldConfig!.defaults;
  const { colorMode, graphMode, textMode } = panel.options as Record<string, string>;
  const shown = lines.length > 0 ? lines : [undefined];
  const width = box.w / shown.length;
  return shown
    .map((line, index) => {
      const tile = { x: box.x + index * width, y: box.y, w: width, h: box.h };
      const value = line === undefined ? Number.NaN : lastValue(line);
      const mapped = mappings[0]?.options[String(value)];
      const own = line && (propertyOf(panel, line, 'thresholds') as { steps: Threshold[] } | undefined);
      const fixed = line && (propertyOf(panel, line, 'color') as { fixedColor?: string } | undefined);
      const color =
        mapped !== undefined
          ? colorOf(mapped.color)
          : fixed?.fixedColor !== undefined
            ? colorOf(fixed.fixedColor)
            : thresholdColor((own ?? thresholds).steps, value);
      const isTile = colorMode === 'background';
      const figure =
        textMode === 'name'
          ? line!.name
          : (mapped?.text ??
            (Number.isNaN(value)
              ? (noValue ?? 'No data')
              : formatValue(value, unitOf(panel, line), decimals)));
      const size = Math.min(30, (tile.w - 16) / (figure.length * 0.58));
      const middle = tile.x + tile.w / 2;
      return [
        isTile ? rectangle(inset(tile, 2), { fill: color, opacity: 0.85, rx: 3 }) : '',
        graphMode === 'area' && line !== undefined ? sparkline(line, tile, isTile ? '#ffffff' : color) : '',
        text(middle, tile.y + tile.h / 2 + size * 0.3, figure, {
          size,
          weight: 600,
          anchor: 'middle',
          color: isTile ? '#111217' : color,
        }),
        shown.length > 1
          ? text(middle, tile.y + tile.h - 8, line!.name, {
              size: 11,
              anchor: 'middle',
              color: isTile ? '#111217' : theme.text,
            })
          : '',
      ].join('');
    })
    .join('');
}

function sparkline({ points }: PanelLine, box: Box, color: string): string {
  const finite = points.filter(([, value]) => Number.isFinite(value));
  if (finite.length < 2) return '';
  const [first, last] = [finite[0]![0], finite.at(-1)![0]];
  const high = Math.max(1e-12, ...finite.map(([, value]) => value));
  const bottom = box.y + box.h - 3;
  const height = box.h * 0.4;
  const at = ([seconds, value]: [number, number]): string =>
    `${round(box.x + 3 + ((seconds - first) / (last - first)) * (box.w - 6))},${round(bottom - (Math.max(0, value) / high) * height)}`;
  const line = finite.map(at).join(' ');
  const area = `${round(box.x + 3)},${round(bottom)} ${line} ${round(box.x + box.w - 3)},${round(bottom)}`;
  return (
    element('polygon', { points: area, fill: color, opacity: 0.18 }) +
    element('polyline', { points: line, fill: 'none', stroke: color, opacity: 0.8 })
  );
}

export function drawBars(panel: DashboardPanel, lines: readonly PanelLine[], box: Box): string {
  const { thresholds, decimals, max = 1, noValue = 'No data' } = panel.fieldConfig!.defaults;
  if (lines.length === 0) {
    return text(box.x + box.w / 2, box.y + box.h / 2, noValue, { color: theme.faint, anchor: 'middle' });
  }
  const height = box.h / lines.length;
  return lines
    .map((line, index) => {
      const value = lastValue(line);
      const y = box.y + index * height;
      const bar = { x: box.x + 10, y: y + 22, w: box.w - 110, h: Math.min(26, height - 30) };
      const color = thresholdColor(thresholds.steps, value);
      const share = Math.min(1, Math.max(0, value / max));
      return [
        text(bar.x, y + 16, line.name),
        rectangle(bar, { fill: theme.grid, rx: 2 }),
        rectangle({ ...bar, w: bar.w * share }, { fill: color, rx: 2 }),
        text(box.x + box.w - 10, bar.y + bar.h / 2 + 6, formatValue(value, unitOf(panel), decimals), {
          size: 17,
          weight: 600,
          anchor: 'end',
          color,
        }),
      ].join('');
    })
    .join('');
}

/** Rows by upper bound; Prometheus' buckets contain those below them, so each is less the one before. */
export function drawHeatmap(
  panel: DashboardPanel,
  lines: readonly PanelLine[],
  box: Box,
  span: Span,
): string {
  const rows = lines
    .filter(({ labels }) => labels.le !== undefined)
    .map(({ labels, points }) => ({
      bound: Number(labels.le!.replace('Inf', 'Infinity')),
      points: new Map(points),
    }))
    .toSorted((one, other) => one.bound - other.bound);
  const times = [...(rows.at(-1)?.points.keys() ?? [])];
  const plot = { x: box.x + 58, y: box.y + 6, w: box.w - 68, h: box.h - 32 };
  const height = plot.h / Math.max(1, rows.length);
  const cells = rows.flatMap(({ points }, row) =>
    times.map((seconds) => {
      const value = (points.get(seconds) ?? 0) - (rows[row - 1]?.points.get(seconds) ?? 0);
      return { row, seconds, value };
    }),
  );
  const high = Math.max(...cells.map(({ value }) => value), 1e-9);
  const x = (seconds: number): number =>
    plot.x + ((seconds - span.startSeconds) / (span.endSeconds - span.startSeconds)) * plot.w;
  const width = Math.min(...times.slice(1).map((seconds, index) => x(seconds) - x(times[index]!)), plot.w);
  const labelEvery = Math.max(1, Math.ceil(rows.length / 8));
  return [
    ...cells
      .filter(({ value }) => value > high * 1e-4)
      .map(({ row, seconds, value }) =>
        rectangle(
          { x: x(seconds) - width, y: plot.y + plot.h - (row + 1) * height, w: width - 0.5, h: height - 0.5 },
          { fill: colorOf('blue'), opacity: 0.15 + 0.85 * (value / high) ** 0.5 },
        ),
      ),
    ...rows.flatMap(({ bound }, row) =>
      row % labelEvery === 0
        ? [
            text(plot.x - 6, plot.y + plot.h - (row + 0.5) * height + 4, formatValue(bound, unitOf(panel)), {
              size: 10.5,
              color: theme.faint,
              anchor: 'end',
            }),
          ]
        : [],
    ),
  ].join('');
}

export function drawTable(panel: DashboardPanel, lines: readonly PanelLine[], box: Box): string {
  const organize = panel.transformations!.find(({ id }) => id === 'organize')!.options as {
    renameByName: Record<string, string>;
  };
  const [[key], ...columns] = Object.entries(organize.renameByName) as [
    [string, string],
    ...[string, string][],
  ];
  const headings = Object.values(organize.renameByName);
  const width = box.w / headings.length;
  const keys = [...new Set(lines.map(({ labels }) => labels[key]!))].sort();
  const parts = headings.map((heading, index) =>
    text(box.x + 10 + index * width, box.y + 16, heading, {
      size: 12,
      color: colorOf('light-blue'),
      weight: 600,
    }),
  );
  keys.forEach((name, row) => {
    const y = box.y + 44 + row * 28;
    parts.push(
      element('line', { x1: box.x, x2: box.x + box.w, y1: y - 18, y2: y - 18, stroke: theme.grid }),
      text(box.x + 10, y, name, { color: colorOf('light-blue') }),
    );
    columns.forEach(([field, heading], index) => {
      const refId = String.fromCharCode(65 + index);
      const line = lines.find((one) => one.refId === refId && one.labels[key] === name);
      if (line === undefined) return;
      const x = box.x + 10 + (index + 1) * width;
      const property = (id: string): unknown => overrideOf(panel, 'byName', heading, id);
      const value = lastValue(line);
      const label = /^Value #/.test(field) ? undefined : line.labels[field];
      const steps = (property('thresholds') as { steps: Threshold[] } | undefined)?.steps;
      const color = steps === undefined ? theme.text : thresholdColor(steps, value);
      if ((property('custom.cellOptions') as { type: string } | undefined)?.type === 'gauge') {
        const bar = { x, y: y - 11, w: width - 70, h: 14 };
        parts.push(
          rectangle(bar, { fill: theme.grid }),
          rectangle({ ...bar, w: bar.w * value }, { fill: color }),
        );
        parts.push(text(x + width - 62, y, formatValue(value, 'percentunit', 0), { color }));
        return;
      }
      const figure =
        label ?? formatValue(value, String(property('unit')), property('decimals') as number | undefined);
      parts.push(text(x, y, figure, { color }));
    });
  });
  return parts.join('');
}

function inset({ x, y, w, h }: Box, by: number): Box {
  return { x: x + by, y: y + by, w: w - 2 * by, h: h - 2 * by };
}
