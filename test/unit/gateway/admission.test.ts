import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  connectionLimit,
  createOriginRule,
  crowdedAtConnections,
  rejectionOf,
} from '../../../src/gateway/admission.ts';

const free = { isRefusing: false, active: 0, limit: 10, isAddressFull: false, isOverloaded: false };
const headers = {
  host: 'gateway.example',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
const request = { method: 'GET', url: '/ws', headers };
const anyOrigin = (): boolean => true;

test('a well-formed handshake is admitted, with a query or without', () => {
  assert.equal(rejectionOf(request, anyOrigin, free), undefined);
  for (const url of ['/ws?token=x', 'http://gateway.example/ws', 'HTTPS://gateway.example:1/ws?token=x']) {
    assert.equal(rejectionOf({ ...request, url }, anyOrigin, free), undefined, url);
  }
});

test('each fault has its reason', () => {
  const reasonOf = (change: object, state = free, rule = anyOrigin) =>
    rejectionOf({ ...request, ...change }, rule, state);
  for (const url of ['/other', undefined, 'http://gateway.example', 'http://ws', '/ws/', '//ws', 'ws', '*']) {
    assert.equal(reasonOf({ url }), 'not_found', `${url}`);
  }
  assert.equal(reasonOf({ method: 'POST' }), 'bad_request');
  assert.equal(reasonOf({ headers: { ...headers, 'sec-websocket-version': '8' } }), 'unsupported_version');
  assert.equal(reasonOf({ headers: { ...headers, host: undefined } }), 'bad_request');
  assert.equal(reasonOf({ headers: { ...headers, 'sec-websocket-key': undefined } }), 'bad_request');
  assert.equal(reasonOf({ headers: { ...headers, 'sec-websocket-key': 'short' } }), 'bad_request');
  assert.equal(
    reasonOf({ headers: { ...headers, origin: 'https://evil.example' } }, free, () => false),
    'forbidden_origin',
  );
  assert.equal(reasonOf({}, { ...free, isRefusing: true }), 'draining');
  assert.equal(reasonOf({}, { ...free, active: 10 }), 'capacity');
  assert.equal(reasonOf({}, { ...free, isAddressFull: true }), 'rate_limited');
  assert.equal(reasonOf({}, { ...free, isOverloaded: true }), 'overloaded');
});

describe('the Origin rule', () => {
  test('without a list, on loopback, admits loopback pages on any port and nobody else', () => {
    const allows = createOriginRule(undefined, true);
    for (const origin of [
      'http://localhost:5173',
      'http://127.0.0.1',
      'https://[::1]:8443',
      'http://app.localhost',
    ]) {
      assert.ok(allows(origin, '127.0.0.1:3002'), origin);
    }
    for (const origin of [
      'null',
      '',
      'https://example.com',
      'http://localhost.evil.com',
      'http://127.0.0.1.evil.com',
      'file://',
    ]) {
      assert.ok(!allows(origin, '127.0.0.1:3002'), origin);
    }
  });

  test('without a list, elsewhere, admits the same host and port only', () => {
    const allows = createOriginRule(undefined, false);
    assert.ok(allows('https://gate.example', 'gate.example'));
    assert.ok(allows('https://gate.example', 'GATE.example:443'));
    assert.ok(allows('http://gate.example:8080', 'gate.example:8080'));
    assert.ok(!allows('https://gate.example:8080', 'gate.example'));
    assert.ok(!allows('https://other.example', 'gate.example'));
    assert.ok(!allows('https://gate.example', undefined));
    assert.ok(!allows('http://localhost', 'gate.example'));
  });

  test('with a list admits what is on it, a port * standing for any', () => {
    const allows = createOriginRule(['https://app.example:443', 'http://dev.example:*'], true);
    assert.ok(allows('https://app.example', 'x'));
    assert.ok(allows('http://dev.example:1234', 'x'));
    assert.ok(allows('http://dev.example', 'x'));
    for (const origin of [
      'http://app.example',
      'https://app.example:8443',
      'https://dev.example:1',
      'http://localhost',
      'null',
      'https://app.example/x',
    ]) {
      assert.ok(!allows(origin, 'x'), origin);
    }
  });
});

test('the limit in force is the setting, or what descriptors allow less a reserve', () => {
  assert.equal(connectionLimit(50_000, undefined), 50_000);
  assert.equal(connectionLimit(50_000, 1_000_000), 50_000);
  assert.equal(connectionLimit(50_000, 20_000), 19_744);
  assert.equal(connectionLimit(50_000, 128), 1);
  assert.throws(() => connectionLimit(50_000, 127), /is 127: a gateway needs 128 at least.*ulimit -n/);
  assert.deepEqual([undefined, 20_000, 400, 128].map(crowdedAtConnections), [undefined, 19_840, 240, 64]);
});
