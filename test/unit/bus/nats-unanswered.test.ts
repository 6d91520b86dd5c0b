/** Against the library's own way with its list of pings: which subscription an error is for, as answers come. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtocolHandler, SubscriptionImpl } from '@nats-io/transport-node';
import { UnansweredSubscriptions } from '../../../src/bus/nats-unanswered.ts';

function create() {
  const handler = new ProtocolHandler({ servers: ['127.0.0.1:1'] }, { publish: () => undefined });
  const subscription = (subject: string): SubscriptionImpl =>
    new SubscriptionImpl(handler, subject, { callback: () => undefined });
  return {
    handler,
    append: (subject: string) => UnansweredSubscriptions.append(handler.pongs, subscription(subject)),
    prepend: (...subjects: string[]) =>
      UnansweredSubscriptions.prepend(handler.pongs, subjects.map(subscription)),
    first: () => UnansweredSubscriptions.first(handler.pongs)?.subject,
  };
}

describe('UnansweredSubscriptions', () => {
  it('are answered one by one, between other pings, in the order in which they were sent', async () => {
    const { handler, append, prepend, first } = create();
    const flushed: string[] = [];
    append('b');
    append('c');
    const one = handler.flush().then(() => flushed.push('one'));
    append('d');
    const two = handler.flush().then(() => flushed.push('two'));
    prepend('a');
    const firsts: (string | undefined)[] = [];
    for (let answers = 0; answers < 7; answers += 1) {
      firsts.push(first());
      handler.processPong();
    }
    await Promise.all([one, two]);
    // The fourth and the sixth are for the flushes: an error before them is for no subscription.
    assert.deepEqual(firsts, ['a', 'b', 'c', undefined, 'd', undefined, undefined]);
    assert.deepEqual(flushed, ['one', 'two']);
    assert.deepEqual(handler.pongs, []);
  });

  it('are forgotten with the link', () => {
    const { handler, append, first } = create();
    append('a');
    handler.resetOutbound();
    assert.deepEqual([first(), handler.pongs], [undefined, []]);
    append('b');
    assert.equal(first(), 'b');
  });

  it('are as many as there are, and cost each answer the same', () => {
    const { handler, prepend, first } = create();
    const subjects = Array.from({ length: 100_000 }, (_, i) => `a.${i}`);
    prepend(...subjects);
    const startMs = performance.now();
    for (const subject of subjects) {
      assert.equal(first(), subject);
      handler.processPong();
    }
    // It takes some hundredths of a second; a list of so many pings would take seconds.
    assert.ok(performance.now() - startMs < 5_000);
    assert.equal(first(), undefined);
  });
});
