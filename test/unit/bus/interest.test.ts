/**
 * Interest against a model broker: which subscriptions it keeps, and that each message is heard exactly once
 * whatever comes between two copies.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Interest } from '../../../src/bus/interest.ts';
import { covers, matches } from '../../../src/bus/subjects.ts';
import { ModelBroker } from '../../support/model-broker.ts';
import { propertyRuns } from '../../support/property-runs.ts';

type Heard = { subject: string; content: string };

const TWIN_MS = 400;

/** `taken`: patterns that had been refused before. */
function createStopped(lingerMs = 0): {
  broker: ModelBroker;
  interest: Interest;
  heard: Heard[];
  taken: string[];
} {
  const broker = new ModelBroker(TWIN_MS);
  const heard: Heard[] = [];
  const taken: string[] = [];
  const interest = new Interest(
    broker,
    ({ subject, payload }) => heard.push({ subject, content: Buffer.from(payload).toString() }),
    {
      twinMs: TWIN_MS,
      lingerMs,
      wait: (ms) => broker.wait(ms),
      onTaken: (patterns) => taken.push(...patterns),
    },
  );
  return { broker, interest, heard, taken };
}

function create(lingerMs?: number): ReturnType<typeof createStopped> {
  const created = createStopped(lingerMs);
  created.broker.start();
  return created;
}

/** A quarter of the twin time passes, and everybody has done his part, but for messages that are being routed. */
async function passQuarter(broker: ModelBroker): Promise<void> {
  broker.pass(TWIN_MS / 4);
  await broker.arrive(Number.POSITIVE_INFINITY);
  while (broker.serve());
  await broker.arrive(Number.POSITIVE_INFINITY);
}

/** So often that it is asked again in any case. */
async function retryAtLast(broker: ModelBroker, interest: Interest): Promise<void> {
  for (let times = 0; times < 64; times += 1) interest.retryRefused();
  await broker.settle();
}

