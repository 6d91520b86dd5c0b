/** The table against a Map of the language. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TextTable } from '../../../src/bus/text-table.ts';

/** Few keys, so that the same ones come and go; any text, so that they are of all lengths and scripts. */
const key = fc.oneof(
  fc.integer({ min: 0, max: 60 }).map(String),
  fc.string({ unit: 'binary', maxLength: 3 }),
  fc.constantFrom('', 'a', 'aa', 'é', '語'),
);
const steps = fc.array(fc.record({ isSet: fc.boolean(), key, value: fc.nat() }), { maxLength: 300 });

function contents(table: TextTable<number>): number[] {
  const values: number[] = [];
  table.forEach((value) => {
    values.push(value);
  });
  return values.sort();
}

describe('TextTable', () => {
  it('holds what a Map holds, after any settings and deletions', () => {
    fc.assert(
      fc.property(steps, fc.array(key), (list, asked) => {
        const table = new TextTable<number>();
        const model = new Map<string, number>();
        for (const { isSet, key, value } of list) {
          if (isSet) {
            table.set(key, value);
            model.set(key, value);
          } else {
            assert.equal(table.delete(key), model.delete(key));
          }
          assert.equal(table.size, model.size);
        }
        for (const one of [...asked, ...list.map(({ key }) => key)])
          assert.equal(table.get(one), model.get(one));
        assert.deepEqual(contents(table), [...model.values()].sort());
      }),
      { numRuns: 500 },
    );
  });

  it('finds a key that is a part of a longer text', () => {
    fc.assert(
      fc.property(key, key, key, (before, one, behind) => {
        const table = new TextTable<string>();
        table.set(one, 'found');
        const text = before + one + behind;
        assert.equal(table.get(text, before.length, before.length + one.length), 'found');
        const longer = behind === '' ? undefined : table.get(text, before.length);
        assert.equal(longer, undefined);
      }),
      { numRuns: 500 },
    );
  });

  it('tells keys of the same hash apart', () => {
    // Among so many keys some ten pairs share all 32 bits, whatever the numbers of this process are.
    const count = 300_000;
    const table = new TextTable<number>();
    for (let number = 0; number < count; number += 1) table.set(`public.instrument.${number}`, number);
    assert.equal(table.size, count);
    for (let number = 0; number < count; number += 1)
      if (table.get(`public.instrument.${number}`) !== number) assert.fail(`key ${number}`);
    assert.equal(table.get(`public.instrument.${count}`), undefined);
  });

  it('forgets keys that have gone', () => {
    const table = new TextTable<number>();
    for (let number = 0; number < 100_000; number += 1) table.set(`gone.${number}`, number);
    for (let number = 0; number < 100_000; number += 1) table.delete(`gone.${number}`);
    table.set('left', 1);
    let visited = 0;
    table.forEach(() => {
      visited += 1;
    });
    assert.equal(visited, 1);
    assert.equal(table.get('gone.7'), undefined);
  });

  it('visits what is still there when its turn comes, though many others go and come meanwhile', () => {
    const table = new TextTable<number>();
    for (let number = 0; number < 1_000; number += 1) table.set(String(number), number);
    const seen: number[] = [];
    table.forEach((value) => {
      seen.push(value);
      if (value !== 0) return;
      for (let number = 1; number < 1_000; number += 2) table.delete(String(number));
      for (let number = 1_000; number < 3_000; number += 1) table.set(String(number), number);
      for (let number = 1_000; number < 3_000; number += 1) table.delete(String(number));
    });
    const even = Array.from({ length: 500 }, (_, index) => 2 * index);
    assert.deepEqual(seen, even);
    assert.equal(table.size, 500);
  });
});
