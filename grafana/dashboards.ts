/** The dashboards, and the files that `npm run generate` makes of them. */
import { type JsonObject, renderDashboard } from './classic.ts';
import { delivery } from './delivery.ts';
import { fleet } from './fleet.ts';
import { renderForImport } from './import-by-hand.ts';
import { instance } from './instance.ts';
import type { Dashboard } from './panels.ts';

export const dashboards: readonly Dashboard[] = [fleet, instance, delivery];

/** By path below grafana/. */
export const dashboardFiles: Readonly<Record<string, () => string>> = Object.fromEntries(
  dashboards.flatMap((dashboard) => {
    const name = `${dashboard.uid}.json`;
    return [
      [`dashboards/${name}`, () => textOf(renderDashboard(dashboard))],
      [`import/${name}`, () => textOf(renderForImport(renderDashboard(dashboard)))],
    ];
  }),
);

function textOf(json: JsonObject): string {
  return `${JSON.stringify(json, null, 2)}\n`;
}
