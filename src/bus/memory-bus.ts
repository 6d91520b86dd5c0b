/**
 * The bus in memory: the embedded default, for a gateway without a broker.
 *
 * It behaves as a broker does as far as a caller can see: who gets a message is decided when it is published,
 * `publish` returns before any listener is called, and all is delivered in the order of publication, in a later
 * turn of the event loop. It keeps nothing, and reaches nobody outside this process.
 * A message costs one copy of its payload; the queue lives for one turn.
 */
import type {
  Bus,
  BusCounts,
  BusMessage,
  BusMessageListener,
  BusState,
  BusStateListener,
  BusSubscription,
} from './bus.ts';
import { BusUnavailableError } from './bus.ts';
import { BusStateHolder, throwLater } from './bus-state.ts';
import { checkPattern, checkPublish } from './checks.ts';
import { SubjectIndex } from './subject-index.ts';

/** A message on its way, or the end of a round trip, which must not overtake what was published before it. */
type Queued = { message: BusMessage; listeners: BusMessageListener[] } | { arrive: () => void };

export class MemoryBus implements Bus {
  readonly system = 'tidegauge.memory';
  readonly server = 'memory';
  readonly counts: BusCounts = {
    messagesReceived: 0,
    messagesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    reconnects: 0,
    disconnects: { connection_lost: 0, stale: 0, lame_duck: 0, authorization: 0, other: 0 },
  };
  readonly #state = new BusStateHolder();
  readonly #index = new SubjectIndex<Subscription>();
  #queue: Queued[] = [];
  #pendingBytes = 0;

  get state(): BusState {
    return this.#state.current;
  }

  /** Payload bytes published and not delivered yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  start(): void {
    queueMicrotask(() => {
      if (this.state === 'connecting') this.#state.change('connected');
    });
  }

  onState(listener: BusStateListener): () => void {
    return this.#state.onState(listener);
  }

  subscribe(pattern: string, listener: BusMessageListener): BusSubscription {
    checkPattern(pattern);
    const subscription: Subscription = {
      pattern,
      listener,
      drain: () => void this.#index.remove(pattern, subscription),
    };
    this.#index.add(pattern, subscription);
    return subscription;
  }

  publish(subject: string, payload: Uint8Array, options?: { messageId?: string }): void {
    const messageId = options?.messageId;
    checkPublish(subject, messageId);
    if (this.state !== 'connected') throw new BusUnavailableError(`the bus is ${this.state}`);
    this.counts.messagesSent += 1;
    this.counts.bytesSent += payload.length;
    const listeners: BusMessageListener[] = [];
    this.#index.match(subject, (subscription) => listeners.push(subscription.listener));
    if (listeners.length === 0) return;
    const own = new Uint8Array(payload);
    const message =
      messageId === undefined ? { subject, payload: own } : { subject, payload: own, messageId };
    this.#pendingBytes += own.length;
    this.#enqueue({ message, listeners });
  }

  denials(): number {
    return 0;
  }

  async roundTrip(): Promise<number> {
    if (this.state !== 'connected') throw new BusUnavailableError(`the bus is ${this.state}`);
    const sentAtMs = performance.now();
    await this.#arrival();
    // Asked again, because the wait has given others the time to close it.
    if ((this.state as BusState) === 'closed') throw new BusUnavailableError('the bus was closed');
    return (performance.now() - sentAtMs) / 1_000;
  }

  async drain(): Promise<void> {
    if (this.state === 'closed') return;
    this.#state.change('draining');
    await this.#arrival();
    await this.close();
  }

  async close(): Promise<void> {
    this.#state.change('closed');
    const abandoned = this.#queue;
    this.#queue = [];
    this.#pendingBytes = 0;
    for (const one of abandoned) if ('arrive' in one) one.arrive();
  }

  /** Resolves when everything that is queued now has been delivered, or given up by `close`. */
  #arrival(): Promise<void> {
    return new Promise((resolve) => this.#enqueue({ arrive: resolve }));
  }

  #enqueue(one: Queued): void {
    this.#queue.push(one);
    // Not a microtask: listeners that publish to each other for ever would never let the event loop go on.
    if (this.#queue.length === 1) setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    const batch = this.#queue;
    this.#queue = [];
    for (const one of batch) {
      if ('arrive' in one) {
        one.arrive();
        continue;
      }
      const { message, listeners } = one;
      this.#pendingBytes -= message.payload.length;
      for (const listener of listeners) {
        if (this.state === 'closed') break;
        this.counts.messagesReceived += 1;
        this.counts.bytesReceived += message.payload.length;
        try {
          listener(message);
        } catch (error) {
          // Our bug, but the others must have their message first.
          throwLater(error);
        }
      }
    }
    if (this.state === 'closed') this.#pendingBytes = 0;
  }
}

type Subscription = BusSubscription & { listener: BusMessageListener };
