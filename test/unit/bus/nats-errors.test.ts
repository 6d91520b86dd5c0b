import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtocolHandler } from '@nats-io/transport-node';
import { Complaints, complaintsMax, disconnectCause, refusalOf } from '../../../src/bus/nats-errors.ts';

describe('errors of nats-server', () => {
  for (const [said, cause] of [
    ['Authorization Violation', 'authorization'],
    ['User Authentication Expired', 'authorization'],
    ['User Authentication Revoked', 'authorization'],
    ['Account Authentication Expired', 'authorization'],
    ['Stale Connection', 'stale'],
    ['Slow Consumer', 'other'],
    ['Maximum Payload Violation', 'other'],
    ['Maximum Control Line Exceeded', 'other'],
    ['Unknown Protocol Operation', 'other'],
    ['Maximum Subscriptions Exceeded', 'other'],
    ['Permissions Violation for Publish to "a"', undefined],
  ] as const) {
    it(`understands '${said}' as ${cause ?? 'no reason to close'}`, () => {
      assert.equal(disconnectCause(ProtocolHandler.toError(said)), cause);
    });
  }

  it('tells a refused subscription from a refused message, and for which want', () => {
    const refusals = [
      'Permissions Violation for Subscription to "a.>"',
      'Permissions Violation for Publish to "a"',
      'maximum subscriptions exceeded',
      'Maximum Payload Violation',
    ].map((said) => refusalOf(ProtocolHandler.toError(said)));
    assert.deepEqual(refusals, ['permission', undefined, 'limit', undefined]);
  });
});

describe('Complaints', () => {
  it('logs each once, until the next connection', () => {
    const logged: string[] = [];
    const complaints = new Complaints({
      warn: (details, message) => logged.push(`${message} ${JSON.stringify(details)}`),
    });
    for (const pattern of ['a', 'b', 'a']) complaints.add({ pattern }, 'refused');
    assert.deepEqual(logged, ['refused {"pattern":"a"}', 'refused {"pattern":"b"}']);
    complaints.clear();
    complaints.add({ pattern: 'a' }, 'refused');
    assert.equal(logged.length, 3);
  });

  it('falls silent at its bound, and says so', () => {
    const logged: string[] = [];
    const complaints = new Complaints({
      warn: (_details, message) => logged.push(message),
    });
    for (let pattern = 0; pattern < 2 * complaintsMax; pattern += 1) complaints.add({ pattern }, 'refused');
    assert.equal(logged.length, complaintsMax + 1);
    assert.match(logged.at(-1)!, /no more is said/);
  });
});
