/**
 * Dashboards against the catalogue, both ways: no query names what no instrument makes, and every instrument stands on
 * a panel or is left out for a reason. Queries are read as the committed files have them, not as they were built.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { recordedNames } from '../../grafana/alerts/recorded.ts';
import { targetLabels } from '../../grafana/promql.ts';
import { uncharted } from '../../grafana/uncharted.ts';
import { type Instrument, type InstrumentName, instruments } from '../../src/telemetry/catalogue.ts';
import { labelName, seriesName } from '../../src/telemetry/metric-names.ts';
import { escapeXml } from '../pictures/svg.ts';
import { type DashboardPanel, readDashboards } from '../support/dashboards.ts';
import { parsePromql, type Selector } from '../support/promql.ts';

const dashboards = readDashboards();
const panelQueries = dashboards.flatMap(({ title: dashboard, panels }) =>
  panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, refId }) => ({ where: `${dashboard}, ${title}, ${refId}`, expr })),
  ),
);
const annotationQueries = dashboards.flatMap(({ title, annotations }) =>
  annotations.list.flatMap(({ name, expr }) =>
    expr === undefined ? [] : [{ where: `${title}, annotation ${name}`, expr }],
  ),
);
const variableQueries = dashboards.flatMap(({ title, templating }) =>
  templating.list
    .filter(({ type }) => type === 'query')
    .map(({ name, query }) => ({
      where: `${title}, variable ${name}`,
      expr: query.replace(/^label_values\((.+), \w+\)$/, '$1'),
    })),
);
const allQueries = [...panelQueries, ...annotationQueries, ...variableQueries];

/** Series that Prometheus or its rules make, with the labels that they may be asked for. */
const notOurs: Readonly<Record<string, readonly string[]>> = {
  up: targetLabels,
  target_info: [...targetLabels, 'service_name', 'service_version'],
  ALERTS: [...targetLabels, 'alertname', 'alertstate', 'severity'],
  ...Object.fromEntries(recordedNames.map((name) => [name, ['cluster', 'namespace', 'job', 'slo']])),
};

type Known = { instrument: Instrument; isBucket: boolean };
const known = new Map<string, Known>(
  instruments.flatMap((instrument): [string, Known][] => {
    const name = seriesName(instrument.name, instrument.unit, instrument.kind);
    if (instrument.kind !== 'histogram') return [[name, { instrument, isBucket: false }]];
    return ['_bucket', '_count', '_sum'].map((suffix) => [
      name + suffix,
      { instrument, isBucket: suffix === '_bucket' },
    ]);
  }),
);

function attributesOf({ attributes = [], implied }: Instrument): Map<string, readonly string[] | undefined> {
  const given = attributes.map(
    ([name, values]) => [labelName(name), 'upTo' in values ? undefined : values] as const,
  );
  return new Map(implied === undefined ? given : [...given, [labelName(implied[0]), implied[1]]]);
}

/** What is wrong with a selector, by the catalogue. */
function faultsOf({ name, matchers }: Selector): string[] {
  const labels = matchers.map(({ label }) => label);
  const foreign = notOurs[name];
  if (foreign !== undefined)
    return labels.filter((label) => !foreign.includes(label)).map((label) => `${name} has no ${label}`);
  const found = known.get(name);
  if (found === undefined) return [`no instrument makes ${name}`];
  const attributes = attributesOf(found.instrument);
  return matchers.flatMap(({ label, operator, value }) => {
    if ((targetLabels as readonly string[]).includes(label) || (label === 'le' && found.isBucket)) return [];
    if (!attributes.has(label)) return [`${name} has no label ${label}`];
    const values = attributes.get(label);
    const asked = operator.includes('~') ? value.split('|') : [value];
    return asked
      .filter(
        (one) =>
          values !== undefined &&
          !values.includes(one) &&
          !(one === '' && found.instrument.kind === 'histogram'),
      )
      .map((one) => `${label} of ${name} is never ${one}`);
  });
}

