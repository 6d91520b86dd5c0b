/** The index and the tree beneath it, against a linear search with the pure functions on subjects. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PatternTree } from '../../../src/bus/pattern-tree.ts';
import { SubjectIndex } from '../../../src/bus/subject-index.ts';
import { covers, matches, overlaps } from '../../../src/bus/subjects.ts';
import { propertyRuns } from '../../support/property-runs.ts';

const token = fc.constantFrom('a', 'b', 'cc', '*');
const pattern = fc
  .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, hasRest]) => (hasRest ? [...tokens.slice(1), '>'] : tokens).join('.'));
const subject = fc
  .array(fc.constantFrom('a', 'b', 'cc', 'd'), { minLength: 1, maxLength: 5 })
  .map((tokens) => tokens.join('.'));
/** Additions and removals in any order, the same pair more than once. */
const changes = fc.array(fc.record({ isAdd: fc.boolean(), pattern, value: fc.integer({ min: 0, max: 4 }) }), {
  maxLength: 30,
});
const runs = propertyRuns(1_000);

type Pairs = {
  add(pattern: string, value: number): boolean;
  remove(pattern: string, value: number): boolean;
};
type Change = { isAdd: boolean; pattern: string; value: number };

/** Makes the changes on both sides and compares each answer. Returns what must be in there. */
function replay(target: Pairs, list: Change[]): { pattern: string; value: number }[] {
  const model = new Map<string, { pattern: string; value: number }>();
  for (const { isAdd, pattern, value } of list) {
    const key = `${pattern} ${value}`;
    if (isAdd) {
      assert.equal(target.add(pattern, value), !model.has(key));
      model.set(key, { pattern, value });
    } else {
      assert.equal(target.remove(pattern, value), model.delete(key));
    }
  }
  return [...model.values()];
}

function visited(query: (visit: (value: number) => void) => void): number[] {
  const values: number[] = [];
  query((value) => values.push(value));
  return values.sort();
}

describe('SubjectIndex', () => {
  it('finds what a linear search finds, after any additions and removals', () => {
    fc.assert(
      fc.property(changes, fc.array(subject, { minLength: 1, maxLength: 5 }), (list, subjects) => {
        const index = new SubjectIndex<number>();
        const pairs = replay(index, list);
        assert.equal(index.entries, pairs.length);
        for (const one of subjects) {
          const expected = pairs.filter(({ pattern }) => matches(pattern, one)).map(({ value }) => value);
          assert.deepEqual(
            visited((visit) => index.match(one, visit)),
            expected.sort(),
          );
        }
      }),
      runs,
    );
  });

  for (const removed of [['second'], ['second', 'third'], ['first', 'second', 'third']]) {
    it(`does not visit a value that was removed during the visit, of three: ${removed}`, () => {
      const index = new SubjectIndex<string>();
      const all = ['first', 'second', 'third'];
      for (const one of all) index.add('a.b', one);
      index.add('a.*', 'by another pattern');
      const seen: string[] = [];
      index.match('a.b', (value) => {
        seen.push(value);
        for (const one of removed) index.remove('a.b', one);
        index.remove('a.*', 'by another pattern');
      });
      assert.deepEqual(seen, ['first', ...all.slice(1).filter((one) => !removed.includes(one))]);
      assert.equal(index.entries, all.length - removed.length);
    });
  }

  it('keeps a value that is itself a set apart from several values', () => {
    const index = new SubjectIndex<Set<string>>();
    const [one, other] = [new Set(['x']), new Set(['y', 'z'])];
    index.add('a', one);
    assert.equal(index.remove('a', other), false);
    index.add('a', other);
    const seen: Set<string>[] = [];
    index.match('a', (value) => seen.push(value));
    assert.deepEqual(seen, [one, other]);
  });
});

describe('PatternTree', () => {
  const relations = {
    match: (one: string, other: string) => matches(one, other),
    covering: (one: string, other: string) => covers(one, other),
    covered: (one: string, other: string) => covers(other, one),
    overlapping: (one: string, other: string) => overlaps(one, other),
  };
  for (const [name, holds] of Object.entries(relations)) {
    it(`${name} finds what a linear search finds`, () => {
      fc.assert(
        fc.property(changes, name === 'match' ? subject : pattern, (list, asked) => {
          const tree = new PatternTree<number>();
          const pairs = replay(tree, list);
          const expected = pairs.filter(({ pattern }) => holds(pattern, asked)).map(({ value }) => value);
          const found = visited((visit) => tree[name as keyof typeof relations](asked, visit));
          assert.deepEqual(found, expected.sort());
        }),
        runs,
      );
    });
  }
});
