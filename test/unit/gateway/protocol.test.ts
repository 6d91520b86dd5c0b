import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messageErrors, parseClientMessage } from '../../../src/gateway/protocol.ts';

const parse = (message: unknown) => parseClientMessage(JSON.stringify(message));

test('the four messages are understood', () => {
  assert.deepEqual(parse({ type: 'ping', timestamp: 5 }), { message: { type: 'ping', timestamp: 5 } });
  assert.deepEqual(parse({ type: 'ping' }), { message: { type: 'ping', timestamp: null } });
  assert.deepEqual(parse({ type: 'heartbeat', extra: 1 }), { message: { type: 'heartbeat' } });
  assert.deepEqual(parse({ type: 'subscribe', channels: ['a'] }), {
    message: { type: 'subscribe', channels: ['a'] },
  });
  assert.deepEqual(parse({ type: 'unsubscribe', channels: ['a', 'b'] }), {
    message: { type: 'unsubscribe', channels: ['a', 'b'] },
  });
});

test('each fault is named', () => {
  const errorOf = (text: string): string | undefined => {
    const parsed = parseClientMessage(text);
    return 'error' in parsed ? parsed.error : undefined;
  };
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '1',
    '"ping"',
    '{"type":"subscribe"}',
    '{"type":"subscribe","channels":[]}',
  ]) {
    assert.equal(errorOf(text), 'malformed', text);
  }
  assert.equal(errorOf('{"type":"subscribe","channels":[1]}'), 'malformed');
  assert.equal(errorOf('{"type":"ping","timestamp":{"a":[]}}'), 'malformed');
  for (const text of ['{}', '{"type":"toString"}', '{"type":1}', '{"__proto__":{"type":"ping"}}']) {
    assert.equal(errorOf(text), 'unknown_type', text);
  }
});

test('no text makes it throw', () => {
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({ type: fc.constantFrom('ping', 'subscribe'), channels: fc.anything() })
      .map((one) => JSON.stringify(one)),
  );
  fc.assert(
    fc.property(anything, (text) => {
      const parsed = parseClientMessage(text ?? '');
      assert.ok('message' in parsed || messageErrors.includes(parsed.error));
    }),
  );
});
