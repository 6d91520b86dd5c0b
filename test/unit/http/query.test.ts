import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError } from '../../../src/http/errors.ts';
import { flag, integer, parseQuery } from '../../../src/http/query.ts';

const declared = { limit: integer(1, 1000, 100), summary: flag() };

function fault(querystring: string): { code: string; message: string } {
  try {
    parseQuery(querystring, declared);
  } catch (error) {
    assert.ok(error instanceof HttpError);
    assert.equal(error.status, 400);
    return error;
  }
  throw new Error(`${querystring} was accepted`);
}

test('what is not given has its default', () => {
  for (const querystring of ['', '&', '&&']) {
    assert.deepEqual(parseQuery(querystring, declared), { limit: 100, summary: false });
  }
});

test('good values are taken', () => {
  assert.deepEqual(parseQuery('limit=1&summary=1', declared), { limit: 1, summary: true });
  assert.deepEqual(parseQuery('summary=0&limit=1000', declared), { limit: 1000, summary: false });
  assert.deepEqual(parseQuery('%6cimit=2%30', declared), { limit: 20, summary: false });
});

test('a bad value is named, with what it must be', () => {
  for (const value of [
    '',
    '0',
    '1001',
    '-1',
    '1.5',
    '1e2',
    '0x10',
    ' 5',
    'many',
    '9999999999999999999',
    '١',
  ]) {
    const { code, message } = fault(`limit=${encodeURIComponent(value)}`);
    assert.equal(code, 'bad_parameter');
    assert.ok(message.includes(`"limit" cannot be ${JSON.stringify(value)}`), message);
    assert.ok(message.includes('a whole number from 1 to 1000'), message);
  }
  for (const value of ['', 'true', '2', 'yes'])
    assert.match(fault(`summary=${value}`).message, /it must be 1 or 0/);
});

test('an unknown parameter is named, with those that there are', () => {
  for (const name of ['limits', 'LIMIT', '__proto__', 'constructor', 'toString', 'limit[]', '']) {
    const { code, message } = fault(`${encodeURIComponent(name)}=1`);
    assert.equal(code, 'unknown_parameter');
    assert.ok(message.includes(JSON.stringify(name)), message);
    assert.ok(message.includes('limit, summary'), message);
  }
});

test('a path without parameters says so', () => {
  assert.throws(() => parseQuery('a=1', {}), {
    message: 'Query parameter "a" is not known; this path takes none.',
  });
});

test('a repeated parameter is refused, even with the same value', () => {
  assert.equal(fault('limit=1&limit=1').code, 'repeated_parameter');
  assert.match(fault('limit=1&limit=2').message, /"limit" is given more than once/);
});

test('the answer stays small, whatever was sent', () => {
  assert.ok(fault(`${'x'.repeat(5000)}=1`).message.length < 200);
  assert.ok(fault(`limit=${'9'.repeat(5000)}`).message.length < 250);
});
