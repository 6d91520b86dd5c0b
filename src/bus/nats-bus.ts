/**
 * The bus on NATS.
 *
 * What it adds to the client library: a handle from the first moment, a state, the reasons for which a link breaks, and
 * a link that a listener's exception or an odd header cannot silence. How it is set up is in `nats-options.ts`, how the
 * link fares in `nats-condition.ts`, what is needed of the library's inside in `nats-link.ts`.
 *
 * Messages that come faster than they are taken wait in the kernel and at the broker, which throws out whoever is too
 * far behind: that is an outage like any other. Nothing is kept for one: what is published while away is refused, what
 * others publish meanwhile is lost.
 *
 * Bytes are payload bytes in `counts`. The library's own statistics and nats-server's `/connz` count the block of
 * headers as well (neither counts subjects or line ends): see `linkCounts`.
 */
import { headers as createHeaders, type Msg, SubscriptionImpl } from '@nats-io/transport-node';
import type {
  Bus,
  BusCounts,
  BusMessageListener,
  BusRefusal,
  BusState,
  BusStateListener,
  BusSubscription,
} from './bus.ts';
import { BusUnavailableError } from './bus.ts';
import { callSafely, throwLater } from './bus-state.ts';
import { checkPattern, checkPublish } from './checks.ts';
import { NatsCondition } from './nats-condition.ts';
import { refusalOf } from './nats-errors.ts';
import { NatsLink } from './nats-link.ts';
import { connectionOptions, type NatsBusOptions } from './nats-options.ts';

const messageIdHeader = 'Nats-Msg-Id';
/** Bytes published that may wait for a server that does not read; whether it will is known some pings later. */
const PENDING_MAX = 16 * 2 ** 20;

export class NatsBus implements Bus {
  readonly system = 'nats';
  readonly counts: BusCounts = {
    messagesReceived: 0,
    messagesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    reconnects: 0,
    disconnects: { connection_lost: 0, stale: 0, lame_duck: 0, authorization: 0, other: 0 },
  };
  readonly #condition: NatsCondition;
  readonly #link: NatsLink;
  #drained: Promise<void> | undefined;

