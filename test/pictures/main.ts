/**
 * Draws each dashboard as an SVG from what a real Prometheus answers to the panels' own queries after a recorded run:
 * `npm run grafana:pictures`. About a minute. It is a plot of every panel and no screenshot: Grafana's looks are
 * followed as far as they carry meaning, no figure is made up, and a panel without an answer stays empty.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Choice, type DashboardJson, fillIn, readDashboards } from '../support/dashboards.ts';
import { askForPanel, type PanelLine, type TimeRange } from '../support/panel-data.ts';
import { recordRun } from '../support/recorded-run.ts';
import { drawDashboard } from './page.ts';
import type { Span } from './time-series.ts';

/** Prometheus scrapes every second here; Grafana takes rates over four scrapes at least. */
const stepSeconds = 1;
const rateIntervalSeconds = 4;

const folder = join(import.meta.dirname, '../../grafana/pictures');

const run = await recordRun();
try {
  for (const dashboard of readDashboards()) {
    const file = join(folder, `${dashboard.uid}.svg`);
    writeFileSync(file, await draw(dashboard));
    console.log(file);
  }
} finally {
  await run.stop();
}

async function draw(dashboard: DashboardJson): Promise<string> {
  const range: TimeRange = { startSeconds: run.startSeconds - 1, endSeconds: run.endSeconds, stepSeconds };
  // One process's story is told of one process; the others are about all of them.
  const isOfOne = dashboard.uid === 'tidegauge-instance';
  const choice: Choice = {
    ...(isOfOne ? { chosen: { instance: run.instance } } : {}),
    options: { job: ['tidegauge'] },
    rateIntervalSeconds,
    rangeSeconds: range.endSeconds - range.startSeconds,
  };
  const answers = new Map<number, PanelLine[]>();
  for (const panel of dashboard.panels) {
    answers.set(panel.id, await askForPanel(run.prometheus, dashboard, panel, choice, range));
  }
  const chosen = `Cluster: All   Namespace: All   Job: All   Instance: ${isOfOne ? run.instance : 'All'}   ·   a recorded run of ${Math.round(choice.rangeSeconds)} s; blue: an instance drains`;
  return drawDashboard({
    dashboard,
    chosen,
    span: range,
    drains: await drainsOf(dashboard, choice, range),
    answers,
  });
}

/** From the annotation's own query: runs of points that follow upon each other. */
async function drainsOf(dashboard: DashboardJson, choice: Choice, range: TimeRange): Promise<Span[]> {
  const { expr } = dashboard.annotations.list.find(({ name }) => name === 'Drains')!;
  const lines = await run.prometheus.queryRange(fillIn(expr!, dashboard, choice), range);
  return lines.flatMap(({ points }) => {
    const first = points[0]?.[0];
    return first === undefined ? [] : [{ startSeconds: first, endSeconds: points.at(-1)![0] }];
  });
}
