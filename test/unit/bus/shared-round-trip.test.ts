import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { SharedRoundTrip } from '../../../src/bus/shared-round-trip.ts';

function create() {
  const trips: PromiseWithResolvers<number>[] = [];
  const roundTrip = (): Promise<number> => {
    const trip = Promise.withResolvers<number>();
    trips.push(trip);
    return trip.promise;
  };
  return { trips, shared: new SharedRoundTrip({ roundTrip }) };
}

describe('SharedRoundTrip', () => {
  it('is one for all who ask together, and the next for who asks while it is under way', async () => {
    const { trips, shared } = create();
    const ended: string[] = [];
    const ask = (name: string): void => void shared.ask().then(() => ended.push(name));
    for (const name of ['a', 'b']) ask(name);
    await setImmediate();
    for (const name of ['c', 'd']) ask(name);
    await setImmediate();
    assert.equal(trips.length, 1);
    trips[0]!.resolve(0);
    await setImmediate();
    assert.deepEqual([ended, trips.length], [['a', 'b'], 2]);
    trips[1]!.resolve(0);
    await setImmediate();
    assert.deepEqual(ended, ['a', 'b', 'c', 'd']);
  });

  it('fails all who wait for one that fails, and tries anew for the others', async () => {
    const { trips, shared } = create();
    const first = assert.rejects(shared.ask(), /away/);
    await setImmediate();
    const second = shared.ask();
    trips[0]!.reject(new Error('away'));
    await first;
    await setImmediate();
    trips[1]!.resolve(0);
    await second;
  });
});
