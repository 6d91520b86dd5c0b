/**
 * The explanation of the JSON documents against the documents: the declared keys are exactly those that a client
 * finds, and each key comes from exactly the instruments that it is said to come from. The second is told by moving
 * one instrument after the other and looking at which keys move with it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enhanced } from '../../src/reports/enhanced.ts';
import { health } from '../../src/reports/health.ts';
import { stats } from '../../src/reports/stats.ts';
import { system } from '../../src/reports/system.ts';
import { type LegacyField, type LegacyFields, legacyDocuments } from '../../src/telemetry/legacy-fields.ts';
import { pageOf, rowWith } from '../support/connection-rows.ts';
import { fullReadings, type LiteralReadings, readingsOf, withOneOf } from '../support/readings.ts';

/** Not ready, so that the list of reasons has a row. */
const literal = withOneOf('tidegauge.ready', 'tidegauge.ready.reason', 'bus');

type Documents = Record<keyof typeof legacyDocuments, unknown>;

function documentsOf(readings: LiteralReadings): Documents {
  const collected = readingsOf(readings);
  return {
    '/stats': stats(collected),
    '/metrics/enhanced': enhanced(collected, pageOf([rowWith()]), 8),
    '/metrics/system': system(collected, 8),
    '/health': health(collected),
  };
}

/** Objects whose keys are data: heap spaces, and types of collections. */
const namedByData = /^runtime\.(?:memory\.spaces|gc\.(?:count|pause_seconds))$/;

/** The leaves of a document by the key that a declaration has for them; several leaves of one key as a list. */
function leavesOf(document: unknown): Map<string, unknown[]> {
  const leaves = new Map<string, unknown[]>();
  const visit = (value: unknown, key: string): void => {
    if (Array.isArray(value)) {
      for (const one of value) visit(one, `${key}[]`);
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        visit(inner, [...(key === '' ? [] : [key]), namedByData.test(key) ? '*' : name].join('.'));
      }
    } else {
      leaves.set(key, [...(leaves.get(key) ?? []), value]);
    }
  };
  visit(JSON.parse(JSON.stringify(document)), '');
  return leaves;
}

const paths = Object.keys(legacyDocuments) as (keyof Documents)[];

for (const path of paths) {
  test(`${path} has exactly the declared fields`, () => {
    const found = [...leavesOf(documentsOf(literal)[path]).keys()];
    assert.ok(found.length > 10);
    assert.deepEqual(found.sort(), Object.keys(legacyDocuments[path]).sort());
  });
}

/** One collection when all is well, and one with a reason for not being ready: some fields move in one of them only. */
const situations = [fullReadings, literal];

/** The same collection with another value in every point of one instrument, however a report adds them up. */
function moved(readings: LiteralReadings, name: string): LiteralReadings {
  const given = readings[name];
  if (typeof given === 'number') return { ...readings, [name]: given * 3 + 1 };
  assert.ok(Array.isArray(given), name);
  const values = given.map(([, value]) => value as number);
  // Of states one at most holds: it passes from one point to the next, or to the first.
  const isState = name === 'tidegauge.bus.state' || name === 'tidegauge.ready';
  const holds = (values.indexOf(1) + 1) % values.length;
  return {
    ...readings,
    [name]: given.map(([attributes], index) => [
      attributes,
      isState ? Number(index === holds) : values[index]! * 3 + index + 1,
    ]),
  };
}

/** By document and key, the instruments that move it. */
function sourcesFound(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const readings of situations) {
    const before = documentsOf(readings);
    for (const name of Object.keys(readings)) {
      const after = documentsOf(moved(readings, name));
      for (const path of paths) {
        const leaves = leavesOf(after[path]);
        for (const [key, value] of leavesOf(before[path])) {
          if (JSON.stringify(leaves.get(key)) === JSON.stringify(value)) continue;
          const id = `${path} ${key}`;
          found.set(id, (found.get(id) ?? new Set()).add(name));
        }
      }
    }
  }
  return found;
}

test('every field comes from exactly the instruments that it is said to come from', () => {
  const found = sourcesFound();
  for (const path of paths) {
    for (const [key, { from }] of Object.entries<LegacyField>(legacyDocuments[path])) {
      const id = `${path} ${key}`;
      const declared = typeof from === 'string' ? [] : [...from];
      assert.deepEqual([...(found.get(id) ?? [])].sort(), declared.sort(), id);
    }
  }
});

test('every field is explained in sentences that fit into a table', () => {
  for (const fields of Object.values<LegacyFields>(legacyDocuments)) {
    for (const [key, { shows, original }] of Object.entries(fields)) {
      for (const text of [shows, original]) assert.match(text, /^[^|\n]{5,}\.$/, key);
    }
  }
});
