/**
 * The algebra of subjects against a model that knows nothing of tokens: the set of all subjects over a small
 * alphabet, enumerated. The alphabet has one letter more, and the subjects one token more, than the patterns have,
 * so that a wildcard is never the same as the sum of the literals it could stand for.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  covers,
  intersection,
  isAllowed,
  isLiteral,
  isPattern,
  isSubject,
  matches,
  narrow,
  overlaps,
  subjectLengthMax,
  subjectTokensMax,
} from '../../../src/bus/subjects.ts';

const letters = ['a', 'b', 'c'];
const tokensMax = 4;

function allSubjects(): string[] {
  let longest: string[] = letters;
  const all = [...longest];
  for (let length = 2; length <= tokensMax; length += 1) {
    longest = longest.flatMap((subject) => letters.map((letter) => `${subject}.${letter}`));
    all.push(...longest);
  }
  return all;
}
const subjects = allSubjects();

/** An independent statement of the rule, by regular expression. */
function matchedBy(pattern: string): Set<string> {
  const source = pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace('>', '.+');
  const expression = new RegExp(`^${source}$`);
  return new Set(subjects.filter((subject) => expression.test(subject)));
}

const isSubsetOf = (one: Set<string>, other: Set<string>): boolean => one.isSubsetOf(other);

const pattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 0, maxLength: 3 }), fc.boolean())
  .filter(([tokens, hasRest]) => tokens.length + Number(hasRest) > 0)
  .map(([tokens, hasRest]) => [...tokens.slice(0, hasRest ? 2 : 3), ...(hasRest ? ['>'] : [])].join('.'));
const patterns = fc.array(pattern, { maxLength: 4 });
const runs = { numRuns: 2_000 };

describe('the grammar of subjects', () => {
  const literals = [
    'a',
    'a.b',
    'odin.token.BTC.price',
    '$SYS',
    '_INBOX.x',
    'ä.漢字.😀',
    'a-b_c/d:e',
    'A'.repeat(256),
  ];
  const withWildcards = ['*', '>', 'a.*', '*.b', 'a.>', '*.*.>', 'a.*.c'];
  const neither = [
    ...['', '.', 'a.', '.a', 'a..b', 'a.>.b', '>.a', 'a*', '*a', 'a.b*', 'a>', 'a.b>', '**', '>>', 'a.**'],
    ...[
      'a b',
      ' a',
      'a ',
      'a\tb',
      'a\r\nPUB x 0',
      'a\n',
      'a\0',
      '\u007f',
      'a\u0085b',
      'a\u00a0b',
      'a\u2028b',
    ],
    ...['a\u200bb', 'a\u202eb', 'a\ufeffb', 'a.\ud800', '\udc00.b', 'a\u3000b'],
    'A'.repeat(subjectLengthMax + 1),
    Array(subjectTokensMax + 1)
      .fill('a')
      .join('.'),
  ];

  it('takes literals as subjects and as patterns', () => {
    for (const text of literals)
      assert.deepEqual([isSubject(text), isPattern(text), isLiteral(text)], [true, true, true], text);
  });

  it('takes wildcards in patterns only', () => {
    for (const text of withWildcards) {
      assert.deepEqual([isSubject(text), isPattern(text), isLiteral(text)], [false, true, false], text);
    }
  });

  it('refuses empty tokens, partial wildcards, blanks, control and invisible characters, half surrogates', () => {
    for (const text of neither) {
      assert.deepEqual([isSubject(text), isPattern(text)], [false, false], JSON.stringify(text));
    }
  });

  it('takes as many tokens as it says', () => {
    const longest = Array(subjectTokensMax).fill('a');
    assert.equal(isSubject(longest.join('.')), true);
    assert.equal(isPattern([...longest.slice(1), '>'].join('.')), true);
    assert.equal(isPattern([...longest, '>'].join('.')), false);
  });

  it('judges any text at all without an exception, and quickly', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        if (isSubject(text)) assert.equal(isPattern(text), true);
        if (isPattern(text)) assert.doesNotMatch(text, /[\s\p{Cc}]/u);
      }),
      runs,
    );
    const startMs = performance.now();
    for (let i = 0; i < 200; i += 1) isPattern(`${'a.'.repeat(127)}..`);
    assert.ok(performance.now() - startMs < 400);
  });
});

describe('the algebra of patterns', () => {
  it('matches what the rule says', () => {
    fc.assert(
      fc.property(pattern, (one) => {
        const matched = matchedBy(one);
        for (const subject of subjects) assert.equal(matches(one, subject), matched.has(subject), subject);
      }),
      { numRuns: 300 },
    );
  });

  it('says that one pattern covers another when its subjects include the other’s', () => {
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        assert.equal(covers(one, other), isSubsetOf(matchedBy(other), matchedBy(one)));
      }),
      runs,
    );
  });

  it('intersects two patterns into the one of the subjects that both match', () => {
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const common = intersection(one, other);
        const expected = matchedBy(one).intersection(matchedBy(other));
        assert.deepEqual(common === undefined ? new Set() : matchedBy(common), expected);
        assert.equal(overlaps(one, other), expected.size > 0);
        if (common !== undefined) assert.equal(isPattern(common), true);
      }),
      runs,
    );
  });

  it('allows a channel that lies within one allowed pattern', () => {
    fc.assert(
      fc.property(pattern, patterns, (channel, allowed) => {
        const expected = allowed.some((one) => isSubsetOf(matchedBy(channel), matchedBy(one)));
        assert.equal(isAllowed(channel, allowed), expected);
      }),
      runs,
    );
    assert.equal(isAllowed('$SYS.>', ['public.>']), false);
    assert.equal(isAllowed('>', ['public.>', 'odin.>']), false);
    assert.equal(isAllowed('public', ['public.>']), false);
  });

  it('narrows patterns to the allowed ones: the same subjects, and no pattern within another', () => {
    fc.assert(
      fc.property(patterns, patterns, (wanted, allowed) => {
        const union = (some: string[]): Set<string> => new Set(some.flatMap((one) => [...matchedBy(one)]));
        const narrowed = narrow(wanted, allowed);
        assert.deepEqual(union(narrowed), union(wanted).intersection(union(allowed)));
        for (const one of narrowed) {
          for (const other of narrowed) assert.equal(covers(one, other), one === other, `${one} ${other}`);
        }
      }),
      runs,
    );
    assert.deepEqual(narrow(['public.>'], ['public.>']), ['public.>']);
    assert.deepEqual(narrow(['>'], ['a.*', 'a.b', 'c']), ['a.*', 'c']);
    assert.deepEqual(narrow(['a.>', 'b'], ['*.x']), ['a.x']);
    assert.deepEqual(narrow(['a'], []), []);
  });
});
