/** Texts that many send alike are one string in memory, and a long one does not stay for its beginning. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SharedTexts } from '../../../src/gateway/shared-texts.ts';

/** A string of its own in memory, as the parser of requests makes one for each header. */
const textOf = (letter: string, length: number): string => Buffer.alloc(length, letter).toString('latin1');

function heapBytesOf(make: () => unknown): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  const before = process.memoryUsage().heapUsed;
  const kept = make();
  collect();
  const bytes = process.memoryUsage().heapUsed - before;
  assert.ok(kept);
  return bytes;
}

test('no text stays none, and each is what it was, up to 256 letters', () => {
  const texts = new SharedTexts();
  assert.equal(texts.take(undefined), undefined);
  for (const text of ['', 'a client/1.0', textOf('x', 256)]) assert.equal(texts.take(text), text);
  assert.equal(texts.take(`${textOf('\xe9', 255)}ab`), `${textOf('\xe9', 255)}a`);
});

test('ten thousand alike take the place of one, also where a thousand others came between', () => {
  const texts = new SharedTexts();
  const bytes = heapBytesOf(() =>
    Array.from({ length: 10_000 }, (_, index) => {
      if (index === 5_000) for (let other = 0; other < 1_000; other += 1) texts.take(`client/${other}`);
      return texts.take(textOf('x', 200));
    }),
  );
  assert.ok(bytes < 400_000, `${bytes} bytes`);
});

test('of a long text nothing is held but what is kept', () => {
  const texts = new SharedTexts();
  const bytes = heapBytesOf(() =>
    Array.from({ length: 500 }, (_, index) => texts.take(`${index} ${textOf('x', 10_000)}`)),
  );
  assert.ok(bytes < 1_000_000, `${bytes} bytes`);
});
