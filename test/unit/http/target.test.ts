import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originForm } from '../../../src/http/target.ts';

test('a path is left as it is', () => {
  for (const target of [
    '/',
    '//',
    '/stats',
    '/stats?',
    '/stats?limit=1',
    '/publish/a%2Fb',
    '/%E2%82%AC',
    '/a/../b',
    '/|^{}',
  ]) {
    assert.equal(originForm(target), target);
  }
});

test('the absolute form loses its scheme and host', () => {
  assert.equal(originForm('http://example.com/stats?limit=1'), '/stats?limit=1');
  assert.equal(originForm('HTTPS://example.com'), '/');
  assert.equal(originForm('http://[::1]:80/stats'), '/stats');
});

test('anything else is refused', () => {
  const targets = [
    '',
    '*',
    '%',
    'stats',
    'http://[::1',
    'http://',
    'ftp://a/b',
    'javascript:alert(1)',
    'a:b',
    '\\\\host\\share',
  ];
  for (const target of targets)
    assert.throws(() => originForm(target), { status: 400, code: 'bad_target' }, target);
});

test('what does not decode, or is not ASCII, is refused', () => {
  const targets = [
    '/%',
    '/%4',
    '/%zz',
    '/a?x=%',
    '/%ff',
    '/%c0%ae',
    '/%ed%a0%80',
    '/\u00e9',
    '/a#b',
    '/a b',
    '/\u0000',
  ];
  for (const target of targets)
    assert.throws(() => originForm(target), { status: 400, code: 'bad_target' }, target);
});
