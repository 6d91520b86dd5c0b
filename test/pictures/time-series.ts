/** A time series panel: axes, lines or stacked areas, thresholds, drains in the background, and the legend below. */
import type { DashboardPanel } from '../support/dashboards.ts';
import type { PanelLine } from '../support/panel-data.ts';
import { lastValue, overrideOf, propertyOf, shownLines, unitOf } from './properties.ts';
import { type Box, colorOf, element, paletteColor, rectangle, round, text, textWidth, theme } from './svg.ts';
import { formatValue, ticks } from './units.ts';

export type Span = { startSeconds: number; endSeconds: number };

type Drawn = {
  line: PanelLine;
  color: string;
  isDashed: boolean;
  isStacked: boolean;
  isRight: boolean;
  fillOpacity: number;
  unit: string;
  /** As drawn: below zero, or upon those beneath. */
  points: [seconds: number, value: number, base: number][];
};

type Scale = { low: number; high: number; y(value: number): number };

const legendRow = 15;

export function drawTimeSeries(
  panel: DashboardPanel,
  answered: readonly PanelLine[],
  box: Box,
  span: Span,
  drains: readonly Span[],
): string {
  const drawn = arrange(panel, shownLines(panel, answered));
  const legend = drawLegend(panel, drawn, box);
  const left = drawn.filter(({ isRight }) => !isRight);
  const right = drawn.filter(({ isRight }) => isRight);
  const unit = unitOf(panel);
  const thresholds = shownThresholds(panel);
  const range = rangeOf(panel, left, thresholds);
  const labels = ticks(range.low, range.high, unit).map(
    (value) => [value, formatValue(value, unit)] as const,
  );
  const margin = Math.max(34, ...labels.map(([, label]) => textWidth(label, 10.5) + 8));
  const plot: Box = {
    x: box.x + margin,
    y: box.y + 6,
    w: box.w - margin - (right.length > 0 ? 48 : 8),
    h: box.h - legend.height - 26,
  };
  const scale = scaleOf(range, plot);
  const x = (seconds: number): number =>
    plot.x + ((seconds - span.startSeconds) / (span.endSeconds - span.startSeconds)) * plot.w;
  const parts = [
    ...drains.map(({ startSeconds, endSeconds }) =>
      rectangle(
        { x: x(startSeconds), y: plot.y, w: Math.max(1, x(endSeconds) - x(startSeconds)), h: plot.h },
        { fill: colorOf('blue'), opacity: 0.13 },
      ),
    ),
    ...labels.flatMap(([value, label]) => [
      horizontal(plot, scale.y(value), theme.grid),
      text(plot.x - 6, scale.y(value) + 4, label, { size: 10.5, color: theme.faint, anchor: 'end' }),
    ]),
    ...timeLabels(span, plot, x),
    ...thresholds
      .filter(({ value }) => value <= scale.high)
      .map(({ value, color }) => horizontal(plot, scale.y(value), color, '6 5')),
    ...left.map((one) => drawLine(one, x, scale)),
    ...drawRight(right, plot, x),
    legend.svg,
  ];
  if (drawn.length === 0) {
    const nothing = answered.length > 0 ? '' : (panel.fieldConfig!.defaults.noValue ?? 'No data');
    parts.push(
      text(plot.x + plot.w / 2, plot.y + plot.h / 2, nothing, { color: theme.faint, anchor: 'middle' }),
    );
  }
  return parts.join('');
}

