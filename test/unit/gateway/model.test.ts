/**
 * Table, ledger and hub against a model: random commands on fake sockets and an injected clock. After every
 * command the invariants hold; at the end everybody leaves, and what each client received is what was counted.
 * The model knows nothing of audiences, chunks or queues: for each client it keeps the list of messages that
 * it should hear, by plain matching.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matches } from '../../../src/bus/subjects.ts';
import { slowPolicies } from '../../../src/gateway/connection.ts';
import type { GatewayFigures } from '../../../src/telemetry/figures.ts';
import type { FakeClient } from '../../support/fake-client.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { createTestGateway, type TestGateway } from '../../support/test-gateway.ts';

type ModelClient = {
  /** Patterns heard now. */
  patterns: Set<string>;
  hasSubscribed: boolean;
  /** Published messages that this client should be sent while it stays, in order. */
  expected: string[];
  /** Outages of the bus, each by how many messages were expected before it. */
  outages: number[];
  isOpen: boolean;
  /** Its next write fails, so nothing more reaches it, though the gateway cannot know yet. */
  isBroken: boolean;
  sent: { messages: number; bytes: number };
};
type Model = {
  clients: ModelClient[];
  opened: number;
  published: number;
  expectedSeconds: number;
  /** Whether it may be told to leave, and has been. */
  mayDrain: boolean;
  isDraining: boolean;
  /** Of how much a client has been told at each place: with `conflate` several words may become one, at the last's place. */
  isTold: 'of all' | 'of some';
};
type Real = { test: TestGateway; clients: FakeClient[]; last: GatewayFigures };
type Command = fc.Command<Model, Real>;

const channels = ['public.a', 'public.b', 'public.*', 'public.>', 'public.a.x', 'private.*', 'private.p'];
const subjects = ['public.a', 'public.b', 'public.a.x', 'private.p', 'elsewhere'];

class Connect implements Command {
  readonly room: number;
  constructor(room: number) {
    this.room = room;
  }
  /** Once a drain refuses, nobody is admitted, whom `connect` does not ask. */
  isRefused = (real: Real): boolean => real.test.gateway.admission.isRefusing;
  check = (model: Readonly<Model>): boolean => model.clients.length < 24;
  run(model: Model, real: Real): void {
    if (this.isRefused(real)) return;
    real.clients.push(real.test.connect(this.room));
    model.clients.push({
      patterns: new Set(['public.>']),
      hasSubscribed: false,
      expected: [],
      outages: [],
      isOpen: true,
      isBroken: false,
      sent: { messages: 0, bytes: 0 },
    });
    model.opened += 1;
    afterwards(model, real);
  }
  toString = (): string => `connect(${this.room})`;
}

/** Something that one of the open clients does. */
class ByClient implements Command {
  readonly name: string;
  readonly choice: number;
  readonly act: (model: ModelClient, client: FakeClient, test: TestGateway) => void;
  constructor(name: string, choice: number, act: ByClient['act']) {
    this.name = name;
    this.choice = choice;
    this.act = act;
  }
  check = (model: Readonly<Model>): boolean => model.clients.some((one) => one.isOpen);
  run(model: Model, real: Real): void {
    const open = model.clients.filter((one) => one.isOpen);
    const chosen = open[this.choice % open.length]!;
    this.act(chosen, real.clients[model.clients.indexOf(chosen)]!, real.test);
    afterwards(model, real);
  }
  toString = (): string => `${this.name} (${this.choice})`;
}

class Global implements Command {
  readonly name: string;
  readonly act: (model: Model, real: Real) => void;
  constructor(name: string, act: (model: Model, real: Real) => void) {
    this.name = name;
    this.act = act;
  }
  check: (model: Readonly<Model>) => boolean = () => true;
  run(model: Model, real: Real): void {
    this.act(model, real);
    afterwards(model, real);
  }
  toString = (): string => this.name;
}

/** Something that belongs to a drain; in most runs there is none, for nobody comes any more after it. */
class InDrain extends Global {
  override check = (model: Readonly<Model>): boolean => model.mayDrain;
}

