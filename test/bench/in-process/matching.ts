/**
 * What it costs to find the listeners of a message among 100 and among 100,000 distinct subscriptions: by the index
 * alone, and by the whole way from the hub to the writes. Every message has one listener, so only the search differs;
 * one subscription in five has a wildcard. No sockets, no bus. Prints one line of JSON, in microseconds a message.
 *
 *   node test/bench/in-process/matching.ts
 */
import { SubjectIndex } from '../../../src/bus/subject-index.ts';
import { WillingClient } from '../../support/fake-client.ts';
import { createTestGateway } from '../../support/test-gateway.ts';
import { median } from '../statistics.ts';
import { createRandom } from '../subscriptions.ts';

export type MatchingResult = Record<'index' | 'hub', { few: number; many: number; differenceUs: number }>;

const FEW = 100;
const MANY = 100_000;
const CLIENTS = 100;
const MESSAGES = 20_000;
const MESSAGES_PER_TURN = 10;
const REPEATS = 15;
const payload = Buffer.alloc(200, 'x');

const patternOf = (number: number): string =>
  number % 5 === 0 ? `public.instrument.${number}.*.price` : `public.instrument.${number}.spot.price`;

/** Subjects in an order that no cache could guess, the same in every run, as they come off the wire. */
function wireSubjects(subscriptions: number): Buffer[] {
  const random = createRandom(7);
  return Array.from({ length: MESSAGES }, () =>
    Buffer.from(`public.instrument.${Math.floor(random() * subscriptions)}.spot.price`),
  );
}

type Pass = (subjects: readonly string[]) => void;

/**
 * Median microseconds a message of each side, after a few repeats that only warm up. The two take turns: a shared machine
 * is faster in one minute than in the next.
 */
function compare(prepare: (subscriptions: number) => Pass): MatchingResult['index'] {
  const sides = [FEW, MANY].map((subscriptions) => ({
    onWire: wireSubjects(subscriptions),
    pass: prepare(subscriptions),
    perMessageUs: [] as number[],
  }));
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    for (const { onWire, pass, perMessageUs } of sides) {
      // Strings made anew each time, as a bus makes them: a string that has been looked up once knows its hash.
      const subjects = onWire.map((bytes) => bytes.toString('latin1'));
      const startMs = performance.now();
      pass(subjects);
      perMessageUs.push(((performance.now() - startMs) * 1000) / MESSAGES);
    }
  }
  const [few = Number.NaN, many = Number.NaN] = sides.map(({ perMessageUs }) =>
    median(perMessageUs.slice(REPEATS / 3)),
  );
  return { few, many, differenceUs: many - few };
}

function prepareIndex(subscriptions: number): Pass {
  const index = new SubjectIndex<number>();
  for (let number = 0; number < subscriptions; number += 1) index.add(patternOf(number), number);
  let found = 0;
  const visit = (): void => {
    found += 1;
  };
  return (subjects) => {
    found = 0;
    for (const subject of subjects) index.match(subject, visit);
    if (found !== MESSAGES) throw new Error(`found ${found} listeners`);
  };
}

function prepareHub(subscriptions: number): Pass {
  const perClient = subscriptions / CLIENTS;
  const { gateway, recorded, turn } = createTestGateway({
    subscriptionsMax: perClient,
    messageSizeMax: 2 ** 24,
  });
  const willing = new WillingClient();
  for (let client = 0; client < CLIENTS; client += 1) {
    const connection = gateway.open(willing, willing, { address: '192.0.2.7', port: client }, 0);
    gateway.clientEvents.ready(connection);
    const channels = Array.from({ length: perClient }, (_, own) => patternOf(own * CLIENTS + client));
    const words = Buffer.from(JSON.stringify({ type: 'subscribe', channels }));
    gateway.clientEvents.message(connection, words, false);
  }
  return (subjects) => {
    willing.writes = 0;
    for (const [message, subject] of subjects.entries()) {
      gateway.hub.publish(subject, payload);
      if (message % MESSAGES_PER_TURN === MESSAGES_PER_TURN - 1) turn();
    }
    for (const calls of Object.values(recorded)) calls.length = 0;
    if (willing.writes === 0) throw new Error('nothing was delivered');
  };
}

const result: MatchingResult = { index: compare(prepareIndex), hub: compare(prepareHub) };
console.log(JSON.stringify(result));
