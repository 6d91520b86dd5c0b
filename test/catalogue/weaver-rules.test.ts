/**
 * What OpenTelemetry's weaver would check of the registry, written as tests, since weaver is no program that this
 * project can get: the form of its definition files (JSON schema of `definition/2` and of the definition manifest, at
 * weaver 0.25), and the rules that the semantic conventions themselves are held to (naming, collisions, stability,
 * briefs). Each rule is shown to catch what it is for.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { attributes, definitionFiles, importedMetrics, manifest, metrics } from '../support/registry.ts';
import { brokenRules, formFaults, type Registry } from '../support/weaver-rules.ts';

const registry: Registry = { attributes, metrics };

test('the manifest names the registry by a schema URL with a version, and so its one dependency', () => {
  const form = /^https?:\/\/[^/\s]+(?:\/[^/\s]+)+\/\d+\.\d+\.\d+$/;
  assert.match(manifest.schema_url, form);
  assert.match(manifest.dependencies[0]!.schema_url, form);
  assert.equal(manifest.dependencies.length, 1);
  assert.deepEqual(Object.keys(manifest).sort(), ['dependencies', 'description', 'schema_url', 'stability']);
});

test('every file of definitions has the form of definition/2', () => {
  assert.ok(Object.keys(definitionFiles).length > 5);
  for (const [name, file] of Object.entries(definitionFiles)) assert.deepEqual(formFaults(file), [], name);
});

test('no rule is broken', () => {
  assert.ok(metrics.length > 50 && attributes.length > 10);
  assert.deepEqual(brokenRules(registry), []);
});

test('what is imported is a name, no pattern, and nothing is imported that is defined here', () => {
  const defined = new Set(metrics.map(({ name }) => name));
  assert.deepEqual(
    importedMetrics.filter((name) => !/^[a-z][a-z0-9_.]+$/.test(name) || defined.has(name)),
    [],
  );
});

describe('the checks of form find', () => {
  const good = {
    name: 'tide.level',
    brief: 'The level.',
    instrument: 'gauge',
    unit: 'm',
    stability: 'alpha',
  };
  const cases: Record<string, object> = {
    'a file without its format': { metrics: [] },
    'a file of another format': { file_format: 'definition/1', metrics: [] },
    'an unknown section': { file_format: 'definition/2', groups: [] },
    'an unknown property': { file_format: 'definition/2', metrics: [{ ...good, label: 'x' }] },
    'a metric without a unit': { file_format: 'definition/2', metrics: [{ ...good, unit: undefined }] },
    'an asynchronous instrument': {
      file_format: 'definition/2',
      metrics: [{ ...good, instrument: 'upDownCounter' }],
    },
    'an unknown stability': { file_format: 'definition/2', metrics: [{ ...good, stability: 'ours' }] },
    'an attribute that is defined in a metric': {
      file_format: 'definition/2',
      metrics: [{ ...good, attributes: [{ key: 'tide.harbour' }] }],
    },
    'an unknown requirement level': {
      file_format: 'definition/2',
      metrics: [{ ...good, attributes: [{ ref: 'tide.harbour', requirement_level: 'maybe' }] }],
    },
    'a condition without words': {
      file_format: 'definition/2',
      metrics: [
        {
          ...good,
          attributes: [{ ref: 'tide.harbour', requirement_level: { conditionally_required: true } }],
        },
      ],
    },
    'an unknown type of attribute': {
      file_format: 'definition/2',
      attributes: [{ key: 'tide.harbour', brief: 'x', stability: 'alpha', type: 'text' }],
    },
    'a member without an id': {
      file_format: 'definition/2',
      attributes: [
        { key: 'tide.harbour', brief: 'x', stability: 'alpha', type: { members: [{ value: 'a' }] } },
      ],
    },
  };
  for (const [what, file] of Object.entries(cases)) {
    test(what, () => assert.notDeepEqual(formFaults(file), []));
  }
  test('nothing in good form', () => {
    assert.deepEqual(formFaults({ file_format: 'definition/2', metrics: [good] }), []);
  });
});

describe('the rules find', () => {
  const member = { id: 'low', value: 'low', stability: 'development' };
  const attribute = {
    key: 'tide.kind',
    brief: 'The kind.',
    stability: 'development',
    type: { members: [member] },
  };
  const metric = {
    ...metrics[0]!,
    name: 'tide.level',
    brief: 'The level.',
    attributes: [{ ref: 'tide.kind', requirement_level: 'required' as const }],
  };
  const withMetric = (changes: object): Registry => ({
    attributes: [attribute],
    metrics: [{ ...metric, ...changes }],
  });
  const withAttribute = (changes: object): Registry => ({
    attributes: [{ ...attribute, ...changes }],
    metrics: [metric],
  });
  const cases: Record<string, [rule: string, registry: Registry]> = {
    'a name with capitals': ['name', withMetric({ name: 'tide.Level' })],
    'a name that ends in a dot': ['name', withMetric({ name: 'tide.level.' })],
    'an attribute without a namespace': ['namespace', withAttribute({ key: 'kind' })],
    'a member id that is no word': [
      'member id',
      withAttribute({ type: { members: [{ ...member, id: 'Low Tide' }] } }),
    ],
    'a member twice': [
      'member twice',
      withAttribute({ type: { members: [member, { ...member, id: 'other' }] } }),
    ],
    'an empty brief': ['brief', withAttribute({ brief: '' })],
    'a brief without its period': ['brief', withMetric({ brief: 'The level' })],
    'a metric that is more stable than its attribute': ['stability', withMetric({ stability: 'stable' })],
    'a reference to nothing of ours': ['reference', { attributes: [], metrics: [metric] }],
    'an attribute that nothing uses': ['unused', { attributes: [attribute], metrics: [] }],
    'a total in a name': ['words', withMetric({ name: 'tide.level.total' })],
    'names that become one constant': [
      'constant',
      { attributes: [attribute], metrics: [metric, { ...metric, name: 'tide_level' }] },
    ],
    'a name that is the namespace of another': [
      'namespace of another',
      { attributes: [attribute], metrics: [metric, { ...metric, name: 'tide.level.high' }] },
    ],
  };
  for (const [what, [rule, broken]] of Object.entries(cases)) {
    test(what, () => {
      const rules = brokenRules(broken).map((fault) => fault.rule);
      assert.ok(rules.includes(rule), rules.join());
    });
  }
  test('nothing in a good registry, and no collision that is declared', () => {
    assert.deepEqual(brokenRules(withMetric({})), []);
    const annotations = { naming_conventions: { policy_exceptions: ['metric_namespace_collision'] } };
    const declared = { ...metric, annotations: { ...metric.annotations, ...annotations } };
    const both = { attributes: [attribute], metrics: [declared, { ...metric, name: 'tide.level.high' }] };
    assert.deepEqual(brokenRules(both), []);
  });
});