function say(model: ModelClient, client: FakeClient, message: unknown): void {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  client.send(text);
  model.sent.messages += 1;
  model.sent.bytes += Buffer.byteLength(text);
}

function subscribe(model: ModelClient, client: FakeClient, wanted: string[]): void {
  say(model, client, { type: 'subscribe', channels: wanted });
  const all = new Set([...(model.hasSubscribed ? model.patterns : []), ...wanted]);
  if (all.size > 4) return;
  model.patterns = all;
  model.hasSubscribed = true;
}

function unsubscribe(model: ModelClient, client: FakeClient, unwanted: string[]): void {
  say(model, client, { type: 'unsubscribe', channels: unwanted });
  if (model.hasSubscribed) for (const channel of unwanted) model.patterns.delete(channel);
}

function publish(subject: string, size: number): Command {
  return new Global(`publish(${subject}, ${size})`, (model, real) => {
    model.published += 1;
    const payload = `#${model.published} ${subject} ${'x'.repeat(size)}`;
    real.test.gateway.hub.publish(subject, Buffer.from(payload));
    for (const client of model.clients) {
      if (client.isOpen && [...client.patterns].some((pattern) => matches(pattern, subject)))
        client.expected.push(payload);
    }
  });
}

const outage = new Global('the bus was away', (model, real) => {
  real.test.gateway.announceBusGap();
  for (const client of model.clients) if (client.isOpen) client.outages.push(client.expected.length);
});

/** Clients that the gateway has meanwhile begun to close hear nothing more. */
function noticeCuts(model: Model, real: Real): void {
  model.clients.forEach((client, index) => {
    if (real.clients[index]!.readyState !== 1) client.isOpen = false;
  });
}

const sumOf = (record: Record<string, number>): number =>
  Object.values(record).reduce((sum, one) => sum + one, 0);

function afterwards(model: Model, real: Real): void {
  noticeCuts(model, real);
  const now = real.test.figures();
  const live = real.clients.filter((client) => !client.hasEnded).length;
  assert.equal(now.ledgerDrift, 0);
  // I3: the totals are what the ended connections and the rows hold.
  assert.equal(real.test.gateway.audit(), 0);
  // I1: active = opened - closed = rows.
  assert.equal(now.active, live);
  assert.equal(now.opened, model.opened);
  assert.equal(now.drainRemaining, model.isDraining ? live : 0);
  assert.equal(now.active, now.opened - sumOf(now.closed));
  assert.equal(now.active, now.states.open + now.states.congested + now.states.closing);
  // I2: every handshake is accounted for.
  assert.equal(now.handshakes.begun, now.opened + sumOf(now.handshakes.rejected) + now.handshakes.active);
  // I6: what came in, from the clients' own point of view.
  assert.equal(
    now.messages.receive,
    model.clients.reduce((sum, one) => sum + one.sent.messages, 0),
  );
  assert.equal(
    now.payloadBytes.receive,
    model.clients.reduce((sum, one) => sum + one.sent.bytes, 0),
  );
  // I6: what went out is what the kernels took.
  assert.equal(
    now.messages.transmit,
    real.clients.reduce((sum, one) => sum + one.received().length, 0),
  );
  assert.equal(
    now.wireBytes.transmit,
    real.clients.reduce((sum, one) => sum + one.bytesTaken, 0),
  );
  assert.equal(now.sendQueue.connections, now.states.congested + congestedWhileClosing(real));
  // I4: matched = sent + queued + dropped.
  assert.equal(
    now.deliveries.matched,
    now.deliveries.sent + now.deliveries.queued + sumOf(now.deliveries.dropped),
  );
  // I8: nothing falls, nothing is negative.
  for (const [before, after] of monotonic(real.last, now))
    assert.ok(after >= before, `${after} >= ${before}`);
  assert.ok(now.deliveries.queued >= 0 && now.sendQueue.bytes >= 0);
  // I13: each end has one reason.
  assert.equal(real.test.recorded.connectionClosed.length, sumOf(now.closed));
  assert.equal(now.subscriptions, subscriptionsOf(real));
  real.last = now;
}

