/**
 * Alert rules against the catalogue, the runbook against both, and the cases against the alerts. Rules are read as the
 * generator makes them; that the committed files are the same is the business of generated.test.ts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { alertCases } from '../../grafana/alerts/cases/all.ts';
import { formatPromql } from '../../grafana/alerts/format-promql.ts';
import { recordedNames } from '../../grafana/alerts/recorded.ts';
import { instanceLabels, scopeLabels } from '../../grafana/alerts/rule.ts';
import { allAlerts, type RuleText, ruleFiles } from '../../grafana/alerts/rules.ts';
import { burnPolicies, burnRateOf, deliveryLatencyBoundary, slos } from '../../grafana/alerts/slo.ts';
import { dashboards } from '../../grafana/dashboards.ts';
import { settingDeclarations } from '../../src/config.ts';
import { instruments } from '../../src/telemetry/catalogue.ts';
import { labelName, seriesName } from '../../src/telemetry/metric-names.ts';
import { readDashboards } from '../support/dashboards.ts';
import { parsePromql } from '../support/promql.ts';

const root = join(import.meta.dirname, '../..');
const rules: RuleText[] = Object.values(ruleFiles()).flatMap(({ groups }) =>
  groups.flatMap((group) => group.rules),
);
const alertRules = rules.filter(({ alert }) => alert !== undefined);

/** Series, with the labels that they may have beside those of a target; of a closed set, with its values. */
const known = new Map<string, Map<string, readonly string[] | undefined>>([
  ['up', new Map()],
  ...recordedNames.map((name) => [name, new Map([['slo', undefined]])] as const),
  ...instruments.flatMap(({ name, unit, kind, attributes = [], implied }) => {
    const labels = new Map(
      [...attributes, ...(implied ? [[implied[0], implied[1]] as const] : [])].map(
        ([attribute, values]) => [labelName(attribute), 'upTo' in values ? undefined : values] as const,
      ),
    );
    const family = seriesName(name, unit, kind);
    if (kind !== 'histogram') return [[family, labels] as const];
    const buckets = new Map<string, readonly string[] | undefined>([...labels, ['le', undefined]]);
    return [
      [`${family}_bucket`, buckets] as const,
      [`${family}_count`, labels] as const,
      [`${family}_sum`, labels] as const,
    ];
  }),
]);

/** What is wrong with the names and labels of an expression. */
function strangersIn(promql: string): string[] {
  const { errors, selectors, groupings } = parsePromql(promql);
  const labels = new Set<string>(instanceLabels);
  const strangers = selectors.flatMap(({ name, matchers }) => {
    const own = known.get(name);
    if (own === undefined) return [`series ${name}`];
    for (const label of own.keys()) labels.add(label);
    return matchers
      .filter(({ label, value }) => {
        if ((instanceLabels as readonly string[]).includes(label)) return false;
        if (!own.has(label)) return true;
        const values = own.get(label);
        return values !== undefined && value.split('|').some((one) => !values.includes(one));
      })
      .map(({ label, value }) => `${name} with ${label} ${value}`);
  });
  return [
    ...errors,
    ...strangers,
    ...groupings.filter((label) => !labels.has(label)).map((label) => `label ${label}`),
  ];
}

describe('rules', () => {
  test('name only what the catalogue or another rule makes', () => {
    for (const { expr, alert, record } of rules)
      assert.deepEqual(strangersIn(expr), [], alert ?? record ?? '');
    // The check itself sees what it is there for.
    assert.notDeepEqual(strangersIn('tidegauge_connection_actve'), []);
    assert.notDeepEqual(strangersIn('tidegauge_saturation_ratio{tidegauge_resource="disk"}'), []);
    assert.notDeepEqual(strangersIn('sum by (pod) (tidegauge_connection_active)'), []);
  });

  test('record each name that may be asked for, and no other', () => {
    const recordedByRules = new Set(rules.flatMap(({ record = [] }) => record));
    assert.deepEqual([...recordedByRules].sort(), [...recordedNames].sort());
  });

  test('are only broken into lines for reading', () => {
    for (const { expr } of rules) {
      assert.equal(formatPromql(expr).join(' ').replace(/\s+/g, ''), expr.replace(/\s+/g, ''));
    }
  });

  test('look as far back as their names say', () => {
    const spans = rules.flatMap(({ record = '', expr }) => {
      const said = /(?:rate|remaining)(\d+[mhd])$/.exec(record)?.[1];
      const ranges = new Set(parsePromql(expr).selectors.flatMap(({ range = [] }) => range));
      return said === undefined ? [] : [{ record, said, ranges: [...ranges] }];
    });
    // Over the shortest window nothing is summed: what it divides are rates over that window.
    const wrong = spans.filter(
      ({ record, said, ranges }) => ranges.join() !== (record.endsWith(':burnrate5m') ? '' : said),
    );
    assert.deepEqual(wrong, []);
    assert.equal(new Set(spans.map(({ said }) => said)).size, 6);
  });

  test('burn rates are those of the workbook', () => {
    assert.deepEqual(burnPolicies.map(burnRateOf), [14.4, 6, 1]);
  });
});

