import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corsHeaders, preflightHeaders } from '../../../src/http/cors.ts';

const isAllowed = (origin: string) => origin === 'http://localhost:5173';

test('an allowed origin is named back', () => {
  assert.deepEqual(corsHeaders('http://localhost:5173', isAllowed), {
    vary: 'Origin',
    'access-control-allow-origin': 'http://localhost:5173',
  });
});

test('without an allowed origin there is nothing but the sign for caches', () => {
  for (const origin of [undefined, 'https://evil.example', 'null', '*']) {
    assert.deepEqual(corsHeaders(origin, isAllowed), { vary: 'Origin' });
  }
});

test('a preflight of an allowed origin learns methods and headers', () => {
  const request = { origin: 'http://localhost:5173', requestMethod: 'POST' };
  assert.deepEqual(preflightHeaders(request, ['OPTIONS', 'POST'], isAllowed), {
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    'access-control-allow-methods': 'OPTIONS, POST',
    'access-control-allow-headers': 'Authorization, Content-Type, Nats-Msg-Id',
    'access-control-max-age': '600',
  });
});

test('a preflight of another origin, and an OPTIONS that is none, learn nothing', () => {
  const evil = { origin: 'https://evil.example', requestMethod: 'POST' };
  assert.deepEqual(Object.keys(preflightHeaders(evil, ['POST'], isAllowed)), ['vary']);
  const plain = { origin: undefined, requestMethod: 'POST' };
  assert.deepEqual(Object.keys(preflightHeaders(plain, ['POST'], isAllowed)), ['vary']);
  const noMethod = { origin: 'http://localhost:5173', requestMethod: undefined };
  assert.deepEqual(Object.keys(preflightHeaders(noMethod, ['POST'], isAllowed)), ['vary']);
});