/** What the hub's members hear, counted anew. */
function subscriptionsOf({ test: { gateway } }: Real): number {
  return [...gateway.connections].reduce((sum, one) => sum + (one.membership?.patterns.length ?? 0), 0);
}

/** A connection that is closing shows as that, though it may be congested too. */
function congestedWhileClosing({ test: { gateway } }: Real): number {
  return [...gateway.connections].filter((one) => one.state === 'closing' && one.isCongested).length;
}

function monotonic(before: GatewayFigures, after: GatewayFigures): [number, number][] {
  const flat = (figures: GatewayFigures): number[] => [
    figures.opened,
    figures.peak,
    ...Object.values(figures.closed),
    figures.messages.receive,
    figures.messages.transmit,
    figures.payloadBytes.transmit,
    figures.wireBytes.transmit,
    figures.deliveries.matched,
    figures.deliveries.sent,
    ...Object.values(figures.deliveries.dropped),
    figures.pingTimeouts,
  ];
  const later = flat(after);
  return flat(before).map((value, index) => [value, later[index]!]);
}

/** Everybody takes what waits and leaves politely, and the account is closed. */
function settle(model: Model, real: Real): void {
  const { gateway } = real.test;
  // A drained client may be told of a gap, or sent what was held back; a flush has several slices.
  while (!real.test.isIdle()) real.test.turn();
  for (const client of real.clients) if (client.readyState === 1) client.drain(Number.MAX_SAFE_INTEGER);
  noticeCuts(model, real);
  const rows = new Map([...gateway.connections].map((connection) => [connection.id, connection.counts]));
  model.clients.forEach((client, index) => {
    const fake = real.clients[index]!;
    const [welcome = '', ...received] = fake.received();
    const heard = received.filter((payload) => payload.startsWith('#'));
    // Never out of order, never twice, nothing that was not asked for.
    assert.ok(isSubsequence(heard, client.expected));
    const isHealthy = client.isOpen && !client.isBroken;
    if (isHealthy) {
      const counts = rows.get(JSON.parse(welcome).clientId)!;
      const { matched, delivered, queued, droppedSlow, droppedConflated, droppedOverload } = counts;
      assert.equal(matched, client.expected.length);
      assert.equal(delivered, heard.length);
      assert.equal(queued, 0);
      assert.equal(matched, delivered + droppedSlow + droppedConflated + droppedOverload);
      // It has been told of everything that it missed.
      assert.equal(missedBy(received, 'slow'), droppedSlow);
      assert.equal(missedBy(received, 'overload'), droppedOverload);
      assertToldOfOutages(received, client, true);
      if (droppedSlow + droppedConflated === 0)
        assertToldOfOverloads(received, client.expected, model.isTold);
      if (droppedSlow + droppedOverload === 0) assertLatest(heard, client.expected);
    } else if (fake.closeCode === 1012 && !fake.hasEnded && !client.isBroken) {
      // Closed by the drain, and about to answer: it has been sent everything that was published before.
      fake.drain(Number.MAX_SAFE_INTEGER);
      const { matched, delivered, queued, droppedSlow, ...counts } = rows.get(
        JSON.parse(welcome || fake.received()[0]!).clientId,
      )!;
      assert.equal(delivered, fake.received().filter((payload) => payload.startsWith('#')).length);
      assert.equal(queued, 0);
      assert.equal(matched, delivered + droppedSlow + counts.droppedConflated + counts.droppedOverload);
      // One that was found slow by the last deliveries is not matched by what comes behind them.
      if (droppedSlow === 0) assert.equal(matched, client.expected.length);
      assertToldOfOutages(fake.received(), client, droppedSlow === 0);
    }
    fake.closeFromClient(1000);
  });
  const end = real.test.figures();
  assert.equal(end.active, 0);
  assert.equal(end.deliveries.queued, 0);
  assert.equal(end.subscriptions + end.channels + end.audiences + end.flush.pendingMessages, 0);
  assert.deepEqual([...real.test.wanted], []);
  // The last one has gone: the drain is over as soon as it refuses new ones.
  assert.equal(real.test.timers.size, gateway.drain.isDraining && !gateway.drain.isRefusing ? 1 : 0);
  const heard = real.clients
    .flatMap((client) => client.received())
    .filter((payload) => payload.startsWith('#'));
  assert.equal(end.deliveries.sent, heard.length);
}

