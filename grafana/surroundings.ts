/** What all dashboards have in common: where the figures come from, whose they are, what else happened, and each other. */

import type { HistogramName } from '../src/telemetry/catalogue.ts';
import type { JsonObject } from './classic.ts';
import { type TargetLabel, targetLabels, Vector } from './promql.ts';
import { type AttributeName, Series, type Where } from './series.ts';

export const datasource: JsonObject = { type: 'prometheus', uid: '$datasource' };

/** Queries about what is chosen in the variables. */
export const series = new Series({
  cluster: '$cluster',
  namespace: '$namespace',
  job: '$job',
  instance: '$instance',
});

/** Rates over what one step of a graph stands for. */
export const step = '$__rate_interval';
/** To be said of an increase over a step. */
export const pointsOverlap =
  'Each point counts what happened within a few scrapes before it, so that one event shows in several neighbouring points.';

/**
 * A quantile over what one step stands for. Where nothing has happened it is not there, rather than not a number: the
 * comparison does that, and a panel then says in words that there is nothing.
 */
export function quantile<Name extends HistogramName, Kept extends AttributeName<Name> | TargetLabel = never>(
  share: number,
  name: Name,
  given: { by?: readonly Kept[]; where?: Where<Name> } = {},
): Vector<Exclude<Kept, TargetLabel>> {
  return series.quantile(share, name, step, given).where('>=', 0);
}

const alerting = (severity: 'critical' | 'warning' | undefined): string => {
  // An alert about a whole job has no instance, and where nothing is clustered there is no cluster.
  const whose = targetLabels.map((label) => `${label}=~"|$${label}"`);
  const how = severity === undefined ? [] : [`severity="${severity}"`];
  return `ALERTS{${['alertname=~"Tidegauge.+"', 'alertstate="firing"', ...how, ...whose].join(', ')}}`;
};

/** Alerts of ours that are firing, 0 if none. */
export function alertsFiring(severity: 'critical' | 'warning'): Vector {
  return new Vector<'severity'>(alerting(severity), true).count().orZero();
}

/**
 * Each narrows those after it. The last is what "All" stands for. Not every installation has clusters and namespaces, so
 * there an absent label counts too. Of jobs it is the list of those that are gateways: other services have series of the
 * conventions' names as well, `process_*` and `nodejs_*`, and must not be counted in. Their instances need no list.
 */
const scopes: readonly (readonly [label: TargetLabel, heading: string, all: string | undefined])[] = [
  ['cluster', 'Cluster', '.*'],
  ['namespace', 'Namespace', '.*'],
  ['job', 'Job', undefined],
  ['instance', 'Instance', '.+'],
];

export const variables: readonly JsonObject[] = [
  {
    name: 'datasource',
    label: 'Data source',
    type: 'datasource',
    query: 'prometheus',
    current: { text: 'default', value: 'default' },
    hide: 0,
    includeAll: false,
    multi: false,
    options: [],
    refresh: 1,
    regex: '',
    skipUrlSync: false,
  },
  ...scopes.map(([label, heading, all], index) => {
    const narrowed = Object.fromEntries(scopes.slice(0, index).map(([outer]) => [outer, `$${outer}`]));
    const query = `label_values(${new Series(narrowed).level('tidegauge.connection.active').promql}, ${label})`;
    return {
      name: label,
      label: heading,
      type: 'query',
      datasource,
      definition: query,
      query,
      current: { text: ['All'], value: ['$__all'] },
      ...(all === undefined ? {} : { allValue: all }),
      hide: 0,
      includeAll: true,
      multi: true,
      options: [],
      // At each change of the time range: instances come and go.
      refresh: 2,
      regex: '',
      skipUrlSync: false,
      sort: 1,
    };
  }),
];

export const annotations: readonly JsonObject[] = [
  {
    name: 'Annotations & Alerts',
    type: 'dashboard',
    builtIn: 1,
    datasource: { type: 'grafana', uid: '-- Grafana --' },
    enable: true,
    hide: true,
    iconColor: 'rgba(0, 211, 255, 1)',
  },
  {
    name: 'Drains',
    datasource,
    enable: true,
    hide: false,
    iconColor: 'blue',
    expr: series
      .level('tidegauge.ready', { 'tidegauge.ready.reason': 'draining' })
      .max(...targetLabels)
      .where('==', 1).promql,
    titleFormat: 'Drain',
    textFormat: '{{instance}} is leaving',
    tagKeys: 'instance',
    step: '',
    useValueForTime: false,
  },
  {
    name: 'Alerts',
    datasource,
    enable: true,
    hide: false,
    iconColor: 'red',
    expr: alerting(undefined),
    titleFormat: '{{alertname}}',
    textFormat: '{{severity}} {{job}} {{instance}}',
    tagKeys: 'alertname,severity,instance',
    step: '',
    useValueForTime: false,
  },
];

const titles = {
  'tidegauge-fleet': 'Fleet',
  'tidegauge-instance': 'Instance',
  'tidegauge-delivery': 'Delivery',
} as const;

/** To the others, with time range and choices taken along. */
export function dashboardLinks(from: string): readonly JsonObject[] {
  return Object.entries(titles)
    .filter(([uid]) => uid !== from)
    .map(([uid, title]) => ({
      type: 'link',
      title,
      url: `/d/${uid}`,
      icon: 'dashboard',
      tooltip: `Tidegauge: ${title}`,
      asDropdown: false,
      includeVars: true,
      keepTime: true,
      targetBlank: false,
      tags: [],
    }));
}