  /** @throws Error when a file with credentials or an authority cannot be read or understood */
  constructor(options: NatsBusOptions) {
    const condition = new NatsCondition(options, this.counts);
    this.#condition = condition;
    this.#link = new NatsLink(connectionOptions(options), {
      status: (status) => condition.linkOnStatus(status),
      dialFailed: (server, error) => condition.linkOnDialFailed(server, error),
    });
    condition.watch(this.#link);
  }

  get state(): BusState {
    return this.#condition.state;
  }

  get #isClosed(): boolean {
    return this.state === 'closed';
  }

  get server(): string {
    return this.#condition.server;
  }

  get pendingBytes(): number {
    return this.#link.pendingBytes;
  }

  /**
   * What the client library has counted, which is what `/connz` shows: bytes are headers and payload. A row of
   * `/connz` begins at nought with each connection, and its `in` is what we sent.
   */
  get linkCounts(): {
    messagesReceived: number;
    messagesSent: number;
    bytesReceived: number;
    bytesSent: number;
  } {
    const { inMsgs, outMsgs, inBytes, outBytes } = this.#link;
    return { messagesReceived: inMsgs, messagesSent: outMsgs, bytesReceived: inBytes, bytesSent: outBytes };
  }

  start(): void {
    this.#link.dialLoop().then(
      () => this.#condition.linkOnConnected(),
      // With attempts without end, the loop ends without a connection only because of `close`.
      (error: unknown) => {
        if (!this.#isClosed) throwLater(error);
      },
    );
  }

  onState(listener: BusStateListener): () => void {
    return this.#condition.onState(listener);
  }

  subscribe(
    pattern: string,
    listener: BusMessageListener,
    refused?: (refusal: BusRefusal) => void,
  ): BusSubscription {
    checkPattern(pattern);
    const subscription = new SubscriptionImpl(this.#link, pattern, {
      callback: (error, message) => {
        if (error) {
          this.#condition.complain({ pattern, error: error.message }, 'the bus refuses a subscription');
          const refusal = refusalOf(error) ?? 'permission';
          if (refused && !subscription.isDraining()) callSafely(() => refused(refusal));
        } else {
          this.#receive(message, listener);
        }
      },
    });
    if (!this.#isClosed) this.#link.subscribe(subscription);
    return {
      pattern,
      drain: () => {
        // Sends the end and a ping; the subscription is forgotten when the answer has come, or the link is gone.
        // The library objects where there is nothing to end.
        subscription.drain().catch(() => undefined);
      },
    };
  }

  /**
   * @throws RangeError when the message is larger than the server takes
   * @throws BusUnavailableError also when the server has left too much untaken
   */
  publish(subject: string, payload: Uint8Array, options?: { messageId?: string }): void {
    const messageId = options?.messageId;
    checkPublish(subject, messageId);
    this.#demandConnection();
    if (this.pendingBytes > PENDING_MAX) throw new BusUnavailableError('the bus takes nothing more');
    const headers = messageId === undefined ? undefined : createHeaders();
    headers?.set(messageIdHeader, messageId!);
    try {
      this.#link.publish(subject, payload, headers && { headers });
    } catch (error) {
      // All else that the library could object to has been checked above.
      throw new RangeError(`the bus takes no message of ${payload.length} bytes`, { cause: error });
    }
    this.counts.messagesSent += 1;
    this.counts.bytesSent += payload.length;
  }

  denials(subject: string): number {
    return this.#condition.denials.get(subject) ?? 0;
  }

  async roundTrip(): Promise<number> {
    this.#demandConnection();
    const sentAtMs = performance.now();
    await this.#flush();
    return (performance.now() - sentAtMs) / 1_000;
  }

  /** Takes no longer than a frozen server needs to be found out. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    if (this.#isClosed) return;
    const wasConnected = this.state === 'connected';
    this.#condition.startDraining();
    // A listener may have closed it on hearing that.
    if (wasConnected && !this.#isClosed) {
      for (const subscription of this.#link.subscriptions.all()) this.#link.unsub(subscription);
      // The answer comes after everything that the server had routed to us, and it has read all that we sent.
      // A link that breaks now ends the wait as well.
      await this.#flush().catch(() => undefined);
    }
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#condition.close();
    await this.#link.abandon();
  }

  #receive(message: Msg, listener: BusMessageListener): void {
    // The rest of a chunk that was being read when the bus was closed.
    if (this.#isClosed) return;
    const payload = message.data;
    this.counts.messagesReceived += 1;
    this.counts.bytesReceived += payload.length;
    const messageId = messageIdOf(message);
    const { subject } = message;
    try {
      listener(messageId === '' ? { subject, payload } : { subject, payload, messageId });
    } catch (error) {
      // Our bug; but thrown from here it would end the library's reading, and the link would fall silent.
      throwLater(error);
    }
  }

  /** @throws BusUnavailableError */
  #demandConnection(): void {
    // The library learns of a break a little before it tells.
    if (this.state === 'connected' && this.#link.connected) return;
    throw new BusUnavailableError(`the bus is ${this.state === 'connected' ? 'reconnecting' : this.state}`);
  }

  /** @throws BusUnavailableError when the link breaks before the answer */
  #flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new BusUnavailableError('the bus went away'));
      const forget = this.#condition.onceBroken(fail);
      this.#link.flush().then(resolve, fail).finally(forget);
    });
  }
}

/** Empty when there is none. Throws for no header: whoever publishes can put anything there. */
function messageIdOf(message: Msg): string {
  try {
    return message.headers?.get(messageIdHeader) ?? '';
  } catch {
    return '';
  }
}
