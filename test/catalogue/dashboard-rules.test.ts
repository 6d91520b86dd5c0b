/**
 * The rules of Grafana's dashboard linter, which cannot be had here, written as tests; each is called as it is there.
 * Rules of our own follow. What deviates is listed with the reason, and a line that is not needed fails too.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientAlerts } from '../../grafana/alerts/clients.ts';
import { resourceAlerts } from '../../grafana/alerts/resources.ts';
import type { Alert } from '../../grafana/alerts/rule.ts';
import { deliveryLatencyBoundary } from '../../grafana/alerts/slo.ts';
import type { Thresholds } from '../../grafana/panels.ts';
import { dropped, fullness, latency, loopDelay, throttled } from '../../grafana/thresholds.ts';
import { type DashboardJson, type DashboardPanel, readDashboards } from '../support/dashboards.ts';
import { parsePromql } from '../support/promql.ts';

const dashboards = readDashboards();

/** Units that the linter knows, as far as they are used here. */
const units = ['short', 'none', 'percentunit', 's', 'dtdurations', 'bytes', 'binBps', 'cps', 'reqps'];

type Rule = {
  /** Of panels and queries alike: what is wrong, as `subject: fault`. */
  faults(dashboard: DashboardJson): string[];
  /** What may be wrong, by the beginning of its line, and why. */
  exceptions?: Readonly<Record<string, string>>;
};

const recorded = 'recording rules sum over instances: there is no such label on their series';
const budgetPanels = ['Error budget left', 'Budget burn over 1 h', 'Budget burn over 6 h'];
const alerts =
  'an alert about a whole job has no instance, so an absent label is let pass beside the chosen ones';

const rules: Record<string, Rule> = {
  'template-datasource-rule': {
    faults: ({ templating }) => {
      const found = templating.list.filter(({ type }) => type === 'datasource');
      return found.length === 1 &&
        found[0]!.name === 'datasource' &&
        found[0]!.label === 'Data source' &&
        found[0]!.query === 'prometheus'
        ? []
        : ['datasource: is not one variable, or is called otherwise'];
    },
  },
  'template-job-rule': {
    faults: (dashboard) => variableFaults(dashboard, 'job', 'Job'),
    exceptions: {
      'job: all is undefined':
        'other services have series of the same conventions, process_* and nodejs_*: all jobs has to mean all gateways',
    },
  },
  'template-instance-rule': { faults: (dashboard) => variableFaults(dashboard, 'instance', 'Instance') },
  'template-label-promql-rule': {
    faults: ({ templating }) =>
      templating.list
        .filter(({ type }) => type === 'query')
        .filter(({ query }) => {
          const series = /^label_values\((.+), \w+\)$/.exec(query)?.[1];
          return series === undefined || parsePromql(series).errors.length > 0;
        })
        .map(({ name }) => `${name}: no label_values of a selector`),
  },
  'template-on-time-change-reload': {
    faults: ({ templating }) =>
      templating.list
        .filter(({ type, refresh }) => type === 'query' && refresh !== 2)
        .map(({ name }) => `${name}: does not reload`),
  },
  'panel-datasource-rule': {
    faults: panelFaults(({ datasource }) =>
      datasource?.type === 'prometheus' && datasource.uid === '$datasource' ? [] : ['another data source'],
    ),
  },
  'panel-title-description-rule': {
    faults: panelFaults(({ title, description = '' }) => [
      ...(title === '' ? ['no title'] : []),
      ...(description === '' ? ['no description'] : []),
    ]),
  },
  'panel-units-rule': {
    faults: panelFaults(({ fieldConfig }) =>
      units.includes(fieldConfig?.defaults.unit ?? '') ? [] : ['no unit, or one that is not known'],
    ),
  },
  'panel-no-targets-rule': {
    faults: panelFaults(({ targets = [] }) => (targets.length > 0 ? [] : ['no query'])),
  },
  'target-promql-rule': { faults: queryFaults((expr) => parsePromql(expr).errors) },
  'target-rate-interval-rule': {
    faults: queryFaults((expr) =>
      parsePromql(expr)
        .selectors.filter(
          ({ range, functions }) =>
            range !== undefined && range !== '$__rate_interval' && /^i?rate$/.test(functions[0] ?? ''),
        )
        .map(({ name }) => `rate of ${name} over something else`),
    ),
  },
  'target-job-rule': {
    faults: queryFaults((expr) => withoutMatcher(expr, 'job')),
    exceptions: { 'Alerts firing: ALERTS has no': alerts },
  },
  'target-instance-rule': {
    faults: queryFaults((expr) => withoutMatcher(expr, 'instance')),
    exceptions: {
      'Alerts firing: ALERTS has no': alerts,
      ...Object.fromEntries(budgetPanels.map((title) => [`${title}: `, recorded])),
    },
  },
  'target-counter-agg-rule': {
    faults: queryFaults((expr) =>
      parsePromql(expr)
        .selectors.filter(
          ({ name, functions }) => name.endsWith('_total') && !/^(i?rate|increase)$/.test(functions[0] ?? ''),
        )
        .map(({ name }) => `${name} is not made a rate`),
    ),
  },
  'uneditable-dashboard-rule': { faults: ({ editable }) => (editable ? ['dashboard: editable'] : []) },

  'a query has a legend, but in a table, where columns have headings': {
    faults: panelFaults(({ type, targets = [] }) =>
      type === 'table'
        ? []
        : targets.filter(({ legendFormat }) => legendFormat === '').map(({ refId }) => refId),
    ),
  },
  'a label in a legend is one that the query keeps': {
    faults: panelFaults(({ targets = [] }) =>
      targets.flatMap(({ expr, legendFormat }) => {
        const { groupings } = parsePromql(expr);
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]!);
        return labels.filter((label) => !groupings.includes(label)).map((label) => `${label} in ${expr}`);
      }),
    ),
  },
  'instances are told apart by all labels of a target, but in the table, whose rows they are': {
    faults: panelFaults(({ type, targets = [] }) =>
      targets
        .filter(({ expr }) => type !== 'table' && /by \((?![^)]*\bcluster\b)[^)]*\binstance\b/.test(expr))
        .map(({ expr }) => expr),
    ),
  },
  'an instant query is asked for the last value only, a range query for a graph': {
    faults: panelFaults(({ type, targets = [] }) =>
      targets
        .filter(
          ({ instant, range }) => instant === range || instant !== (type === 'table' || type === 'bargauge'),
        )
        .map(({ refId }) => refId),
    ),
  },
  'what is a share is drawn from 0, and every graph but one that goes below has a lowest value': {
    faults: panelFaults(({ type, fieldConfig, targets = [] }) => {
      const goesBelow = fieldConfig!.overrides.some(({ properties }) =>
        properties.some(({ id, value }) => id === 'custom.transform' && value === 'negative-Y'),
      );
      const isGraph = type === 'timeseries' && targets.length > 0;
      return isGraph && !goesBelow && fieldConfig!.defaults.min !== 0 ? ['begins anywhere'] : [];
    }),
  },
  'thresholds rise, and colours are those of a scale or of a reason': {
    faults: panelFaults(({ fieldConfig }) => {
      const [, ...steps] = fieldConfig!.defaults.thresholds.steps;
      const values = steps.map(({ value }) => value ?? Number.NaN);
      return values.every((value, index) => index === 0 || value > values[index - 1]!)
        ? []
        : ['out of order'];
    }),
  },
};

