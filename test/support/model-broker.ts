/**
 * A broker in miniature, as slow and as interleaved as a real one can be, for tests of what must hold whatever the
 * order of things: it is a Bus whose every step the test takes by hand.
 *
 * Commands travel to it and are served one by one. A published message is routed as nats-server does it: who gets
 * it is settled at once, then copy after copy is sent, each only if its subscription has not ended by then, and
 * anything may happen between two copies. What it sends arrives in order, as many items at a time as the test
 * likes before anybody who awaits something can act. The only bound: a routing is done before a second ping is
 * answered since it began.
 */
import type {
  Bus,
  BusMessage,
  BusMessageListener,
  BusState,
  BusStateListener,
  BusSubscription,
} from '../../src/bus/bus.ts';
import { BusUnavailableError } from '../../src/bus/bus.ts';
import { matches } from '../../src/bus/subjects.ts';

type Sub = {
  pattern: string;
  listener: BusMessageListener;
  refused: () => void;
  isInForce: boolean;
  isEnded: boolean;
};
type Routing = { message: BusMessage; subs: Sub[]; pingsSince: number };
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
  readonly #stateListeners: BusStateListener[] = [];
  readonly #subs: Sub[] = [];
  readonly #commands: (() => void)[] = [];
  readonly #routings: Routing[] = [];
  readonly #stream: (() => void)[] = [];
  readonly #pings = new Set<Ping>();

  /** What is in force at the broker now. */
  get patterns(): string[] {
    return this.#subs.filter(({ isInForce }) => isInForce).map(({ pattern }) => pattern);
  }

  get isQuiet(): boolean {
    return this.#commands.length + this.#routings.length + this.#stream.length === 0;
  }

  start(): void {
    this.#change('connected');
  }

  onState(listener: BusStateListener): () => void {
    this.#stateListeners.push(listener);
    return () => undefined;
  }

  subscribe(pattern: string, listener: BusMessageListener, refused = (): void => undefined): BusSubscription {
    const sub: Sub = { pattern, listener, refused, isInForce: false, isEnded: false };
    this.#subs.push(sub);
    this.#commands.push(() => {
      if (sub.isEnded) return;
      if (!this.denied.has(pattern)) {
        sub.isInForce = true;
        return;
      }
      sub.isEnded = true;
      this.#stream.push(() => sub.refused());
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
    this.#commands.push(() => {
      for (const routing of [...this.#routings]) if (routing.pingsSince > 0) this.#finish(routing);
      for (const routing of this.#routings) routing.pingsSince += 1;
      this.#stream.push(() => ping.resolve());
    });
    await ping.promise;
    this.#pings.delete(ping);
    return 0;
  }

  /** By another client. The order of the copies is the test's to choose. */
  publishFromElsewhere(subject: string, content: string, isReversed: boolean): void {
    const message = { subject, payload: Buffer.from(content) };
    const subs = this.#subs.filter(({ isInForce, pattern }) => isInForce && matches(pattern, subject));
    if (isReversed) subs.reverse();
    this.#routings.push({ message, subs, pingsSince: 0 });
  }

  /** Serves one command of ours. */
  serve(): void {
    this.#commands.shift()?.();
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

  /** Lets items of the stream arrive, all in one go, and then those who waited for them act. */
  async arrive(items: number): Promise<void> {
    for (const item of this.#stream.splice(0, items)) item();
    await new Promise(setImmediate);
  }

  /** Takes every step that is left to take. */
  async settle(): Promise<void> {
    while (!this.isQuiet) {
      this.serve();
      for (const routing of [...this.#routings]) this.#finish(routing);
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

  async drain(): Promise<void> {}

  async close(): Promise<void> {}

  #change(next: BusState): void {
    const previous = this.state;
    this.state = next;
    for (const listener of this.#stateListeners) listener(next, previous);
  }
}