function isSubsequence(part: readonly string[], whole: readonly string[]): boolean {
  let found = 0;
  for (const one of whole) if (one === part[found]) found += 1;
  return found === part.length;
}

function missedBy(received: readonly string[], reason: string): number {
  return received
    .filter((text) => text.startsWith(`{"type":"gap","reason":"${reason}"`))
    .reduce((sum, text) => sum + (JSON.parse(text) as { dropped: number }).dropped, 0);
}

/** Each word of an outage stands where one was, and the last word where the last was: they may have been put together. */
function assertToldOfOutages(received: readonly string[], client: ModelClient, isComplete: boolean): void {
  const places = new Map(client.expected.map((message, place) => [message, place]));
  const isWord = (text: string): boolean => text.startsWith('{"type":"gap","reason":"bus"');
  const heard = received.filter((text) => isWord(text) || places.has(text));
  const words = heard.flatMap((text, index) => (isWord(text) ? [index] : []));
  const isFor = (index: number, place: number): boolean =>
    heard.slice(0, index).every((text) => isWord(text) || places.get(text)! < place) &&
    heard.slice(index).every((text) => isWord(text) || places.get(text)! >= place);
  for (const index of words) assert.ok(client.outages.some((place) => isFor(index, place)));
  assert.ok(words.length <= client.outages.length);
  const last = client.outages.at(-1);
  if (isComplete && last !== undefined) assert.ok(words.length > 0 && isFor(words.at(-1)!, last));
}

/**
 * Before each message it has been told of those dropped before that one, and of no others; or of fewer, where words may be
 * put together.
 */
function assertToldOfOverloads(
  received: readonly string[],
  expected: readonly string[],
  isTold: 'of all' | 'of some',
): void {
  const places = new Map(expected.map((message, place) => [message, place]));
  let missed = 0;
  let heard = 0;
  for (const text of received) {
    missed += missedBy([text], 'overload');
    const place = places.get(text);
    if (place === undefined) continue;
    assert.ok(isTold === 'of all' ? missed === place - heard : missed <= place - heard);
    heard += 1;
  }
}

/** Of each subject the last message has been heard, whatever was conflated. */
function assertLatest(heard: readonly string[], expected: readonly string[]): void {
  const last = (messages: readonly string[]) =>
    new Map(messages.map((message) => [message.split(' ')[1], message]));
  assert.deepEqual([...last(heard)].sort(), [...last(expected)].sort());
}

const client = fc.nat({ max: 23 });
const connect = fc.constantFrom(Number.POSITIVE_INFINITY, 0, 300, 5_000).map((room) => new Connect(room));
const publication = fc
  .record({ subject: fc.constantFrom(...subjects), size: fc.constantFrom(0, 10, 130, 900) })
  .map((one) => publish(one.subject, one.size));