describe("the rules of Grafana's linter, and our own", () => {
  for (const [name, { faults, exceptions = {} }] of Object.entries(rules)) {
    test(name, () => {
      const found = dashboards.map((dashboard) => ({ title: dashboard.title, faults: faults(dashboard) }));
      const allowed = Object.keys(exceptions);
      const unexpected = found.flatMap(({ title, faults: lines }) =>
        lines
          .filter((line) => !allowed.some((start) => line.startsWith(start)))
          .map((line) => `${title}, ${line}`),
      );
      assert.deepEqual(unexpected, []);
      const all = found.flatMap(({ faults: lines }) => lines);
      assert.deepEqual(
        allowed.filter((start) => !all.some((line) => line.startsWith(start))),
        [],
        'exceptions that are not needed',
      );
    });
  }
});

describe('all dashboards', () => {
  test('are of the classic form, share the crosshair, and link to the two others with time and choices', () => {
    const uids = dashboards.map(({ uid }) => uid);
    assert.deepEqual(uids, ['tidegauge-delivery', 'tidegauge-fleet', 'tidegauge-instance']);
    for (const { uid, schemaVersion, graphTooltip, links, tags } of dashboards) {
      assert.deepEqual([schemaVersion, graphTooltip, tags], [42, 1, ['tidegauge']]);
      const targets = links.map(({ url, keepTime, includeVars }) => [url, keepTime, includeVars]);
      const others = uids.filter((other) => other !== uid).map((other) => [`/d/${other}`, true, true]);
      assert.deepEqual(targets.sort(), others);
    }
  });

  test('have the same variables, each narrowed by those before it', () => {
    for (const { templating } of dashboards) {
      const [source, ...chain] = templating.list;
      assert.equal(source!.type, 'datasource');
      assert.deepEqual(
        chain.map(({ name }) => name),
        ['cluster', 'namespace', 'job', 'instance'],
      );
      for (const [index, { query }] of chain.entries()) {
        const used = [...query.matchAll(/\$(\w+)/g)].map((match) => match[1]);
        assert.deepEqual(
          used,
          chain.slice(0, index).map(({ name }) => name),
        );
      }
    }
  });

  test('are marked with drains and alerts', () => {
    for (const { annotations } of dashboards) {
      const [, ...ours] = annotations.list;
      assert.deepEqual(
        ours.map(({ name }) => name),
        ['Drains', 'Alerts'],
      );
      for (const { expr, datasource, enable, hide } of ours) {
        assert.equal(datasource.uid, '$datasource');
        assert.deepEqual([enable, hide], [true, false]);
        assert.deepEqual(parsePromql(expr!).errors, []);
      }
    }
  });
});