describe('queries of dashboards', () => {
  test('there are some', () => {
    assert.ok(panelQueries.length > 100 && annotationQueries.length === 6 && variableQueries.length === 12);
  });

  test('are PromQL', () => {
    const errors = allQueries.flatMap(({ where, expr }) =>
      parsePromql(expr).errors.map((error) => `${where}: ${error}`),
    );
    assert.deepEqual(errors, []);
  });

  test('name no series, label or value that no instrument makes', () => {
    const faults = allQueries.flatMap(({ where, expr }) =>
      parsePromql(expr)
        .selectors.flatMap(faultsOf)
        .map((fault) => `${where}: ${fault}`),
    );
    assert.deepEqual(faults, []);
  });

  test('group by labels that one of their series has', () => {
    const faults = allQueries.flatMap(({ where, expr }) => {
      const { selectors, groupings } = parsePromql(expr);
      const labels = new Set<string>([...targetLabels, 'le']);
      for (const { name } of selectors) {
        for (const label of notOurs[name] ?? []) labels.add(label);
        const found = known.get(name);
        if (found !== undefined) for (const label of attributesOf(found.instrument).keys()) labels.add(label);
      }
      return groupings.filter((label) => !labels.has(label)).map((label) => `${where}: nothing has ${label}`);
    });
    assert.deepEqual(faults, []);
  });

  test('the check of names would notice', () => {
    const select = (promql: string): string[] => parsePromql(promql).selectors.flatMap(faultsOf);
    assert.deepEqual(select('rate(tidegauge_lost_total[5m])'), ['no instrument makes tidegauge_lost_total']);
    assert.deepEqual(select('tidegauge_ready_ratio{colour="red"}'), [
      'tidegauge_ready_ratio has no label colour',
    ]);
    assert.deepEqual(select('tidegauge_ready_ratio{tidegauge_ready_reason=~"bus|whim"}'), [
      'tidegauge_ready_reason of tidegauge_ready_ratio is never whim',
    ]);
    assert.equal(parsePromql('sum by (job (x)').errors.length > 0, true);
  });
});

describe('instruments', () => {
  const charted = new Set<InstrumentName>(
    panelQueries.flatMap(({ expr }) =>
      parsePromql(expr).selectors.flatMap(({ name }) => known.get(name)?.instrument.name ?? []),
    ),
  );

  test('are each on a panel, or are left out for a reason', () => {
    assert.deepEqual(
      instruments
        .map(({ name }) => name)
        .filter((name) => !charted.has(name) && uncharted[name] === undefined),
      [],
    );
  });

  test('that are left out for a reason are on no panel', () => {
    const names = Object.keys(uncharted) as InstrumentName[];
    assert.deepEqual(
      names.filter((name) => charted.has(name)),
      [],
    );
    const all = new Set(instruments.map(({ name }) => name));
    assert.ok(names.every((name) => all.has(name) && uncharted[name]!.length > 20));
  });
});

describe('panels', () => {
  test('say about each of their instruments what the catalogue says', () => {
    for (const { title: dashboard, panels } of dashboards) {
      for (const { title, description = '', targets = [] } of panels) {
        for (const { expr } of targets) {
          for (const { name } of parsePromql(expr).selectors) {
            const instrument = known.get(name)?.instrument;
            if (instrument === undefined) continue;
            assert.ok(
              description.includes(`**${instrument.name}**`),
              `${dashboard}, ${title}: ${instrument.name}`,
            );
            assert.ok(description.includes(instrument.counts), `${dashboard}, ${title}: ${instrument.name}`);
          }
        }
      }
    }
  });

  test('have units that fit what they ask for', () => {
    const faults = dashboards.flatMap(({ title: dashboard, panels }) =>
      panels.flatMap((panel) =>
        (panel.targets ?? []).flatMap((target) => {
          const unit = shownUnit(panel, target.refId);
          const fitting = fittingUnits(target.expr);
          return fitting === undefined || fitting.includes(unit)
            ? []
            : [`${dashboard}, ${panel.title}, ${target.refId}: ${unit}, not ${fitting.join(' or ')}`];
        }),
      ),
    );
    assert.deepEqual(faults, []);
    assert.deepEqual(fittingUnits('sum(rate(tidegauge_io_bytes_total[5m]))'), ['binBps']);
    assert.deepEqual(
      fittingUnits('histogram_quantile(0.9, rate(tidegauge_ping_duration_seconds_bucket[5m]))'),
      ['s'],
    );
  });

  test('are known by a number each, and lie side by side without a gap or an overlap', () => {
    for (const { title, panels } of dashboards) {
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, title);
      const taken = new Set<string>();
      let cells = 0;
      for (const { gridPos } of panels) {
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) taken.add(`${x} ${y}`);
        }
        cells += gridPos.w * gridPos.h;
      }
      const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
      assert.deepEqual([taken.size, cells], [cells, 24 * height], title);
    }
  });
});

