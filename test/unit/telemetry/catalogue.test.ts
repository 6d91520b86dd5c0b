/** The catalogue's own form: what a person or Prometheus may rely on for every name in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { type Instrument, instruments, scopes } from '../../../src/telemetry/catalogue.ts';
import { labelName, seriesName } from '../../../src/telemetry/metric-names.ts';

/** Fails with the names of all instruments for which something does not hold. */
function assertForAll(what: string, holds: (instrument: Instrument) => boolean): void {
  assert.ok(instruments.length > 100, 'the catalogue is there');
  assert.deepEqual(
    instruments.filter((one) => !holds(one)).map(({ name }) => name),
    [],
    what,
  );
}

const conventionalMetrics = new Set<unknown>(
  Object.entries(conventions).flatMap(([constant, value]) => (constant.startsWith('METRIC_') ? [value] : [])),
);
const conventionalAttributes = new Set<unknown>(
  Object.entries(conventions).flatMap(([constant, value]) => (constant.startsWith('ATTR_') ? [value] : [])),
);

test('every name is declared once, in one scope', () => {
  assert.equal(new Set(instruments.map(({ name }) => name)).size, instruments.length);
  assert.deepEqual(new Set(instruments.map(({ scope }) => scope)), new Set(scopes));
});

test('a name is of the semantic conventions, unaltered, or begins with tidegauge', () => {
  assertForAll('name and stability', ({ name, stability }) =>
    stability === 'ours'
      ? name.startsWith('tidegauge.') && !conventionalMetrics.has(name)
      : conventionalMetrics.has(name),
  );
});

test('an attribute is of the semantic conventions, or begins with tidegauge', () => {
  assertForAll('attributes', ({ attributes = [] }) =>
    attributes.every(([name]) => name.startsWith('tidegauge.') || conventionalAttributes.has(name)),
  );
});

test('no unit and no total is in a name', () => {
  assertForAll('words', ({ name }) => !/\b(?:bytes|seconds|milliseconds|ratio|percent|total)\b/.test(name));
});

test('no two instruments become the same family of series, nor one the suffix of another', () => {
  const families = instruments.map(({ name, unit, kind }) => ({
    kind,
    series: seriesName(name, unit, kind),
  }));
  const taken = families.flatMap(({ kind, series }) =>
    kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => series + suffix) : [series],
  );
  assert.equal(new Set(taken).size, taken.length);
});

test('no two attributes of an instrument become the same label', () => {
  assertForAll('labels', ({ attributes = [], implied }) => {
    const labels = [...attributes.map(([name]) => name), ...(implied ? [implied[0]] : [])].map(labelName);
    return new Set(labels).size === labels.length;
  });
});

test('values of attributes are few, distinct, and words', () => {
  assertForAll('values', ({ attributes = [] }) =>
    attributes.every(([, values]) => {
      if ('upTo' in values) return values.upTo <= 64;
      return new Set(values).size === values.length && values.every((value) => /^[\w.]+$/.test(value));
    }),
  );
});

test('only histograms have boundaries and open sets, and boundaries rise', () => {
  assertForAll('boundaries', ({ kind, boundaries, attributes = [] }) => {
    if (kind !== 'histogram')
      return boundaries === undefined && attributes.every(([, set]) => !('upTo' in set));
    return boundaries?.every((one, index) => index === 0 || one > boundaries[index - 1]!) === true;
  });
});

test('every figure is explained in whole sentences and answers a question', () => {
  assertForAll(
    'documentation',
    ({ counts, not, source, question }) =>
      /^[A-Z0-9].+\.$/s.test(counts) &&
      /^[A-Z0-9].+\.$/s.test(not) &&
      source.length > 4 &&
      question.includes('?'),
  );
});
