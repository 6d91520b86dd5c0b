/**
 * The reports against the catalogue: they ask by names and attributes as text, so a renamed instrument would make
 * a figure silently 0. Every question that a report asks is written down, and looked up.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enhanced } from '../../src/reports/enhanced.ts';
import { health } from '../../src/reports/health.ts';
import type { Attributes, Readings } from '../../src/reports/readings.ts';
import { stats } from '../../src/reports/stats.ts';
import { type Instrument, instruments } from '../../src/telemetry/catalogue.ts';
import { pageOf } from '../support/connection-rows.ts';
import { fullReadings, readingsOf } from '../support/readings.ts';

type Question = { name: string; attributes: Attributes | undefined };

/** All that the reports ask, and what was answered with nothing. */
function questions(): Question[] {
  const asked: Question[] = [];
  const full = readingsOf(fullReadings);
  const witness: Readings = {
    timestampMs: full.timestampMs,
    value(name, attributes = {}) {
      asked.push({ name, attributes });
      return full.value(name, attributes);
    },
    points(name) {
      asked.push({ name, attributes: undefined });
      return full.points(name);
    },
    sum(name) {
      asked.push({ name, attributes: undefined });
      return full.sum(name);
    },
    histogram() {
      throw new Error('no report shows a histogram');
    },
  };
  stats(witness);
  enhanced(witness, pageOf([]), 1);
  health(witness);
  return asked;
}

const byName = new Map<string, Instrument>(instruments.map((one) => [one.name, one]));

function declaredAttributes(name: string): Map<string, readonly string[] | undefined> {
  const instrument = byName.get(name);
  assert.ok(instrument, `${name} is not in the catalogue`);
  return new Map(
    (instrument.attributes ?? []).map(([attribute, values]) => [
      attribute,
      'upTo' in values ? undefined : values,
    ]),
  );
}

test('every figure that a report asks for is declared, with exactly the attributes that it gives', () => {
  const asked = questions();
  assert.ok(asked.length > 60);
  for (const { name, attributes } of asked) {
    const declared = declaredAttributes(name);
    if (attributes === undefined) continue;
    assert.deepEqual(Object.keys(attributes).sort(), [...declared.keys()].sort(), name);
    for (const [attribute, value] of Object.entries(attributes)) {
      const values = declared.get(attribute);
      if (values !== undefined)
        assert.ok(values.includes(String(value)), `${name} has no ${attribute}=${value}`);
    }
  }
});

test('the literal readings that the tests of the reports use are of the same form', () => {
  for (const [name, given] of Object.entries(fullReadings)) {
    const declared = declaredAttributes(name);
    const points = Array.isArray(given)
      ? (given as [Attributes, number][])
      : ([[{}, given]] as [Attributes, number][]);
    for (const [attributes] of points) {
      assert.deepEqual(Object.keys(attributes).sort(), [...declared.keys()].sort(), name);
    }
  }
});
