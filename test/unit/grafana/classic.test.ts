/** What a declaration becomes in Grafana's JSON, where it is more than writing it down. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { panelId, renderDashboard } from '../../../grafana/classic.ts';
import { dashboards } from '../../../grafana/dashboards.ts';
import { describePanel } from '../../../grafana/descriptions.ts';
import { areas, type Dashboard, figure, lines, type Panel } from '../../../grafana/panels.ts';
import { series, step } from '../../../grafana/surroundings.ts';

type Rendered = {
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig: {
    defaults: { unit: string; min?: number };
    overrides: { matcher: { id: string; options: unknown }; properties: { id: string; value: unknown }[] }[];
  };
};

const active = { ask: series.level('tidegauge.connection.active').sum(), legend: 'all' };

function dashboardOf(...panels: Panel[]): Dashboard {
  return {
    uid: 'tidegauge-test',
    title: 'Test',
    description: 'A test.',
    rows: [
      { title: undefined, panels: [figure('First', 24, [active])] },
      { title: 'Row', panels },
    ],
  };
}

function render(...panels: Panel[]): Rendered[] {
  return (renderDashboard(dashboardOf(...panels)).panels as unknown as Rendered[]).slice(2);
}

describe('a panel', () => {
  test('is put beside those before it, and below when the line is full', () => {
    const rendered = render(lines('A', 16, [active]), lines('B', 8, [active]), lines('C', 24, [active]));
    assert.deepEqual(
      rendered.map(({ gridPos: { x, y } }) => [x, y]),
      [
        [0, 5],
        [16, 5],
        [0, 13],
      ],
    );
  });

  test('that does not fill its line, or is of another height, is refused', () => {
    assert.throws(() => render(lines('A', 16, [active])), /not full/);
    assert.throws(() => render(lines('A', 16, [active]), lines('B', 16, [active])), /B does not fit/);
    assert.throws(() => render(lines('A', 12, [active]), figure('B', 12, [active])), /B does not fit/);
  });

  test('has the unit of its first query, and says so when there is none', () => {
    const bytes = { ask: series.rate('tidegauge.bus.io', step).sum(), legend: 'bytes' };
    const share = {
      ask: series.level('process.memory.usage').dividedBy(series.level('system.memory.limit')),
      legend: '',
    };
    const [first, second, third] = render(
      lines('A', 8, [active]),
      lines('B', 8, [bytes]),
      lines('C', 8, [share]),
    );
    assert.deepEqual(
      [first, second, third].map((panel) => panel!.fieldConfig.defaults.unit),
      ['short', 'binBps', 'percentunit'],
    );
    const odd = { ask: series.up().count(), legend: 'targets' };
    assert.throws(() => render(lines('A', 24, [odd])), /the unit of A does not follow/);
  });

  test('begins at 0, unless something is drawn below', () => {
    const [above, below] = render(
      lines('A', 12, [active]),
      lines('B', 12, [active, { ...active, isNegative: true }]),
    );
    assert.deepEqual([above!.fieldConfig.defaults.min, below!.fieldConfig.defaults.min], [0, undefined]);
    assert.deepEqual(below!.fieldConfig.overrides, [
      {
        matcher: { id: 'byFrameRefID', options: 'B' },
        properties: [{ id: 'custom.transform', value: 'negative-Y' }],
      },
    ]);
  });

  test('with a bound beside stacked amounts does not stack the bound', () => {
    const [panel] = render(areas('A', 24, [active, { ...active, legend: 'limit', isDashed: true }]));
    const properties = panel!.fieldConfig.overrides[0]!.properties;
    assert.deepEqual(properties.find(({ id }) => id === 'custom.stacking')?.value, {
      mode: 'none',
      group: 'A',
    });
  });

  test('is described by its note and the words of the catalogue, once for each instrument', () => {
    const description = describePanel(lines('A', 24, [active, active], { note: 'Look here.' }));
    assert.match(
      description,
      /^Look here\.\n\n\*\*tidegauge\.connection\.active\*\* \*How many clients are here\?\*/,
    );
    assert.equal(description.match(/WebSocket connections that are open now/g)?.length, 1);
  });

  test('has the same number whatever is added beside it', () => {
    assert.equal(panelId('Latency'), panelId('Latency'));
    const titles = dashboards.flatMap(({ rows }) =>
      rows.flatMap(({ panels }) => panels.map(({ title }) => title)),
    );
    const ids = new Set([...new Set(titles)].map(panelId));
    assert.equal(ids.size, new Set(titles).size);
    assert.ok([...ids].every((id) => Number.isSafeInteger(id) && id > 0 && id < 100_000));
  });
});