test('rows are open, and hold nothing that would only show when they are not', () => {
  for (const { panels } of dashboards) {
    const rows = panels.filter(({ type }) => type === 'row');
    assert.ok(rows.length > 3);
    assert.ok(rows.every(({ collapsed, panels: inside }) => collapsed === false && inside?.length === 0));
  }
});

test('the table of instances leads to the dashboard of the one that is clicked, and takes the choices along', () => {
  const fleet = dashboards.find(({ uid }) => uid === 'tidegauge-fleet')!;
  const links = fleet.panels.flatMap(({ fieldConfig }) =>
    (fieldConfig?.overrides ?? []).flatMap(({ properties }) => properties.filter(({ id }) => id === 'links')),
  );
  const [{ url }, ...others] = links.flatMap(({ value }) => value as { url: string }[]) as [{ url: string }];
  assert.deepEqual(others, []);
  const [path, query] = url.split('?') as [string, string];
  assert.ok(dashboards.some(({ uid }) => path === `/d/${uid}`));
  const taken = [...query.matchAll(/\$\{(\w+):queryparam\}|var-(\w+)=/g)].map(([, all, one]) => all ?? one);
  assert.deepEqual(
    taken,
    fleet.templating.list.map(({ name }) => name),
  );
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills these in, not JavaScript.
  assert.ok(query.includes('var-instance=${__value.raw}&${__url_time_range}'));
});

test('red is where an alert fires', () => {
  const pairs: [alert: Alert, thresholds: Thresholds][] = [
    [resourceAlerts.TidegaugeSaturated, fullness],
    [resourceAlerts.TidegaugeMemoryNearLimit, fullness],
    [resourceAlerts.TidegaugeHeapNearLimit, fullness],
    [resourceAlerts.TidegaugeEventLoopLate, loopDelay],
    [resourceAlerts.TidegaugeCpuThrottled, throttled],
    [clientAlerts.TidegaugeDeliveriesDropped, dropped],
  ];
  for (const [alert, { steps }] of pairs) {
    const [red, color] = steps.at(-1)!;
    assert.equal(color, 'red');
    assert.ok(new RegExp(`> ${red}(?!\\d)`).test(alert.expr.promql), `${alert.summary}: not at ${red}`);
  }
  const [, latencyRed] = latency.steps;
  assert.equal(latencyRed![0], deliveryLatencyBoundary);
});

describe('the variant for import by hand', () => {
  const variants = readDashboards('import');

  test('is the same but for the input, and that it may be changed', () => {
    assert.equal(variants.length, dashboards.length);
    for (const [index, { __inputs, __requires, ...variant }] of variants.entries()) {
      const expected = structuredClone(dashboards[index]!);
      const [source] = expected.templating.list;
      const chosen = `\${${__inputs![0]!.name}}`;
      source!.current = { text: chosen, value: chosen };
      expected.editable = true;
      const { __elements, ...rest } = variant as DashboardJson & { __elements: object };
      assert.deepEqual(rest, expected);
      assert.deepEqual(__elements, {});
    }
  });

  test('asks for the data source, and names every kind of panel that it needs', () => {
    for (const { __inputs, __requires, panels } of variants) {
      assert.deepEqual(
        __inputs!.map(({ type, pluginId }) => [type, pluginId]),
        [['datasource', 'prometheus']],
      );
      const kinds = new Set(panels.map(({ type }) => type).filter((type) => type !== 'row'));
      const required = __requires!.filter(({ type }) => type === 'panel').map(({ id }) => id);
      assert.deepEqual(required, [...kinds].sort());
    }
  });
});

function variableFaults({ templating }: DashboardJson, name: string, label: string): string[] {
  const found = templating.list.find((variable) => variable.name === name);
  if (found === undefined) return [`${name}: is missing`];
  const { type, datasource, multi, allValue } = found;
  return [
    ...(datasource?.uid === '$datasource' ? [] : [`${name}: another data source`]),
    ...(type === 'query' ? [] : [`${name}: is a ${type}`]),
    ...(found.label === label ? [] : [`${name}: is labelled ${found.label}`]),
    ...(multi ? [] : [`${name}: takes one value only`]),
    ...(allValue === '.+' ? [] : [`${name}: all is ${allValue}`]),
  ];
}

function panelFaults(check: (panel: DashboardPanel) => string[]): Rule['faults'] {
  return ({ panels }) =>
    panels
      .filter(({ type }) => type !== 'row')
      .flatMap((panel) => check(panel).map((fault) => `${panel.title}: ${fault}`));
}

function queryFaults(check: (expr: string) => string[]): Rule['faults'] {
  return panelFaults(({ targets = [] }) => targets.flatMap(({ expr }) => check(expr)));
}

/** The selectors that lack `label=~"$label"`. */
function withoutMatcher(expr: string, label: string): string[] {
  return parsePromql(expr)
    .selectors.filter(
      ({ matchers }) =>
        !matchers.some((one) => one.label === label && one.operator === '=~' && one.value === `$${label}`),
    )
    .map(({ name }) => `${name} has no ${label}`);
}
