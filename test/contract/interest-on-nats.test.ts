/**
 * What the contract promises of overlapping subscriptions, against a real nats-server under load: they are collapsed
 * upstream, and whatever changes, nothing is lost and nothing arrives twice.
 *
 * Forty gateways' interests hear the same stream and change five times each, two hundred changes in all, at instants
 * of their own. The stream comes from several publishers at once, for what makes it hard is that a thread of the
 * server may be between two copies of one message when another one serves our change.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Bus } from '../../src/bus/bus.ts';
import { Interest } from '../../src/bus/interest.ts';
import { NatsBus } from '../../src/bus/nats-bus.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { connected } from './bus.ts';

const skip = await skipWithout('nats-server');

const listeners = 40;
const changesEach = 5;
const publishers = 4;
const subjects = ['load.a', 'load.a.x', 'load.b.x'];
/** Wanted all the time, so that each message must be heard. */
const steady = ['load.a', 'load.*.x'];
/** Wanted every other time: one covers all of the steady ones, the other only overlaps with one. */
const passing = ['load.>', 'load.a.*'];

async function connect(t: TestContext, url: string): Promise<NatsBus> {
  const log = { warn: () => undefined };
  const bus = new NatsBus({ servers: [url], name: 'tidegauge test', log });
  t.after(() => bus.close());
  await connected(bus);
  return bus;
}

class Listener {
  readonly interest: Interest;
  readonly #bus: Bus;
  readonly #times: number[] = [];
  #isWanted = false;
  #changesLeft = changesEach;

  constructor(bus: Bus) {
    this.#bus = bus;
    this.interest = new Interest(bus, ({ payload }) => {
      const serial = Buffer.from(payload.buffer, payload.byteOffset, 4).readUInt32BE();
      this.#times[serial] = (this.#times[serial] ?? 0) + 1;
    });
    for (const pattern of steady) this.interest.want(pattern);
  }

  get isDone(): boolean {
    return this.#changesLeft === 0 && this.interest.isSettled;
  }

  change(): void {
    if (this.#changesLeft === 0 || !this.interest.isSettled) return;
    this.#changesLeft -= 1;
    this.#isWanted = !this.#isWanted;
    for (const pattern of passing) {
      if (this.#isWanted) this.interest.want(pattern);
      else this.interest.unwant(pattern);
    }
  }

  /** Serials that were not heard once. */
  async faults(published: number): Promise<{ lost: number[]; doubled: number[] }> {
    await this.#bus.roundTrip();
    const serials = Array.from({ length: published }, (_, serial) => serial);
    return {
      lost: serials.filter((serial) => this.#times[serial] === undefined),
      doubled: serials.filter((serial) => this.#times[serial]! > 1),
    };
  }
}

describe('Interest on NATS', { skip }, () => {
  it('loses nothing and hears nothing twice while covering subscriptions come and go under load', async (t) => {
    const server = await startNatsServer();
    t.after(() => server.stop());
    const senders = await Promise.all(Array.from({ length: publishers }, () => connect(t, server.url)));
    const buses = await Promise.all(Array.from({ length: listeners }, () => connect(t, server.url)));
    const all = buses.map((bus) => new Listener(bus));
    await Promise.all(buses.map((bus) => bus.roundTrip()));

    let published = 0;
    const publishSome = (): void => {
      for (let i = 0; i < 100; i += 1) {
        const bytes = Buffer.alloc(16);
        bytes.writeUInt32BE(published);
        senders[published % publishers]!.publish(subjects[published % subjects.length]!, bytes);
        published += 1;
      }
    };
    const trips: Promise<number>[] = [];
    for (let round = 0; !all.every(({ isDone }) => isDone); round += 1) {
      publishSome();
      // One after the other, so that each changes at an instant of its own.
      all[round % listeners]!.change();
      // The server is kept busy, but no further behind than that; and a turn to hear what it sends.
      trips.push(...senders.map((sender) => sender.roundTrip()));
      while (trips.length > 4 * publishers) await trips.shift();
      await new Promise(setImmediate);
    }
    publishSome();
    await Promise.all(senders.map((sender) => sender.roundTrip()));

    const faults = await Promise.all(all.map((listener) => listener.faults(published)));
    assert.deepEqual(
      faults.filter(({ lost, doubled }) => lost.length + doubled.length > 0),
      [],
      `of ${published} messages`,
    );
    assert.ok(all.every(({ interest }) => interest.overlapDuplicates > 0));
  });

  it('keeps one subscription upstream for patterns that cover each other, once a change is over', async (t) => {
    const server = await startNatsServer();
    t.after(() => server.stop());
    const bus = await connect(t, server.url);
    const interest = new Interest(bus, () => undefined, { twinMs: 4 });
    const upstream = async (): Promise<string[] | undefined> => {
      await until('the change is over', () => interest.isSettled);
      await bus.roundTrip();
      return (await server.connz('subs=1')).connections[0]?.subscriptions_list?.sort();
    };
    for (const pattern of steady) interest.want(pattern);
    assert.deepEqual(await upstream(), ['load.*.x', 'load.a']);
    for (const pattern of passing) interest.want(pattern);
    assert.deepEqual(await upstream(), ['load.>']);
    for (const pattern of passing) interest.unwant(pattern);
    assert.deepEqual(await upstream(), ['load.*.x', 'load.a']);
  });

  it('goes on with narrower subscriptions while the server has no room for a wider one, and collapses them later', async (t) => {
    const server = await startNatsServer({ configText: 'max_subs: 3' });
    t.after(() => server.stop());
    const bus = await connect(t, server.url);
    const heard: string[] = [];
    const taken: string[] = [];
    const interest = new Interest(bus, ({ subject }) => heard.push(subject), {
      twinMs: 4,
      onTaken: (patterns) => taken.push(...patterns),
    });
    for (const pattern of ['x.1', 'x.2', 'other']) interest.want(pattern);
    interest.want('x.>');
    await bus.roundTrip();
    const publishAll = async (): Promise<string[]> => {
      await until('the change is over', () => interest.isSettled);
      heard.length = 0;
      for (const subject of ['x.1', 'x.2', 'x.3']) bus.publish(subject, Buffer.alloc(0));
      await bus.roundTrip();
      return heard;
    };
    assert.deepEqual(await publishAll(), ['x.1', 'x.2']);
    interest.retryRefused();
    assert.deepEqual(await publishAll(), ['x.1', 'x.2']);
    assert.deepEqual([interest.upstreamPatterns.sort(), taken], [['other', 'x.1', 'x.2'], []]);
    // The end of another one makes the room.
    interest.unwant('other');
    await until('it is in force', () => taken.length > 0);
    assert.deepEqual(await publishAll(), ['x.1', 'x.2', 'x.3']);
    assert.deepEqual([interest.upstreamPatterns, taken], [['x.>'], ['x.>']]);
    const [row] = (await server.connz('subs=1')).connections;
    assert.deepEqual(row?.subscriptions_list, ['x.>']);
  });
});
