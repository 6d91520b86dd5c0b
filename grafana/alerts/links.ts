/**
 * Where an alert sends the person who gets it. Both links are relative unless a base is given: which host has the
 * repository, or Grafana, is known only where the rules are deployed. The text before them is always the same, so that
 * whoever deploys the files can put a base in front by replacing it; README.md says how.
 */
import { type Alert, scopeLabels } from './rule.ts';

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
  { dashboard, scope }: Pick<Alert, 'dashboard' | 'scope'>,
  value: (label: string) => string = templateOf,
): string {
  const variables = scopeLabels[scope].map((label) => `var-${label}=${value(label)}`);
  return `${grafanaUrl}/d/${dashboard}?${variables.join('&')}`;
}

function templateOf(label: string): string {
  return `{{ $labels.${label} | urlquery }}`;
}
