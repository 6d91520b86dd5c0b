import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { NewLink } from '../../../src/bus/new-link.ts';

function create() {
  const trips: PromiseWithResolvers<number>[] = [];
  const said: string[] = [];
  const roundTrip = (): Promise<number> => {
    const trip = Promise.withResolvers<number>();
    trips.push(trip);
    return trip.promise;
  };
  const link = new NewLink(
    { roundTrip },
    {
      ready: (isInForce) => said.push(isInForce ? 'in force' : 'broken'),
      message: ({ subject }) => said.push(subject),
    },
  );
  const receive = (subject: string): void => link.receive({ subject, payload: new Uint8Array() });
  return { link, trips, said, receive };
}

describe('NewLink', () => {
  it('holds what comes until the broker has answered, and tells of the outage before it', async () => {
    const { link, trips, said, receive } = create();
    void link.begin();
    for (const subject of ['a', 'b']) receive(subject);
    assert.deepEqual(said, []);
    trips[0]!.resolve(0);
    await setImmediate();
    receive('c');
    assert.deepEqual(said, ['in force', 'a', 'b', 'c']);
  });

  it('tells of each outage once where a link breaks before its answer', async () => {
    const { link, trips, said, receive } = create();
    void link.begin();
    receive('a');
    trips[0]!.reject(new Error('broken'));
    // The next one may be there before anybody has heard of that.
    void link.begin();
    receive('b');
    await setImmediate();
    assert.deepEqual(said, ['broken', 'a']);
    trips[1]!.resolve(0);
    await setImmediate();
    assert.deepEqual(said, ['broken', 'a', 'in force', 'b']);
  });
});