const commands: fc.Arbitrary<Command>[] = [
  connect,
  connect,
  publication,
  publication,
  publication,
  fc.constant(new Global('turn', (_model, real) => real.test.turn())),
  fc.constant(outage),
  fc
    .tuple(client, fc.subarray(channels, { minLength: 1, maxLength: 3 }))
    .map(
      ([index, wanted]) =>
        new ByClient(`subscribe ${wanted}`, index, (model, fake) => subscribe(model, fake, wanted)),
    ),
  fc
    .tuple(client, fc.subarray(channels, { minLength: 1, maxLength: 3 }))
    .map(
      ([index, unwanted]) =>
        new ByClient(`unsubscribe ${unwanted}`, index, (model, fake) => unsubscribe(model, fake, unwanted)),
    ),
  fc
    .tuple(
      client,
      fc.constantFrom('{"type":"ping","timestamp":1}', '{"type":"heartbeat"}', 'nonsense', '{"type":"x"}'),
    )
    .map(([index, text]) => new ByClient(`says ${text}`, index, (model, fake) => say(model, fake, text))),
  fc
    .tuple(client, fc.constantFrom(100, 1_000, 10_000))
    .map(([index, bytes]) => new ByClient(`drain ${bytes}`, index, (_model, fake) => fake.drain(bytes))),
  client.map((index) => new ByClient('stops reading', index, (_model, fake) => fake.stopTaking())),
  fc.tuple(client, fc.constantFrom(1000, 1001, 1005, 4000)).map(
    ([index, code]) =>
      new ByClient(`closes ${code}`, index, (model, fake, { turn }) => {
        turn();
        if (fake.readyState !== 1) return;
        model.isOpen = false;
        fake.closeFromClient(code);
      }),
  ),
  client.map(
    (index) =>
      new ByClient('resets', index, (model, fake) => {
        model.isOpen = false;
        fake.end(1006);
      }),
  ),
  client.map(
    (index) =>
      new ByClient('fails at the next write', index, (model, fake) => {
        model.isBroken = true;
        fake.errored = new Error('EPIPE');
      }),
  ),
  client.map((index) => new ByClient('answers pings', index, (_model, fake) => fake.events.pong())),
  fc
    .tuple(client, fc.constantFrom(0, 125))
    .map(
      ([index, bytes]) =>
        new ByClient(`pings ${bytes}`, index, (_model, fake) => fake.events.ping(Buffer.alloc(bytes))),
    ),
  fc.constantFrom(100, 5_000, 20_000).map(
    (ms) =>
      new Global(`sweeps for ${ms} ms`, (_model, { test: { clock, gateway } }) => {
        for (let passed = 0; passed < ms; passed += 250) {
          clock.nowMs += 250;
          gateway.sweep();
        }
      }),
  ),
  fc.constant(
    new InDrain('is told to leave', (model, { test: { gateway } }) => {
      model.isDraining = true;
      gateway.drain.begin();
    }),
  ),
  fc.constant(
    new InDrain('is hurried', (model, { test: { gateway } }) => {
      model.isDraining = true;
      gateway.drain.hurry();
    }),
  ),
  fc.constantFrom(20, 200, 2_000).map(
    (ms) =>
      new InDrain(`ticks for ${ms} ms`, (_model, { test: { clock, timers } }) => {
        for (let passed = 0; passed < ms; passed += 20) {
          clock.pass(20);
          for (const tick of [...timers]) tick();
        }
      }),
  ),
  fc.constant(new Global('stalls', (_model, { test: { clock } }) => clock.pass(60_000))),
];

const settings = fc.record({
  slowPolicy: fc.constantFrom(...slowPolicies),
  // With the shortest slices a flush stops after every few members, and anything can happen in between.
  flushSliceMs: fc.constantFrom(0, 8),
  // Little room for what waits, so that some is dropped before it is written; or enough for all.
  pendingMax: fc.constantFrom(2_000, 20_000, 2 ** 20),
  drainDelayMs: fc.constantFrom(0, 100),
  drainWindowMs: fc.constantFrom(0, 300, 10_000),
});

test('table, ledger and hub agree with the model after every command', () => {
  const property = fc.property(
    settings,
    fc.constantFrom(true, false, false),
    fc.commands(commands, { maxCommands: 60, size: 'max' }),
    (given, mayDrain, cmds) => {
      const gateway = createTestGateway({ ...given, receiveBurst: 1_000, badMessagesMax: 1_000 });
      const model: Model = {
        clients: [],
        opened: 0,
        published: 0,
        expectedSeconds: 0,
        mayDrain,
        isDraining: false,
        isTold: given.slowPolicy === 'conflate' ? 'of some' : 'of all',
      };
      const real: Real = { test: gateway, clients: [], last: gateway.figures() };
      fc.modelRun(() => ({ model, real }), cmds);
      settle(model, real);
    },
  );
  fc.assert(property, propertyRuns(process.env.CI === 'true' ? 5_000 : 1_000));
});
