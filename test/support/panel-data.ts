/** Asks Prometheus what Grafana would ask it for a panel, and names the lines as Grafana would. */
import {
  type Choice,
  type DashboardJson,
  type DashboardPanel,
  fillIn,
  type PanelTarget,
} from './dashboards.ts';
import type { Prometheus } from './prometheus.ts';

export type PanelLine = {
  refId: string;
  name: string;
  labels: Record<string, string>;
  points: [seconds: number, value: number][];
};

export type TimeRange = { startSeconds: number; endSeconds: number; stepSeconds: number };

export async function askForPanel(
  prometheus: Prometheus,
  dashboard: DashboardJson,
  { targets = [] }: DashboardPanel,
  choice: Choice,
  range: TimeRange,
): Promise<PanelLine[]> {
  const answers = await Promise.all(
    targets.map((target) => askForTarget(prometheus, target, fillIn(target.expr, dashboard, choice), range)),
  );
  return answers.flat();
}

async function askForTarget(
  prometheus: Prometheus,
  { refId, legendFormat, instant }: PanelTarget,
  promql: string,
  range: TimeRange,
): Promise<PanelLine[]> {
  const named = (labels: Record<string, string>): Omit<PanelLine, 'points'> => ({
    refId,
    name: legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '').trim(),
    labels,
  });
  if (instant) {
    const samples = await prometheus.query(promql, range.endSeconds);
    return samples.map(({ labels, value }) => ({ ...named(labels), points: [[range.endSeconds, value]] }));
  }
  const lines = await prometheus.queryRange(promql, range);
  return lines.map(({ labels, points }) => ({ ...named(labels), points }));
}
