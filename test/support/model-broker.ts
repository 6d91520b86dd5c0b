/**
 * A broker in miniature, as slow and as interleaved as a real one can be, for tests of what must hold whatever the
 * order of things: it is a Bus whose every step the test takes by hand.
 *
 * Commands travel to it and are served one by one. A published message is routed as nats-server does it: who gets
 * it is settled at once, then copy after copy is sent, each only if its subscription has not ended by then, and
 * anything may happen between two copies. What it sends arrives in order, as many items at a time as the test
 * likes before anybody who awaits something can act. Time stands still until the test lets it pass. The only bound:
 * a routing is done within the twin time.
 */
import type {
  Bus,
  BusMessage,
  BusMessageListener,
  BusRefusal,
  BusState,
  BusStateListener,
  BusSubscription,
} from '../../src/bus/bus.ts';
import { BusUnavailableError } from '../../src/bus/bus.ts';
import { matches } from '../../src/bus/subjects.ts';

type Sub = {
  pattern: string;
  listener: BusMessageListener;
  refused: (refusal: BusRefusal) => void;
  isInForce: boolean;
  isEnded: boolean;
};
type Routing = { message: BusMessage; subs: Sub[]; begunMs: number };
type Wait = { overMs: number; resolve: () => void };
type Ping = { resolve: () => void; reject: (error: Error) => void };

export class ModelBroker implements Bus {
  readonly system = 'tidegauge.memory';
  readonly server = 'model';
  readonly pendingBytes = 0;
  readonly counts = {
    messagesReceived: 0,
    messagesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    reconnects: 0,
    disconnects: { connection_lost: 0, stale: 0, lame_duck: 0, authorization: 0, other: 0 },
  };
  state: BusState = 'connecting';
  /** Patterns that it denies. */
  readonly denied = new Set<string>();
  /** Subscriptions that it has room for. */
  roomFor = Number.POSITIVE_INFINITY;
  readonly #stateListeners: BusStateListener[] = [];
  readonly #subs: Sub[] = [];
  readonly #commands: (() => void)[] = [];
  readonly #routings: Routing[] = [];
  readonly #stream: (() => void)[] = [];
  readonly #pings = new Set<Ping>();
  #waits: Wait[] = [];
  #nowMs = 0;
  readonly #twinMs: number;

  constructor(twinMs: number) {
    this.#twinMs = twinMs;
  }

  /** What is in force at the broker now. */
  get patterns(): string[] {
    return this.#subs.filter(({ isInForce }) => isInForce).map(({ pattern }) => pattern);
  }

  /** Subscriptions made so far. */
  get subscribed(): number {
    return this.#subs.length;
  }

  get isQuiet(): boolean {
    return this.#commands.length + this.#routings.length + this.#stream.length + this.#waits.length === 0;
  }

  start(): void {
    this.#change('connected');
  }

  onState(listener: BusStateListener): () => void {
    this.#stateListeners.push(listener);
    return () => undefined;
  }

  subscribe(
    pattern: string,
    listener: BusMessageListener,
    refused: (refusal: BusRefusal) => void = () => undefined,
  ): BusSubscription {
    const sub: Sub = { pattern, listener, refused, isInForce: false, isEnded: false };
    this.#subs.push(sub);
    this.#commands.push(() => {
      if (sub.isEnded) return;
      const isFull = this.patterns.length >= this.roomFor;
      sub.isInForce = !isFull && !this.denied.has(pattern);
      if (sub.isInForce) return;
      sub.isEnded = true;
      this.#stream.push(() => sub.refused(isFull ? 'limit' : 'permission'));
    });
    const end = (): void => {
      sub.isInForce = false;
      sub.isEnded = true;
    };
    return { pattern, drain: () => void (sub.isEnded || this.#commands.push(end)) };
  }

  async roundTrip(): Promise<number> {
    if (this.state !== 'connected') throw new BusUnavailableError('away');
    const ping = Promise.withResolvers<void>();
    this.#pings.add(ping);
    this.#commands.push(() => this.#stream.push(() => ping.resolve()));
    await ping.promise;
    this.#pings.delete(ping);
    return 0;
  }

  /** By another client. The order of the copies is the test's to choose. */
  publishFromElsewhere(subject: string, content: string, isReversed: boolean): void {
    const message = { subject, payload: Buffer.from(content) };
    const subs = this.#subs.filter(({ isInForce, pattern }) => isInForce && matches(pattern, subject));
    if (isReversed) subs.reverse();
    this.#routings.push({ message, subs, begunMs: this.#nowMs });
  }

  /** Serves one command of ours. False when there is none. */
  serve(): boolean {
    const command = this.#commands.shift();
    command?.();
    return command !== undefined;
  }

  /** Sends one copy of the message that is being routed in the given place. */
  route(place: number): void {
    const routing = this.#routings[place % Math.max(1, this.#routings.length)];
    if (!routing) return;
    const sub = routing.subs.shift();
    if (sub && !sub.isEnded) this.#stream.push(() => sub.listener(routing.message));
    if (routing.subs.length === 0) this.#routings.splice(this.#routings.indexOf(routing), 1);
  }

  #finish(routing: Routing): void {
    while (this.#routings.includes(routing)) this.route(this.#routings.indexOf(routing));
  }

  /** For those who wait: resolves when that much time has passed. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#waits.push({ overMs: this.#nowMs + ms, resolve }));
  }

  pass(ms: number): void {
    this.#nowMs += ms;
    for (const routing of [...this.#routings]) {
      if (this.#nowMs - routing.begunMs >= this.#twinMs) this.#finish(routing);
    }
    const isOver = ({ overMs }: Wait): boolean => overMs <= this.#nowMs;
    for (const { resolve } of this.#waits.filter(isOver)) resolve();
    this.#waits = this.#waits.filter((wait) => !isOver(wait));
  }

  /** Lets items of the stream arrive, all in one go, and then those who waited for them act. */
  async arrive(items: number): Promise<void> {
    for (const item of this.#stream.splice(0, items)) item();
    await new Promise(setImmediate);
  }

  /** Takes every step that is left to take. */
  async settle(): Promise<void> {
    // Whoever has been told something in this turn may act.
    await new Promise(setImmediate);
    while (!this.isQuiet) {
      this.serve();
      for (const routing of [...this.#routings]) this.#finish(routing);
      this.pass(this.#twinMs);
      await this.arrive(this.#stream.length);
    }
  }

  /** The link breaks and comes back at once; what was under way is lost, subscriptions are made anew. */
  async reconnect(): Promise<void> {
    this.#change('reconnecting');
    this.#commands.length = 0;
    this.#routings.length = 0;
    this.#stream.length = 0;
    for (const ping of this.#pings) ping.reject(new BusUnavailableError('away'));
    this.#pings.clear();
    await new Promise(setImmediate);
    while (this.#commands.length > 0) this.serve();
    for (const sub of this.#subs) sub.isInForce = !sub.isEnded && !this.denied.has(sub.pattern);
    this.#change('connected');
  }

  publish(): never {
    throw new Error('others publish here');
  }

  denials(): number {
    return 0;
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {}

  #change(next: BusState): void {
    const previous = this.state;
    this.state = next;
    for (const listener of this.#stateListeners) listener(next, previous);
  }
}
