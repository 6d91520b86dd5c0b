/** The registry and the catalogue, both ways: what the one declares the other has, in the same form. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { schemaVersions } from '../../otel/schema.ts';
import { type Instrument, instruments, isWhole } from '../../src/telemetry/catalogue.ts';
import { conventionsVersion, schemaUrl } from '../../src/telemetry/conventions.ts';
import {
  attributes,
  importedMetrics,
  type MetricDefinition,
  manifest,
  metrics,
} from '../support/registry.ts';

const own = instruments.filter(({ stability }) => stability === 'ours');
const instrumentOf = new Map<string, Instrument>(instruments.map((one) => [one.name, one]));

describe('the registry', () => {
  test('defines every instrument with a name of ours, and imports every other', () => {
    assert.deepEqual(metrics.map(({ name }) => name).sort(), own.map(({ name }) => name).sort());
    const others = instruments.filter(({ stability }) => stability !== 'ours');
    assert.deepEqual(importedMetrics, others.map(({ name }) => name).sort());
  });

  test('gives each the kind, the unit, the type of number and the scope that it is made with', () => {
    for (const metric of metrics) {
      const { kind, unit, scope, counts, ...rest } = instrumentOf.get(metric.name)!;
      assert.equal(metric.instrument, kind.toLowerCase(), metric.name);
      assert.equal(metric.unit, unit, metric.name);
      assert.equal(metric.brief, counts);
      const { code_generation, instrumentation_scope } = metric.annotations;
      assert.equal(code_generation.metric_value_type, isWhole({ unit }) ? 'int' : 'double', metric.name);
      assert.equal(instrumentation_scope, scope);
      for (const boundary of rest.boundaries ?? []) assert.ok(metric.note.includes(String(boundary)));
    }
  });

  test('gives each its attributes, and says which of them may be absent', () => {
    for (const metric of metrics) {
      const { attributes: given = [], implied, onlyIf = {} } = instrumentOf.get(metric.name)!;
      const expected = [...given.map(([name]) => name), ...(implied === undefined ? [] : [implied[0]])];
      assert.deepEqual(
        refs(metric).map(({ ref }) => ref),
        expected,
        metric.name,
      );
      for (const { ref, requirement_level } of refs(metric)) {
        assert.equal(requirement_level === 'required', onlyIf[ref] === undefined, `${metric.name} ${ref}`);
      }
    }
  });

  test('only histograms have attributes that may be absent, for all others are observed with each', () => {
    for (const { name, kind, attributes: given = [], onlyIf = {} } of instruments) {
      assert.ok(kind === 'histogram' || Object.keys(onlyIf).length === 0, name);
      const names = given.map(([attribute]) => attribute);
      assert.deepEqual(
        Object.keys(onlyIf).filter((attribute) => !names.includes(attribute)),
        [],
        name,
      );
    }
  });

  test('defines each attribute of ours with all values that any instrument gives it, and no other attribute', () => {
    const values = new Map<string, Set<string>>();
    for (const { attributes: given = [], implied } of instruments) {
      for (const [name, set] of [...given, ...(implied === undefined ? [] : [implied])]) {
        if (!name.startsWith('tidegauge.') || 'upTo' in set) continue;
        values.set(name, new Set([...(values.get(name) ?? []), ...set]));
      }
    }
    assert.deepEqual(attributes.map(({ key }) => key).sort(), [...values.keys()].sort());
    for (const { key, type } of attributes) {
      assert.deepEqual(new Set(type.members.map(({ value }) => value)), values.get(key), key);
    }
  });

  test('references no attribute that neither it nor the conventions define', () => {
    const known = new Set<unknown>([
      ...attributes.map(({ key }) => key),
      ...Object.entries(conventions).flatMap(([name, value]) => (name.startsWith('ATTR_') ? [value] : [])),
    ]);
    const unknown = metrics.flatMap(refs).filter(({ ref }) => !known.has(ref));
    assert.deepEqual(unknown, []);
  });
});

describe('the schema URL', () => {
  test('of scopes and resource is that of the conventions which the names are checked with', () => {
    const entry = createRequire(import.meta.url).resolve('@opentelemetry/semantic-conventions');
    const { version } = JSON.parse(readFileSync(join(packageFolder(entry), 'package.json'), 'utf8'));
    assert.equal(conventionsVersion, version);
    assert.equal(schemaUrl, `https://opentelemetry.io/schemas/${version}`);
    const [dependency, ...others] = manifest.dependencies;
    assert.deepEqual(others, []);
    assert.equal(dependency!.schema_url, schemaUrl);
    assert.ok(dependency!.registry_path.includes(`@v${version}[`));
  });

  test('of the registry ends in the newest version of the schema, and is the one that the page explains', () => {
    assert.ok(manifest.schema_url.endsWith(`/${schemaVersions[0].version}`));
    const readme = readFileSync(join(import.meta.dirname, '../../otel/README.md'), 'utf8');
    const family = manifest.schema_url.slice(0, manifest.schema_url.lastIndexOf('/'));
    assert.ok(readme.includes(`\`${family}\``), family);
  });
});

test('a renamed name leads, version by version, to one that there is, and is used by nobody any more', () => {
  const names = new Set<string>(own.map(({ name }) => name));
  const keys = new Set(attributes.map(({ key }) => key));
  for (const [index, { renamedMetrics, renamedAttributes }] of schemaVersions.entries()) {
    const later = schemaVersions.slice(0, index);
    const follow = (name: string, maps: Readonly<Record<string, string>>[]): string =>
      maps.reduceRight((current, map) => map[current] ?? current, name);
    for (const [from, to] of Object.entries(renamedMetrics)) {
      assert.ok(
        !names.has(from) &&
          names.has(
            follow(
              to,
              later.map((one) => one.renamedMetrics),
            ),
          ),
        from,
      );
    }
    for (const [from, to] of Object.entries(renamedAttributes)) {
      assert.ok(
        !keys.has(from) &&
          keys.has(
            follow(
              to,
              later.map((one) => one.renamedAttributes),
            ),
          ),
        from,
      );
    }
  }
});

function refs({ attributes: given = [] }: MetricDefinition) {
  return given;
}

function packageFolder(file: string): string {
  const folder = dirname(file);
  return folder.endsWith('semantic-conventions') ? folder : packageFolder(folder);
}