describe('Interest', () => {
  it('subscribes once however many want a pattern, and lets go with the last', async () => {
    const { broker, interest } = create();
    interest.want('a.b');
    interest.want('a.b');
    await broker.settle();
    assert.deepEqual([broker.patterns, interest.patterns], [['a.b'], 1]);
    interest.unwant('a.b');
    await broker.settle();
    assert.deepEqual(broker.patterns, ['a.b']);
    interest.unwant('a.b');
    await broker.settle();
    assert.deepEqual([broker.patterns, interest.patterns], [[], 0]);
  });

  it('rejects an unwant without its want, which is our bug', () => {
    assert.throws(() => create().interest.unwant('a'), /not wanted/);
  });

  it('keeps no subscription for what another one covers', async () => {
    const { broker, interest } = create();
    interest.want('a.>');
    interest.want('a.b');
    await broker.settle();
    assert.deepEqual(broker.patterns, ['a.>']);
  });

  it('collapses older subscriptions into a new one that covers them, and takes them up again', async () => {
    const { broker, interest } = create();
    for (const pattern of ['a.b', 'a.*.c', 'x']) interest.want(pattern);
    await broker.settle();
    interest.want('a.>');
    // The new one is in force before the old ones end.
    await passQuarter(broker);
    assert.deepEqual(broker.patterns.sort(), ['a.*.c', 'a.>', 'a.b', 'x']);
    await broker.settle();
    assert.deepEqual(broker.patterns.sort(), ['a.>', 'x']);
    interest.unwant('a.>');
    await passQuarter(broker);
    assert.deepEqual(broker.patterns.sort(), ['a.*.c', 'a.>', 'a.b', 'x']);
    await broker.settle();
    assert.deepEqual(broker.patterns.sort(), ['a.*.c', 'a.b', 'x']);
    assert.equal(interest.isSettled, true);
  });

  it('keeps a wide pattern for a moment that nobody wants any more, so that it can go to and fro for nothing', async () => {
    const { broker, interest } = create(TWIN_MS);
    for (const pattern of ['a.b', 'a.c', 'a.>']) interest.want(pattern);
    await broker.settle();
    const before = broker.subscribed;
    for (let time = 0; time < 100; time += 1) {
      interest.unwant('a.>');
      interest.want('a.>');
      await passQuarter(broker);
    }
    assert.deepEqual([broker.subscribed, broker.patterns], [before, ['a.>']]);
    interest.unwant('a.>');
    for (let quarters = 0; quarters < 3; quarters += 1) await passQuarter(broker);
    assert.deepEqual([broker.patterns, interest.patterns], [['a.>'], 2]);
    await broker.settle();
    assert.deepEqual([broker.patterns.sort(), interest.isSettled], [['a.b', 'a.c'], true]);
  });

  it('keeps partly overlapping subscriptions and passes on one copy, that of the oldest', async () => {
    const { broker, interest, heard } = create();
    interest.want('a.*.c');
    interest.want('a.b.*');
    await broker.settle();
    assert.deepEqual(broker.patterns, ['a.*.c', 'a.b.*']);
    for (const [subject, content] of [
      ['a.b.c', '1'],
      ['a.b.d', '2'],
      ['a.x.c', '3'],
    ] as const) {
      broker.publishFromElsewhere(subject, content, true);
    }
    await broker.settle();
    assert.deepEqual(
      heard.map(({ content }) => content),
      ['1', '2', '3'],
    );
    assert.equal(interest.overlapDuplicates, 1);
  });

  it('takes back a subscription that has not begun to leave', async () => {
    const { broker, interest } = create();
    interest.want('x.*');
    interest.want('x.1.>');
    interest.want('x.y');
    await broker.settle();
    // The first hand-over keeps the second waiting.
    interest.want('x.>');
    interest.unwant('x.>');
    interest.want('x.>');
    await broker.settle();
    assert.deepEqual(broker.patterns, ['x.>']);
    assert.deepEqual(interest.upstreamPatterns, ['x.>']);
  });

  it('takes back a subscription that is leaving and still has the word', async () => {
    const { broker, interest, heard } = create();
    interest.want('x.>');
    interest.want('x.y');
    await broker.settle();
    interest.unwant('x.>');
    for (let quarters = 0; quarters < 4; quarters += 1) await passQuarter(broker);
    interest.want('x.>');
    broker.publishFromElsewhere('x.y', 'while both are there', true);
    broker.publishFromElsewhere('x.z', 'by one', false);
    await broker.settle();
    assert.deepEqual([broker.patterns, broker.subscribed], [['x.>'], 2]);
    assert.deepEqual(
      heard.map(({ content }) => content),
      ['while both are there', 'by one'],
    );
  });

  it('gives a latecomer the word at once where nobody else was to stay', async () => {
    const { broker, interest, heard } = create();
    interest.want('x.>');
    interest.want('x.y');
    await broker.settle();
    interest.unwant('x.>');
    await passQuarter(broker);
    interest.want('x.z');
    await passQuarter(broker);
    for (const content of ['tick', 'tick', 'tick']) broker.publishFromElsewhere('x.z', content, true);
    await broker.settle();
    assert.deepEqual([broker.patterns.sort(), heard.length], [['x.y', 'x.z'], 3]);
  });

  it('tells when all that is subscribed to is in force, and what is refused', async () => {
    const { broker, interest } = create();
    assert.equal(interest.inForce(), undefined);
    broker.denied.add('x.denied');
    for (const pattern of ['x.a', 'x.denied']) interest.want(pattern);
    let isInForce = false;
    const told = interest.inForce()!.then(() => {
      isInForce = true;
    });
    assert.deepEqual([isInForce, broker.patterns], [false, []]);
    await broker.settle();
    await told;
    assert.deepEqual([isInForce, broker.patterns], [true, ['x.a']]);
    assert.equal(interest.inForce(), undefined);
    assert.deepEqual(
      ['x.a', 'x.denied'].map((pattern) => interest.isRefused(pattern)),
      [false, true],
    );
    interest.want('x.>');
    assert.ok(interest.inForce() instanceof Promise);
    await broker.settle();
    assert.equal(interest.isRefused('x.denied'), false);
    interest.want('y');
    const over = interest.inForce()!;
    await broker.reconnect();
    await broker.settle();
    await over;
  });

  it('does not take back one that is leaving where a latecomer had the word, though that has ended', async () => {
    const { broker, interest, heard } = create();
    interest.want('x.>');
    interest.want('x.y');
    await broker.settle();
    interest.unwant('x.>');
    await passQuarter(broker);
    interest.want('x.z');
    await passQuarter(broker);
    broker.publishFromElsewhere('x.z', 'once', true);
    broker.route(0);
    await broker.arrive(1);
    assert.equal(heard.length, 1);
    interest.unwant('x.z');
    interest.want('x.>');
    // The copy for the one that is leaving comes now.
    await broker.settle();
    assert.equal(heard.length, 1);
    assert.deepEqual(broker.patterns, ['x.>']);
  });

  it('ends a hand-over at once when the link breaks, whatever had come of it', async () => {
    for (const quartersBefore of [0, 1, 5, 11]) {
      const { broker, interest, heard } = create();
      interest.want('x.y');
      await broker.settle();
      interest.want('x.>');
      for (let quarters = 0; quarters < quartersBefore; quarters += 1) await passQuarter(broker);
      // One copy comes, the other one is lost.
      broker.publishFromElsewhere('x.y', 'tick', false);
      broker.route(0);
      await broker.arrive(1);
      await broker.reconnect();
      await broker.settle();
      assert.deepEqual(broker.patterns, ['x.>'], `after ${quartersBefore} quarters`);
      const before = heard.length;
      broker.publishFromElsewhere('x.y', 'tick', false);
      await broker.settle();
      assert.equal(heard.length, before + 1, `after ${quartersBefore} quarters`);
      assert.equal(interest.isSettled, true);
    }
  });

  it('works before there is a connection', async () => {
    const { broker, interest } = createStopped();
    interest.want('a.b');
    interest.want('a.>');
    await new Promise(setImmediate);
    broker.start();
    await broker.settle();
    assert.deepEqual(broker.patterns, ['a.>']);
  });

  it('keeps what a refused pattern would have covered, and tries that one again after an outage', async () => {
    const { broker, interest, heard } = create();
    interest.want('a.b');
    await broker.settle();
    broker.denied.add('a.>');
    interest.want('a.>');
    interest.want('a.c');
    await broker.settle();
    assert.deepEqual(broker.patterns.sort(), ['a.b', 'a.c']);
    broker.publishFromElsewhere('a.b', 'one', false);
    await broker.settle();
    assert.deepEqual(heard, [{ subject: 'a.b', content: 'one' }]);
    broker.denied.clear();
    await broker.reconnect();
    await broker.settle();
    assert.deepEqual(broker.patterns, ['a.>']);
    interest.unwant('a.>');
    await broker.settle();
    assert.deepEqual(broker.patterns.sort(), ['a.b', 'a.c']);
  });

  it('forgets a refused pattern that nobody wants any more', async () => {
    const { broker, interest } = create();
    broker.denied.add('a.>');
    interest.want('a.>');
    await broker.settle();
    interest.unwant('a.>');
    broker.denied.clear();
    await broker.reconnect();
    await broker.settle();
    assert.deepEqual([broker.patterns, interest.patterns], [[], 0]);
  });

  it('keeps what a pattern would have covered that the broker has no room for, without a hand-over', async () => {
    const { broker, interest, heard, taken } = create();
    broker.roomFor = 2;
    for (const pattern of ['a.b', 'a.c', 'a.>']) interest.want(pattern);
    await passQuarter(broker);
    assert.deepEqual([broker.patterns, interest.isSettled], [['a.b', 'a.c'], true]);
    broker.publishFromElsewhere('a.b', 'one', false);
    await broker.settle();
    assert.deepEqual(heard, [{ subject: 'a.b', content: 'one' }]);
    broker.roomFor = 3;
    interest.retryRefused();
    await broker.settle();
    assert.deepEqual([broker.patterns, taken], [['a.>'], ['a.>']]);
  });

  it('takes up a refused pattern when one of its own has ended', async () => {
    const { broker, interest, taken } = create();
    broker.roomFor = 1;
    for (const pattern of ['a', 'b', 'c']) interest.want(pattern);
    await broker.settle();
    assert.deepEqual(broker.patterns, ['a']);
    interest.unwant('a');
    await broker.settle();
    assert.deepEqual([broker.patterns, taken], [['b'], ['b']]);
    interest.unwant('b');
    await broker.settle();
    assert.deepEqual([broker.patterns, taken], [['c'], ['b', 'c']]);
  });

  it('asks a full broker for one at a time, and has them all soon when there is room', async () => {
    const { broker, interest, taken } = create();
    broker.roomFor = 1;
    const patterns = Array.from({ length: 100 }, (_, i) => `a.${i}`);
    for (const pattern of patterns) interest.want(pattern);
    await broker.settle();
    const attempts: number[] = [];
    for (let times = 1; times <= 200; times += 1) {
      const before = broker.subscribed;
      interest.retryRefused();
      await broker.settle();
      if (broker.subscribed > before) attempts.push(times);
    }
    assert.deepEqual(attempts, [1, 2, 4, 8, 16, 32, 64, 128, 192]);
    broker.roomFor = 50;
    await retryAtLast(broker, interest);
    assert.equal(broker.patterns.length, 50);
    assert.equal(taken.length, 49);
    broker.roomFor = Number.POSITIVE_INFINITY;
    await retryAtLast(broker, interest);
    assert.deepEqual(broker.patterns.sort(), patterns.sort());
  });

  it('tells of what is asked for in place of a refused pattern once that is in force, and not when it is refused too', async () => {
    const { broker, interest, taken } = create();
    interest.want('x');
    await broker.settle();
    for (const [roomFor, told] of [
      [1, []],
      [2, ['a.b']],
    ] as const) {
      broker.roomFor = roomFor;
      broker.denied.add('a.>');
      interest.want('a.>');
      interest.want('a.b');
      await broker.settle();
      assert.deepEqual(taken, told);
      interest.unwant('a.>');
      interest.unwant('a.b');
      await broker.settle();
    }
  });

  it('asks again for what is denied now and then, less and less often, and tells when it may be had', async () => {
    const { broker, interest, taken } = create();
    const denied = ['a', 'b', 'c', 'd', 'e'];
    for (const pattern of denied) {
      broker.denied.add(pattern);
      interest.want(pattern);
    }
    await broker.settle();
    assert.equal(interest.refusedPatterns, 5);
    // That something of ours has ended is no reason to hope for a permission.
    interest.want('x');
    interest.unwant('x');
    await broker.settle();
    const before = broker.subscribed;
    const asked: number[] = [];
    for (let calls = 0; calls < 16; calls += 1) {
      interest.retryRefused();
      await broker.settle();
      asked.push(broker.subscribed - before);
    }
    assert.deepEqual(asked, [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
    assert.deepEqual(taken, []);
    broker.denied.clear();
    await retryAtLast(broker, interest);
    assert.deepEqual([...taken].sort(), denied);
    assert.deepEqual([interest.refusedPatterns, broker.patterns.sort()], [0, denied]);
  });

  it('tells of what there was no room for beside the old side of a hand-over, once there is; the rest is heard once', async () => {
    const { broker, interest, heard, taken } = create();
    for (const pattern of ['x.1', 'x.2', 'x.>']) interest.want(pattern);
    await broker.settle();
    broker.roomFor = 2;
    interest.unwant('x.>');
    for (let quarters = 0; quarters < 14; quarters += 1) {
      for (const subject of ['x.1', 'x.2', 'x.3']) {
        broker.publishFromElsewhere(subject, `${quarters}`, false);
        // Both copies: what is still being routed to the one that ends is lost where there is no other.
        for (let copies = 0; copies < 2; copies += 1) broker.route(0);
      }
      await passQuarter(broker);
    }
    await broker.settle();
    assert.deepEqual(broker.patterns.sort(), ['x.1', 'x.2']);
    const contents = Array.from({ length: 14 }, (_, quarters) => `${quarters}`);
    const ofSubject = (subject: string) =>
      heard.filter((one) => one.subject === subject).map(({ content }) => content);
    assert.deepEqual(ofSubject('x.1'), contents);
    assert.deepEqual(new Set(ofSubject('x.2')).size, ofSubject('x.2').length);
    assert.deepEqual(taken, ['x.2']);
  });

  it('costs no scan of the others for a literal, nor for their common pattern more than one', async () => {
    const { broker, interest } = create();
    const literals = Array.from({ length: 20_000 }, (_, i) => `a.${i}.b`);
    const startMs = performance.now();
    for (const one of literals) interest.want(one);
    interest.want('a.>');
    interest.unwant('a.>');
    for (const one of literals) interest.unwant(one);
    // It takes some tenths of a second; a quadratic way would take minutes.
    assert.ok(performance.now() - startMs < 30_000);
    assert.equal(interest.patterns, 0);
    await new Promise(setImmediate);
    assert.equal(broker.patterns.length, 0);
  });
});

const patterns = ['a.b', 'a.*', '*.b', 'a.>', '>', 'a.b.c', 'a.*.c', 'a.b.*', '*.b.c'];
const subjects = ['a.b', 'a.c', 'c.b', 'a.b.c', 'a.d.c', 'a.b.d'];
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('toggle' as const), pattern: fc.constantFrom(...patterns) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      subject: fc.constantFrom(...subjects),
      isReversed: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('serve' as const) }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('route' as const), place: fc.nat(7) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('arrive' as const), items: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('pass' as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

async function take(
  one: Exclude<Step, { kind: 'publish' }>,
  { broker, interest, wanted }: { broker: ModelBroker; interest: Interest; wanted: Set<string> },
): Promise<void> {
  if (one.kind === 'toggle') {
    if (wanted.delete(one.pattern)) interest.unwant(one.pattern);
    else {
      wanted.add(one.pattern);
      interest.want(one.pattern);
    }
  } else if (one.kind === 'serve') broker.serve();
  else if (one.kind === 'route') broker.route(one.place);
  else if (one.kind === 'pass') await passQuarter(broker);
  else await broker.arrive(one.items);
}

/** One subscription for each pattern that no other wanted one covers. */
function assertInForce(broker: ModelBroker, interest: Interest, wanted: readonly string[]): void {
  const all = [...new Set(wanted)];
  const expected = all.filter((one) => !all.some((other) => other !== one && covers(other, one)));
  assert.deepEqual(broker.patterns.sort(), expected.sort());
  assert.equal(interest.isSettled, true);
}

function countBy(messages: readonly Heard[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { subject, content } of messages) {
    times.set(`${subject} ${content}`, (times.get(`${subject} ${content}`) ?? 0) + 1);
  }
  return times;
}

describe('Interest, whatever comes in between', () => {
  it('hears each message on a steadily wanted subject exactly once, and no other one twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, TWIN_MS),
        fc.uniqueArray(fc.constantFrom(...patterns), { minLength: 1, maxLength: 2 }),
        fc.array(step, { maxLength: 200, size: 'max' }),
        async (lingerMs, steady, steps) => {
          const { broker, interest, heard } = create(lingerMs);
          for (const pattern of steady) interest.want(pattern);
          await broker.settle();
          const wanted = new Set<string>();
          const published: Heard[] = [];
          for (const one of steps) {
            if (one.kind === 'publish') {
              const message = { subject: one.subject, content: String(published.length) };
              published.push(message);
              broker.publishFromElsewhere(message.subject, message.content, one.isReversed);
            } else await take(one, { broker, interest, wanted });
          }
          await broker.settle();

          const times = countBy(heard);
          for (const [key, publishedTimes] of countBy(published)) {
            const heardTimes = times.get(key) ?? 0;
            const subject = key.split(' ')[0]!;
            if (steady.some((pattern) => matches(pattern, subject))) {
              assert.equal(heardTimes, publishedTimes, key);
            } else {
              assert.ok(heardTimes <= publishedTimes, `${key} ${heardTimes} times, not ${publishedTimes}`);
            }
          }
          assertInForce(broker, interest, [...steady, ...wanted]);
        },
      ),
      propertyRuns(2_000),
    );
  });

  it('hears nothing twice where there is no room for all, and has them all when there is', async () => {
    const roomFor = fc.record({
      kind: fc.constant('room' as const),
      roomFor: fc.integer({ min: 0, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, TWIN_MS),
        fc.array(fc.oneof({ weight: 30, arbitrary: step }, { weight: 2, arbitrary: roomFor }), {
          maxLength: 200,
          size: 'max',
        }),
        async (lingerMs, steps) => {
          const { broker, interest, heard } = create(lingerMs);
          broker.roomFor = 2;
          const wanted = new Set<string>();
          let published = 0;
          for (const one of steps) {
            if (one.kind === 'room') {
              broker.roomFor = one.roomFor;
              interest.retryRefused();
            } else if (one.kind === 'publish') {
              published += 1;
              broker.publishFromElsewhere(one.subject, String(published), one.isReversed);
            } else await take(one, { broker, interest, wanted });
          }
          await broker.settle();
          broker.roomFor = Number.POSITIVE_INFINITY;
          await retryAtLast(broker, interest);
          for (const [key, times] of countBy(heard)) assert.equal(times, 1, key);
          assertInForce(broker, interest, [...wanted]);
        },
      ),
      propertyRuns(2_000),
    );
  });
});