describe('beside the dashboards', () => {
  const grafana = join(import.meta.dirname, '../../grafana');
  const read = (path: string): string => readFileSync(join(grafana, path), 'utf8');

  test('the pictures show every panel under the title that it has now', () => {
    for (const { uid, title, panels } of dashboards) {
      const picture = read(`pictures/${uid}.svg`);
      const titles = [title, ...panels.map((panel) => panel.title)];
      assert.deepEqual(
        titles.filter((one) => !picture.includes(`${escapeXml(one)}<`)),
        [],
        `${uid}: run npm run grafana:pictures`,
      );
      assert.ok(picture.length < 400_000, `${uid} has ${picture.length} bytes`);
    }
  });

  test('the provider reads the folder of the dashboards, and the data source is of the kind they ask for', () => {
    assert.match(read('provisioning/dashboards/tidegauge.yaml'), /^\s+path: \/etc\/tidegauge\/dashboards$/m);
    assert.ok(readdirSync(join(grafana, 'dashboards')).every((file) => file.endsWith('.json')));
    const source = dashboards[0]!.templating.list.find(({ type }) => type === 'datasource');
    assert.match(
      read('provisioning/datasources/prometheus.yaml'),
      new RegExp(`^\\s+type: ${source!.query}$`, 'm'),
    );
  });

  test('the page links to what is there, and to all dashboards', () => {
    const page = read('README.md');
    const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]!);
    assert.deepEqual(
      links.filter((link) => !existsSync(join(grafana, link))),
      [],
    );
    for (const { uid } of dashboards) assert.ok(links.includes(`pictures/${uid}.svg`), uid);
  });
});

/** What Grafana shows the figures of a query in: the panel's unit, or one for that query or for its column. */
function shownUnit({ fieldConfig, transformations = [] }: DashboardPanel, refId: string): string {
  const organize = transformations.find(({ id }) => id === 'organize')?.options.renameByName;
  const heading = (organize as Record<string, string> | undefined)?.[`Value #${refId}`];
  const own = fieldConfig!.overrides
    .filter(({ matcher: { id, options } }) => options === (id === 'byFrameRefID' ? refId : heading))
    .flatMap(({ properties }) => properties.filter(({ id }) => id === 'unit'));
  return (own[0]?.value ?? fieldConfig!.defaults.unit) as string;
}

/**
 * By the names of the series and what is done to them, not by the catalogue, from which the units are made. Undefined
 * where a query is a quotient, or something that Prometheus makes.
 */
function fittingUnits(expr: string): string[] | undefined {
  const { selectors } = parsePromql(expr);
  if (/ \/ /.test(expr) || selectors.some(({ name }) => name in notOurs)) return undefined;
  const { name, functions } = selectors[0]!;
  const counts = ['short', 'none'];
  if (/^count\b|== bool/.test(expr)) return counts;
  const isTime = /_seconds(?:_bucket|_total)?$/.test(name);
  const isSize = /_bytes(?:_bucket|_total)?$/.test(name);
  if (functions.includes('increase')) return counts;
  if (name.endsWith('_bucket') || !functions.includes('rate')) {
    if (isTime) return ['s', 'dtdurations'].slice(0, functions.length > 0 ? 1 : 2);
    if (isSize) return ['bytes'];
    // A state is 1 or 0, and a sum of those is a number of instances.
    if (name.startsWith('tidegauge_ready')) return counts;
    return name.endsWith('_ratio') ? ['percentunit'] : counts;
  }
  // Seconds of each second: a share, or how many were at it at a time.
  if (isTime) return ['percentunit', ...counts];
  return isSize ? ['binBps'] : ['cps', 'reqps', 'short'];
}
