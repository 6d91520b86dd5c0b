/** Plain data becomes YAML that says the same, and long PromQL becomes lines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPromql } from '../../../grafana/alerts/format-promql.ts';
import { renderYaml } from '../../../grafana/alerts/rule-file.ts';

test('mappings and sequences nest by indentation; what is undefined is left out', () => {
  const document = {
    groups: [{ name: 'one', interval: undefined, rules: [{ alert: 'A' }, { alert: 'B' }] }],
  };
  assert.equal(
    renderYaml(document, ['a remark']),
    `# a remark
groups:
  - name: one
    rules:
      - alert: A
      - alert: B
`,
  );
});

test('a string that YAML could take for something else is quoted', () => {
  for (const text of [
    '1',
    'true',
    'no',
    'null',
    'a: b',
    'a #b',
    '- a',
    '{{ $value }}',
    '',
    ' a',
    'y',
    '"q"',
  ]) {
    assert.equal(renderYaml({ text }), `text: ${JSON.stringify(text)}\n`);
  }
  for (const text of ['5m', '250ms', 'critical', 'tidegauge-slo', 'a/b.yaml']) {
    assert.equal(renderYaml({ text }), `text: ${text}\n`);
  }
});

test('what is empty stays what it is', () => {
  assert.equal(renderYaml({ none: [], nothing: {}, zero: 0 }), 'none: []\nnothing: {}\nzero: 0\n');
});

test('a short expression stays on its line', () => {
  assert.deepEqual(formatPromql('up == 0'), ['up == 0']);
});

test('a long one is broken at what binds least, then in its parentheses, never in a list of labels or a string', () => {
  const inner = (name: string): string => `increase(${name}{reason=~"a or b|and (c)"}[15m])`;
  const outer = 'max by (cluster, namespace, job, instance)';
  const share = `(${outer} (${inner('first_total')}) / ${outer} (${inner('second_total')}))`;
  assert.deepEqual(formatPromql(`${share} > 0.1`), [
    '(',
    `  ${outer} (${inner('first_total')})`,
    `  / ${outer} (${inner('second_total')})`,
    ')',
    '> 0.1',
  ]);
  const name = 'a_series_whose_name_does_not_fit_beside_its_sum';
  assert.deepEqual(formatPromql(`${outer} (${inner(name)})`), [`${outer} (`, `  ${inner(name)}`, ')']);
});

test('arguments stand below each other', () => {
  const rate = (name: string): string => `sum by (job) (rate(${name}_with_a_long_name_total[5m]))`;
  assert.deepEqual(formatPromql(`clamp_min(${rate('events')} - ${rate('good_events')}, 0)`), [
    'clamp_min(',
    `  ${rate('events')}`,
    `  - ${rate('good_events')},`,
    '  0',
    ')',
  ]);
});
