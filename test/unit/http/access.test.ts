/** The matrix of who may act without a token, and the check of the token. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOriginRule, isLoopbackName } from '../../../src/gateway/admission.ts';
import { actionRefusals, checkToken, refusalOfAction } from '../../../src/http/access.ts';

const rule = createOriginRule(['http://localhost:*', 'https://app.example.com'], false);
const rules = { isAllowedOrigin: (origin: string) => rule(origin, undefined), isLoopback: isLoopbackName };
const host = '127.0.0.1:3002';

function refusal(headers: Record<string, string>, remoteAddress: string | undefined = '127.0.0.1') {
  return refusalOfAction({ remoteAddress, headers: { host, ...headers } }, rules);
}

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const text = { 'content-type': 'text/plain;charset=UTF-8' };
const bytes = { 'content-type': 'application/octet-stream' };
const own = { origin: `http://${host}` };
const allowed = { origin: 'http://localhost:5173' };
const evil = { origin: 'https://evil.example' };

test('a program on this machine may act, whatever content type it sends', () => {
  for (const headers of [{}, form, text, bytes, { 'content-type': 'multipart/form-data; boundary=x' }]) {
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '::FFFF:127.0.0.1']) {
      assert.equal(refusal(headers, address), undefined, JSON.stringify({ headers, address }));
    }
  }
});

test('nobody may act from elsewhere, or through a proxy that runs here', () => {
  for (const address of [
    '10.0.0.1',
    '192.168.1.5',
    '::ffff:10.0.0.1',
    'fe80::1',
    '2001:db8::1',
    '128.0.0.1',
    // From where a side car of a service mesh delivers.
    '127.0.0.6',
  ]) {
    assert.equal(refusal(own, address), 'not_loopback', address);
  }
  assert.equal(refusalOfAction({ remoteAddress: undefined, headers: {} }, rules), 'not_loopback');
  for (const name of [
    ...['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'],
    ...['x-forwarded-proto', 'x-forwarded-client-cert', 'x-envoy-external-address'],
  ]) {
    assert.equal(refusal({ [name]: '127.0.0.1' }), 'not_loopback', name);
  }
});

test('our own page may act, with any content type', () => {
  for (const type of [{}, form, text, bytes]) {
    assert.equal(
      refusal({ ...own, ...type, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }),
      undefined,
    );
  }
  assert.equal(refusal({ host: 'localhost:3002', origin: 'http://localhost:3002', ...form }), undefined);
  assert.equal(refusal({ host: '[::1]:3002', origin: 'http://[::1]:3002', ...form }), undefined);
});

test('a script of an allowed origin may act', () => {
  for (const type of [{}, text, bytes, { 'content-type': 'application/json' }]) {
    assert.equal(refusal({ ...allowed, ...type }), undefined);
    assert.equal(
      refusal({ ...allowed, ...type, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }),
      undefined,
    );
  }
});

test('a page of another origin may not act, however it sends', () => {
  for (const type of [{}, form, text, bytes]) {
    for (const origin of [
      'https://evil.example',
      'null',
      'http://localhost.evil.example',
      'https://localhost:1',
      '',
      'file://',
    ]) {
      assert.equal(refusal({ origin, ...type }), 'forbidden_origin', origin);
    }
  }
});

test('a name that points at loopback does not make its pages our own', () => {
  assert.equal(
    refusal({ host: 'evil.example:3002', origin: 'http://evil.example:3002' }),
    'forbidden_origin',
  );
});

test('a form may not act, not even one of an allowed origin', () => {
  const navigation = { 'sec-fetch-mode': 'navigate' };
  assert.equal(refusal({ ...allowed, ...form }), 'form_post');
  assert.equal(refusal({ ...allowed, 'content-type': ' Multipart/Form-Data; boundary=x' }), 'form_post');
  for (const type of [form, text, bytes]) {
    assert.equal(refusal({ ...allowed, ...type, ...navigation }), 'form_post');
    assert.equal(refusal({ ...own, ...type, ...navigation }), 'form_post');
    assert.equal(refusal({ ...type, ...navigation, 'sec-fetch-site': 'none' }), 'form_post');
    assert.equal(refusal({ ...allowed, ...type, 'sec-fetch-mode': 'no-cors' }), 'form_post');
    assert.equal(refusal({ ...evil, ...type, ...navigation }), 'forbidden_origin');
  }
});

test('a browser that names a site but no origin may not act from another site', () => {
  assert.equal(refusal({ 'sec-fetch-site': 'cross-site' }), 'cross_site');
  assert.equal(refusal({ 'sec-fetch-site': 'same-site' }), 'cross_site');
  assert.equal(refusal({ 'sec-fetch-site': 'same-origin' }), undefined);
});

test('a browser so old that it sends a Referer but no Origin is judged by that', () => {
  assert.equal(refusal({ referer: 'https://evil.example/page' }), 'forbidden_origin');
  assert.equal(refusal({ referer: 'not a URL' }), 'forbidden_origin');
  for (const odd of ['a b', '[::1'])
    assert.equal(refusal({ host: odd, origin: `http://${odd}` }), 'forbidden_origin');
  assert.equal(refusal({ referer: 'http://localhost:5173/page', ...form }), 'form_post');
  assert.equal(refusal({ referer: `http://${host}/` }), undefined);
});

test('each refusal is produced above', () => {
  const produced = [
    refusal({}, '10.0.0.1'),
    refusal(evil),
    refusal({ 'sec-fetch-site': 'cross-site' }),
    refusal({ ...allowed, ...form }),
  ];
  assert.deepEqual(produced, [...actionRefusals]);
});

test('the token is right only as a whole, in a bearer header', () => {
  const token = 'a-good-token';
  assert.equal(checkToken(undefined, token), 'none');
  for (const header of [`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}  `]) {
    assert.equal(checkToken(header, token), 'right', header);
  }
  const wrong = [
    '',
    token,
    `Basic ${token}`,
    'Bearer',
    'Bearer ',
    `Bearer ${token}x`,
    'Bearer a-good',
    `Bearer ${token} x`,
    `Bearer\t${token}`,
  ];
  for (const header of wrong) assert.equal(checkToken(header, token), 'wrong', header);
});
