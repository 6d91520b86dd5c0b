/**
 * The documents against the original's examples, which are data here: every key of an example is in our
 * document with its type. More keys are welcome, fewer or other ones break a client.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { enhanced } from '../../src/reports/enhanced.ts';
import { health } from '../../src/reports/health.ts';
import { stats } from '../../src/reports/stats.ts';
import { system } from '../../src/reports/system.ts';
import { pageOf, rowWith } from '../support/connection-rows.ts';
import { fullReadings, readingsOf } from '../support/readings.ts';
import { shapeFaults } from '../support/shape.ts';

for (const [kind, readings] of [
  ['a full', readingsOf(fullReadings)],
  ['an empty', readingsOf({})],
] as const) {
  const documents = {
    stats: stats(readings),
    enhanced: enhanced(readings, pageOf([rowWith()]), 8),
    system: system(readings, 8),
    health: health(readings),
  };
  for (const [name, document] of Object.entries(documents)) {
    test(`${name} has every key of the example with its type, from ${kind} collection`, () => {
      const example: unknown = JSON.parse(
        readFileSync(new URL(`contract/${name}.json`, import.meta.url), 'utf8'),
      );
      // Through JSON and back: what a client gets.
      assert.deepEqual(shapeFaults(example, JSON.parse(JSON.stringify(document))), []);
    });
  }
}

test('the comparison sees a missing key, another type, and a fault inside an array', () => {
  const example = { a: 1, b: [{ c: 'x' }], d: { e: true } };
  assert.deepEqual(shapeFaults(example, { a: 2, b: [], d: { e: false }, more: 1 }), []);
  assert.deepEqual(shapeFaults(example, { a: '2', b: [{ c: 'x' }, {}], d: [] }), [
    '$.a should be number, and is string',
    '$.b[1].c should be string, and is undefined',
    '$.d should be object, and is array',
  ]);
});
