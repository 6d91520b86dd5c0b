/** What a panel's overrides and thresholds come to, for a line or a value. */
import type { DashboardPanel, Threshold } from '../support/dashboards.ts';
import type { PanelLine } from '../support/panel-data.ts';
import { colorOf } from './svg.ts';

export function overrideOf(
  panel: DashboardPanel,
  matcherId: string,
  matched: string,
  property: string,
): unknown {
  const overrides = panel.fieldConfig?.overrides ?? [];
  return overrides
    .filter(({ matcher }) => matcher.id === matcherId && matcher.options === matched)
    .flatMap(({ properties }) => properties)
    .find(({ id }) => id === property)?.value;
}

export function propertyOf(panel: DashboardPanel, line: PanelLine, property: string): unknown {
  return overrideOf(panel, 'byFrameRefID', line.refId, property);
}

export function unitOf(panel: DashboardPanel, line?: PanelLine): string {
  const own = line === undefined ? undefined : (propertyOf(panel, line, 'unit') as string | undefined);
  return own ?? panel.fieldConfig!.defaults.unit ?? 'short';
}

/** Without those that the panel hides for being 0 all the time. */
export function shownLines(panel: DashboardPanel, lines: readonly PanelLine[]): PanelLine[] {
  const hides = panel.fieldConfig!.overrides.some(
    ({ matcher }) =>
      matcher.id === 'byValue' && (matcher.options as { reducer: string }).reducer === 'allIsZero',
  );
  return lines.filter(
    ({ points }) => points.length > 0 && !(hides && points.every(([, value]) => value === 0)),
  );
}

export function thresholdColor(steps: readonly Threshold[], value: number): string {
  const reached = steps.filter((step) => step.value === null || value >= step.value);
  return colorOf(reached.at(-1)?.color ?? 'green');
}

export function lastValue({ points }: PanelLine): number {
  return points.findLast(([, value]) => !Number.isNaN(value))?.[1] ?? Number.NaN;
}
