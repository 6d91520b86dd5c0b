import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtocolHandler } from '@nats-io/transport-node';
import {
  Complaints,
  complaintsMax,
  disconnectCause,
  isRefusedSubscription,
} from '../../../src/bus/nats-errors.ts';

describe('errors of nats-server', () => {
  for (const [said, cause] of [
    ['Authorization Violation', 'authorization'],
    ['User Authentication Expired', 'authorization'],
    ['Stale Connection', 'stale'],
    ['Slow Consumer', 'other'],
    ['Maximum Payload Violation', 'other'],
    ['Maximum Control Line Exceeded', 'other'],
    ['Unknown Protocol Operation', 'other'],
    ['Maximum Subscriptions Exceeded', undefined],
    ['Permissions Violation for Publish to "a"', undefined],
  ] as const) {
    it(`understands '${said}' as ${cause ?? 'no reason to close'}`, () => {
      assert.equal(disconnectCause(ProtocolHandler.toError(said)), cause);
    });
  }

  it('tells a refused subscription from a refused message', () => {
    const refused = ['Subscription to "a.>"', 'Publish to "a"'].map((what) =>
      isRefusedSubscription(ProtocolHandler.toError(`Permissions Violation for ${what}`)),
    );
    assert.deepEqual(refused, [true, false]);
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