describe('an alert', () => {
  for (const { name, strengths } of allAlerts()) {
    test(`${name} can be routed, read and followed up`, () => {
      for (const one of strengths) {
        const rule = alertRules.find(
          ({ alert, labels }) => alert === name && labels?.long === one.labels?.long,
        )!;
        assert.match(rule.labels?.severity ?? '', /^(?:critical|warning)$/);
        const { summary = '', description = '', runbook_url, dashboard_url = '' } = rule.annotations ?? {};
        assert.ok(summary !== '' && summary.length <= 120, summary);
        assert.match(description, /\.$/);
        assert.equal(runbook_url, `grafana/alerts/runbook.md#${name.toLowerCase()}`);
        const [, uid, id, variables] = /^\/d\/([\w-]+)\?viewPanel=(\d+)&(.+)$/.exec(dashboard_url) ?? [];
        const dashboard = readDashboards().find((each) => each.uid === uid);
        assert.equal(dashboard?.uid, one.panel.dashboard);
        assert.equal(dashboard.panels.find((panel) => panel.id === Number(id))?.title, one.panel.title);
        const named = [...variables!.matchAll(/(?:^|&)var-(\w+)=/g)].map(([, variable]) => variable);
        assert.deepEqual(named, scopeLabels[one.scope]);
        assert.ok(
          named.every((name) => dashboard.templating.list.some((variable) => variable.name === name)),
        );
        // What the texts speak of is there when they are written.
        const kept = new Set<string>([
          ...scopeLabels[one.scope],
          ...Object.keys(rule.labels ?? {}),
          ...parsePromql(rule.expr).groupings,
        ]);
        for (const [, label] of [summary, description, dashboard_url].join('').matchAll(/\$labels\.(\w+)/g)) {
          assert.ok(kept.has(label!), `${label} is not kept`);
        }
      }
    });
  }

  test('has one name, and its group another', () => {
    const groups = Object.values(ruleFiles()).flatMap(({ groups: all }) => all.map(({ name }) => name));
    const alerts = allAlerts().map(({ name }) => name);
    assert.equal(new Set(groups).size, groups.length);
    assert.equal(new Set(alerts).size, alerts.length);
  });
});

describe('the cases', () => {
  const cases = Object.values(alertCases).flat();
  for (const { name, strengths } of allAlerts()) {
    /** For each case with this alert: whether something fires, check by check. */
    const courses = cases
      .map(({ checks }) => checks.filter(({ alert }) => alert === name).map(({ firing }) => firing))
      .filter((checks) => checks.length > 0);

    test(`${name} fires, and not before its time`, () => {
      assert.ok(
        courses.some(([first, ...rest]) => first?.length === 0 && rest.some((firing) => firing.length > 0)),
      );
    });

    test(`${name} resolves`, () => {
      assert.ok(
        courses.some((checks) => {
          const fires = checks.findIndex((firing) => firing.length > 0);
          return fires >= 0 && checks.slice(fires).some((firing) => firing.length < checks[fires]!.length);
        }),
      );
    });

    test(`${name} stays quiet where it is a near thing`, () => {
      const itsOwn = cases.filter(({ name: told }) => told.startsWith(`${name}:`));
      assert.ok(itsOwn.some(({ checks }) => checks.every(({ firing }) => firing.length === 0)));
    });

    test(`${name} is seen in each of its strengths`, () => {
      const seen = new Set(courses.flat(2).map(({ labels }) => labels?.long));
      assert.deepEqual(seen, new Set(strengths.map(({ labels }) => labels?.long)));
    });
  }
});