function arrange(panel: DashboardPanel, lines: readonly PanelLine[]): Drawn[] {
  const custom = panel.fieldConfig!.defaults.custom ?? {};
  const isStacking = (custom.stacking as { mode: string } | undefined)?.mode === 'normal';
  const stacked = new Map<number, number>();
  return lines.map((line, index) => {
    const fixed = (overrideOf(panel, 'byName', line.name, 'color') ?? propertyOf(panel, line, 'color')) as
      | { fixedColor: string }
      | undefined;
    const isNegative = propertyOf(panel, line, 'custom.transform') === 'negative-Y';
    const isStacked = isStacking && propertyOf(panel, line, 'custom.stacking') === undefined;
    return {
      line,
      color: fixed === undefined ? paletteColor(index) : colorOf(fixed.fixedColor),
      isDashed: propertyOf(panel, line, 'custom.lineStyle') !== undefined,
      isStacked,
      fillOpacity: Number(custom.fillOpacity ?? 0) / 100,
      isRight: propertyOf(panel, line, 'custom.axisPlacement') === 'right',
      unit: unitOf(panel, line),
      points: line.points
        .filter(([, value]) => Number.isFinite(value))
        .map(([seconds, value]) => {
          if (!isStacked) return [seconds, isNegative ? -value : value, 0];
          const base = stacked.get(seconds) ?? 0;
          stacked.set(seconds, base + value);
          return [seconds, base + value, base];
        }),
    };
  });
}

function rangeOf(
  panel: DashboardPanel,
  drawn: readonly Drawn[],
  thresholds: readonly { value: number }[],
): { low: number; high: number } {
  const { min, max } = panel.fieldConfig!.defaults;
  const values = drawn.flatMap(({ points }) => points.map(([, value]) => value));
  const highest = Math.max(0, ...values);
  const high =
    max ?? (highest > 0 ? highest * 1.08 : Math.min(...thresholds.map(({ value }) => value * 1.2), 1));
  const lowest = Math.min(0, ...values);
  return { low: min ?? lowest * 1.08, high };
}

function scaleOf({ low, high }: { low: number; high: number }, plot: Box): Scale {
  const within = (value: number): number => Math.min(high, Math.max(low, value));
  return { low, high, y: (value) => plot.y + plot.h - ((within(value) - low) / (high - low)) * plot.h };
}

function shownThresholds(panel: DashboardPanel): { value: number; color: string }[] {
  const { custom, thresholds } = panel.fieldConfig!.defaults;
  const style = custom?.thresholdsStyle as { mode: string } | undefined;
  if (style === undefined || style.mode === 'off') return [];
  return thresholds.steps.flatMap(({ value, color }) =>
    value === null ? [] : [{ value, color: colorOf(color) }],
  );
}

function horizontal(plot: Box, y: number, stroke: string, dash?: string): string {
  return element('line', { x1: plot.x, x2: plot.x + plot.w, y1: y, y2: y, stroke, 'stroke-dasharray': dash });
}

/** By minutes and seconds since the start of the run. */
function timeLabels({ startSeconds, endSeconds }: Span, plot: Box, x: (seconds: number) => number): string[] {
  const length = endSeconds - startSeconds;
  return ticks(0, length, 's', plot.w > 500 ? 8 : 4)
    .filter((since) => since < length * 0.97)
    .map((since) => {
      const label = `${Math.floor(since / 60)}:${String(Math.round(since % 60)).padStart(2, '0')}`;
      return text(x(startSeconds + since), plot.y + plot.h + 15, label, {
        size: 10.5,
        color: theme.faint,
        anchor: 'middle',
      });
    });
}

function drawLine(
  { points, color, isDashed, isStacked, fillOpacity }: Drawn,
  x: (seconds: number) => number,
  scale: Scale,
): string {
  return pieces(points)
    .map((piece) => {
      const top = piece.map(([seconds, value]) => `${round(x(seconds))},${round(scale.y(value))}`);
      const stroke = element('polyline', {
        points: top.join(' '),
        fill: 'none',
        stroke: color,
        'stroke-width': isDashed || isStacked ? 1 : 1.6,
        'stroke-dasharray': isDashed ? '6 5' : undefined,
        'stroke-linejoin': 'round',
      });
      if (isDashed || fillOpacity === 0) return stroke;
      const bottom = piece
        .toReversed()
        .map(([seconds, , base]) => `${round(x(seconds))},${round(scale.y(base))}`);
      const area = element('polygon', {
        points: [...top, ...bottom].join(' '),
        fill: color,
        opacity: fillOpacity,
      });
      return area + stroke;
    })
    .join('');
}

