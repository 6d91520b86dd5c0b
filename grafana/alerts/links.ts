/**
 * Where an alert sends the person who gets it. Both links are relative unless a base is given: which host has the
 * repository, or Grafana, is known only where the rules are deployed. The text before them is always the same, so that
 * whoever deploys the files can put a base in front by replacing it; README.md says how.
 */
import { panelId } from '../classic.ts';
import { dashboards } from '../dashboards.ts';
import { type Alert, type PanelLink, scopeLabels } from './rule.ts';

export type LinkBases = {
  /** Of the page that has the runbook's sections. */
  runbookUrl: string;
  /** Of Grafana, without a slash at the end. */
  grafanaUrl: string;
};

export const relativeLinks: LinkBases = { runbookUrl: 'grafana/alerts/runbook.md', grafanaUrl: '' };

/** The anchor that GitHub, GitLab and Forgejo all make of a heading with the alert's name. */
export function runbookLink({ runbookUrl }: LinkBases, alert: string): string {
  return `${runbookUrl}#${alert.toLowerCase()}`;
}

/** `value` says what stands for a label: its template in a rule, the encoded value in what is expected of one. */
export function dashboardLink(
  { grafanaUrl }: LinkBases,
  { panel, scope }: Pick<Alert, 'panel' | 'scope'>,
  value: (label: string) => string = templateOf,
): string {
  const variables = scopeLabels[scope].map((label) => `var-${label}=${value(label)}`);
  return `${grafanaUrl}/d/${panel.dashboard}?viewPanel=${idOf(panel)}&${variables.join('&')}`;
}

/** @throws where there is no such panel, so that a link is never dead */
function idOf({ dashboard, title }: PanelLink): number {
  const panels = dashboards.find(({ uid }) => uid === dashboard)?.rows.flatMap((row) => row.panels) ?? [];
  if (!panels.some((one) => one.title === title)) throw new Error(`${dashboard} has no panel "${title}"`);
  return panelId(title);
}

function templateOf(label: string): string {
  return `{{ $labels.${label} | urlquery }}`;
}