describe('the runbook', () => {
  const text = readFileSync(join(root, 'grafana/alerts/runbook.md'), 'utf8');
  const sections = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
  );
  const titles = dashboards.flatMap(({ rows }) =>
    rows.flatMap(({ panels }) => panels.map(({ title }) => title)),
  );

  test('has a section for each alert, in the order of the rules, and no other', () => {
    assert.deepEqual(
      [...sections.keys()],
      allAlerts().map(({ name }) => name),
    );
  });

  for (const { name, strengths } of allAlerts()) {
    test(`answers the five questions about ${name}, beginning at its panel`, () => {
      const section = sections.get(name) ?? '';
      const asked = ['Meaning', 'Impact', 'Look first', 'Causes and remedies', 'Silence'];
      const found = [...section.matchAll(/^\*\*([^*]+)\.\*\*/gm)].map(([, question]) => question);
      assert.deepEqual(found, asked);
      assert.match(section, /^```promql$/m);
      const { dashboard, title } = strengths[0]!.panel;
      const first = section.slice(section.indexOf('**Look first.**'), section.indexOf('```promql'));
      const place = dashboards.find(({ uid }) => uid === dashboard)!.title.replace('Tidegauge / ', '');
      assert.ok(first.replace(/\s+/g, ' ').includes(`_${title}_`), `${title} is not where to look first`);
      assert.ok(first.includes(`${place} dashboard`), `${place} is not where to look first`);
    });
  }

  test('asks only for series that exist', () => {
    const queries = [...text.matchAll(/^```promql\n(.*?)^```/gms)].flatMap(([, block]) =>
      block!.trim().split('\n'),
    );
    assert.ok(queries.length > sections.size);
    for (const query of queries) assert.deepEqual(strangersIn(query), [], query);
    for (const [, word] of text.matchAll(/`((?:job:)?tidegauge_\w[\w:]*)(?:\{[^`]*)?`/g)) {
      const isLabel = [...known.values()].some((labels) => labels.has(word!));
      const isFamily = instruments.some(({ name, unit, kind }) => seriesName(name, unit, kind) === word);
      assert.ok(known.has(word!) || isLabel || isFamily, `${word} is no series`);
    }
  });

  test('names only settings, alerts, panels and paths that exist', () => {
    const settings = new Set(settingDeclarations.map(({ env }) => env));
    // Those of OpenTelemetry and of Node are not ours to declare.
    for (const [, name] of text.matchAll(/\b((?:TIDEGAUGE|NATS|ADMIN)_[A-Z_]+|(?<=`)(?:HOST|PORT)(?=`))/g)) {
      assert.ok(settings.has(name!), `${name} is no setting`);
    }
    const alerts = new Set<string>(allAlerts().map(({ name }) => name));
    for (const [name] of text.matchAll(/\bTidegauge[A-Z]\w+/g))
      assert.ok(alerts.has(name), `${name} is no alert`);
    const routes = ['app', 'probes', 'reports', 'metrics', 'connections', 'publish'].map((file) =>
      readFileSync(join(root, `src/http/${file}.ts`), 'utf8'),
    );
    for (const [, path] of text.matchAll(
      /`(?:GET )?(\/(?:livez|readyz|health|stats|metrics|connections)\b[\w/]*)/g,
    )) {
      assert.ok(
        routes.some((source) => source.includes(`path: '${path}'`)),
        `${path} answers nothing`,
      );
    }
    const prose = text.replace(/```.*?```|`[^`]*`/gs, '').replace(/\s+/g, ' ');
    const panels = [...prose.matchAll(/_([^_]+)_/g)].map(([, title]) => title!);
    assert.ok(panels.length > sections.size);
    for (const title of panels) assert.ok(titles.includes(title), `there is no panel ${title}`);
  });
});

describe('the page about the alerts', () => {
  const text = readFileSync(join(root, 'grafana/alerts/README.md'), 'utf8');

  test('has the promises and the burn rates as they are', () => {
    for (const [name, { objective }] of Object.entries(slos)) {
      assert.match(
        text,
        new RegExp(`^\\| \`${name}\` \\| ${Number((objective * 100).toFixed(3))} % \\|`, 'm'),
      );
    }
    assert.ok(text.includes(`within ${deliveryLatencyBoundary * 1000} ms`));
    for (const policy of burnPolicies) {
      const rate = burnRateOf(policy);
      const times = rate === 1 ? 'too fast' : `${rate} times too fast`;
      const row = text.split('\n').find((line) => line.startsWith(`| ${times} |`)) ?? '';
      assert.ok(row.includes(policy.severity) && row.includes(`${policy.budgetShare * 100} %`), row);
    }
  });

  test('replaces every link by the texts that it says', () => {
    const rulesText = readFileSync(join(root, 'grafana/alerts/tidegauge-alerts.yaml'), 'utf8');
    const replaced = [...text.matchAll(/s\|([^|]+)\|/g)].map(([, from]) => from!);
    assert.equal(replaced.length, 2);
    for (const from of replaced) assert.equal(rulesText.split(from).length - 1, alertRules.length, from);
  });
});