/** Where a point is missing, a new piece begins. */
function pieces(points: Drawn['points']): Drawn['points'][] {
  const steps = points.slice(1).map(([seconds], index) => seconds - points[index]![0]);
  const step = Math.min(...steps);
  const found: Drawn['points'][] = [];
  points.forEach((point, index) => {
    if (index === 0 || steps[index - 1]! > step * 1.5) found.push([]);
    found.at(-1)!.push(point);
  });
  return found;
}

function drawRight(right: readonly Drawn[], plot: Box, x: (seconds: number) => number): string[] {
  if (right.length === 0) return [];
  const { unit } = right[0]!;
  const highest = Math.max(0, ...right.flatMap(({ points }) => points.map(([, value]) => value)));
  const scale = scaleOf({ low: 0, high: highest > 0 ? highest * 1.08 : 1 }, plot);
  return [
    ...ticks(0, scale.high, unit).map((value) =>
      text(plot.x + plot.w + 6, scale.y(value) + 4, formatValue(value, unit), {
        size: 10.5,
        color: theme.faint,
      }),
    ),
    ...right.map((one) => drawLine({ ...one, isDashed: true }, x, scale)),
  ];
}

/** As many rows as there is room for in a third of the panel, the largest last values first. */
function drawLegend(
  panel: DashboardPanel,
  drawn: readonly Drawn[],
  box: Box,
): { svg: string; height: number } {
  const rowsMax = Math.max(3, Math.floor((box.h * 0.38) / legendRow) - 1);
  const { sortBy } = (panel.options as { legend: { sortBy: string } }).legend;
  const key = ({ line }: Drawn): number => {
    const value = sortBy === 'Max' ? maxValue(line) : lastValue(line);
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  };
  const sorted = drawn.toSorted((one, other) => key(other) - key(one));
  const shown = sorted.length > rowsMax ? sorted.slice(0, rowsMax - 1) : sorted;
  const rows = Math.min(sorted.length, rowsMax) + 1;
  const height = drawn.length === 0 ? 0 : rows * legendRow;
  if (drawn.length === 0) return { svg: '', height };
  const top = box.y + box.h - height;
  const [maxX, lastX] = [box.x + box.w - 8, box.x + box.w - 86];
  const heading = { size: 10.5, color: colorOf('light-blue'), anchor: 'end' } as const;
  const parts = [text(lastX, top + 11, 'Last *', heading), text(maxX, top + 11, 'Max', heading)];
  const { decimals } = panel.fieldConfig!.defaults;
  shown.forEach(({ line, color, unit }, index) => {
    const y = top + (index + 1) * legendRow;
    const figures = [lastValue(line), maxValue(line)].map((value) => formatValue(value, unit, decimals));
    parts.push(
      rectangle({ x: box.x + 8, y: y + 5, w: 12, h: 3 }, { fill: color, rx: 1 }),
      text(box.x + 26, y + 11, line.name === '' ? '(none)' : line.name, { size: 11, maxWidth: box.w - 190 }),
      text(lastX, y + 11, figures[0]!, { size: 11, anchor: 'end' }),
      text(maxX, y + 11, figures[1]!, { size: 11, anchor: 'end' }),
    );
  });
  if (shown.length < sorted.length) {
    const more = `and ${sorted.length - shown.length} more`;
    parts.push(text(box.x + 26, top + rows * legendRow - 4, more, { size: 11, color: theme.faint }));
  }
  return { svg: parts.join(''), height };
}

function maxValue({ points }: PanelLine): number {
  const values = points.map(([, value]) => value).filter((value) => !Number.isNaN(value));
  return values.length === 0 ? Number.NaN : Math.max(...values);
}
