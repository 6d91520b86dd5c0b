/**
 * The committed rule files before a real promtool: they are accepted, their cases hold, and the cases would notice if an
 * alert were wrong. For the last, all alerts are spoilt at once in one way, and each of them has to be missed somewhere.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { alertCases } from '../../grafana/alerts/cases/all.ts';
import { renderYaml } from '../../grafana/alerts/rule-file.ts';
import { type RuleFile, type RuleText, ruleFiles } from '../../grafana/alerts/rules.ts';
import { createTempFolder } from '../support/child.ts';
import { promtool } from '../support/promtool.ts';
import { skipWithout } from '../support/real-part.ts';

const folder = join(import.meta.dirname, '../../grafana/alerts');
const testFiles = readdirSync(join(folder, 'tests')).map((name) => join('tests', name));

/** Those that ask for one of the alerts. The long ones prove the lengths of windows, which none of the faults touches. */
function testFilesAbout(alerts: ReadonlySet<string>): string[] {
  return Object.entries(alertCases)
    .filter(([name, cases]) => {
      const isAbout = cases.some(({ checks }) => checks.some(({ alert }) => alerts.has(alert)));
      return isAbout && !name.endsWith('-long');
    })
    .map(([name]) => join('tests', `${name}.yaml`));
}

type Fault = {
  what: string;
  /** Undefined where the rule has nothing that could go wrong in this way. */
  spoil(rule: RuleText): RuleText | undefined;
};

/** Replaces in the expression; undefined if there is nothing to replace. */
function inExpr(rule: RuleText, pattern: RegExp, by: (...found: string[]) => string): RuleText | undefined {
  const expr = rule.expr.replace(pattern, by);
  return expr === rule.expr ? undefined : { ...rule, expr };
}

const bound = /( (?:>|>=)) (\d+(?:\.\d+)?)/g;

const faults: readonly Fault[] = [
  { what: 'never fires', spoil: (rule) => ({ ...rule, expr: 'vector(0) > 0' }) },
  {
    what: 'fires at once',
    spoil: ({ for: hold, ...rule }) => (hold === undefined ? undefined : rule),
  },
  {
    what: 'waits for twice as long',
    spoil: ({ for: hold, ...rule }) =>
      hold === undefined
        ? undefined
        : { ...rule, for: hold.replace(/\d+/, (time) => String(2 * Number(time))) },
  },
  {
    what: 'asks for ten times as much',
    spoil: (rule) => inExpr(rule, bound, (_, comparison, value) => `${comparison} ${Number(value) * 10}`),
  },
  {
    what: 'asks for a tenth of it',
    spoil: (rule) => inExpr(rule, bound, (_, comparison, value) => `${comparison} ${Number(value) / 10}`),
  },
  { what: 'makes no exception', spoil: (rule) => inExpr(rule, / unless on /g, () => ' or on ') },
  {
    what: 'takes all conditions for alternatives',
    spoil: (rule) => inExpr(rule, / and (?!on )/g, () => ' or '),
  },
  { what: 'takes strangers for its own', spoil: (rule) => inExpr(rule, / and on /g, () => ' or on ') },
];

/** The rules with one fault in all of them, and the names of those that could have it. */
function spoilt({ spoil }: Fault): { files: Record<string, RuleFile>; alerts: Set<string> } {
  const alerts = new Set<string>();
  const spoilRule = (rule: RuleText): RuleText => {
    const wrong = rule.alert === undefined ? undefined : spoil(rule);
    if (wrong === undefined) return rule;
    alerts.add(rule.alert!);
    return wrong;
  };
  const files = Object.entries(ruleFiles()).map(([name, { groups }]): [string, RuleFile] => [
    name,
    { groups: groups.map((group) => ({ ...group, rules: group.rules.map(spoilRule) })) },
  ]);
  return { files: Object.fromEntries(files), alerts };
}

// Two at once: a promtool takes one core.
describe('promtool', { skip: await skipWithout('promtool'), concurrency: 2 }, () => {
  test('accepts the rule files, and has nothing to remark on', async () => {
    const answer = await promtool(
      ['check', 'rules', '--lint=all', '--lint-fatal', ...Object.keys(ruleFiles())],
      folder,
    );
    assert.equal(answer.code, 0, answer.said);
  });

  for (const file of testFiles) {
    test(`finds that the cases of ${file} hold`, async () => {
      const answer = await promtool(['test', 'rules', file], folder);
      assert.equal(answer.code, 0, answer.said);
    });
  }

  for (const fault of faults) {
    test(`finds each alert that ${fault.what}`, async () => {
      const { files, alerts } = spoilt(fault);
      assert.ok(alerts.size > 0);
      const copy = createTempFolder('spoilt-rules');
      try {
        mkdirSync(join(copy.path, 'tests'));
        cpSync(join(folder, 'tests'), join(copy.path, 'tests'), { recursive: true });
        for (const [name, file] of Object.entries(files))
          writeFileSync(join(copy.path, name), renderYaml(file));
        const { said } = await promtool(['test', 'rules', ...testFilesAbout(alerts)], copy.path);
        const missed = new Set([...said.matchAll(/alertname: (\w+), time/g)].map(([, name]) => name!));
        assert.deepEqual(
          [...alerts].filter((name) => !missed.has(name)),
          [],
        );
      } finally {
        copy.remove();
      }
    });
  }
});
