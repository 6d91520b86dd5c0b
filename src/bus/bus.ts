/**
 * The bus port: what the gateway needs of a message broker, and no more.
 *
 * Two adapters implement it, NatsBus and MemoryBus, and one contract suite runs on both. An adapter counts
 * what crosses it in `counts` (plain numbers that telemetry reads) and never throws at its caller because
 * the broker is away: that is a state, not an error.
 */

export const busStates = ['connected', 'connecting', 'reconnecting', 'draining', 'closed'] as const;
export type BusState = (typeof busStates)[number];

/** Why a connection to the broker ended. */
export const busDisconnectErrors = [
  'connection_lost',
  'stale',
  'lame_duck',
  'authorization',
  'other',
] as const;
export type BusDisconnectError = (typeof busDisconnectErrors)[number];

/** Why the broker denies a subscription: it may not be had, or there are as many as may be. */
export type BusRefusal = 'permission' | 'limit';

/** One message from the broker. The payload is the adapter's own memory and is never written to. */
export type BusMessage = {
  subject: string;
  payload: Uint8Array;
  /** The `Nats-Msg-Id` header, where the publisher set one. */
  messageId?: string;
};

export type BusMessageListener = (message: BusMessage) => void;

export type BusSubscription = {
  pattern: string;
  /**
   * Ends the subscription without losing what the broker had routed to it before: the listener goes on being
   * called until the broker has confirmed the end. Calling it again does nothing.
   */
  drain(): void;
};

/** Plain numbers, only ever added to. */
export type BusCounts = {
  /** Messages that the broker delivered to us, over all subscriptions. */
  messagesReceived: number;
  messagesSent: number;
  /** Payload bytes. */
  bytesReceived: number;
  bytesSent: number;
  /** Times that the link came back after it had been lost; the first connection is not one. */
  reconnects: number;
  disconnects: Record<BusDisconnectError, number>;
};

export type BusStateListener = (state: BusState, previous: BusState) => void;

export class BusUnavailableError extends Error {
  override name = 'BusUnavailableError';
}

/** Something was sent, and whether the broker has taken it is not known. */
export class BusUnansweredError extends Error {
  override name = 'BusUnansweredError';
}

export interface Bus {
  /** The value of the attribute messaging.system. */
  readonly system: 'nats' | 'tidegauge.memory';
  readonly counts: BusCounts;
  readonly state: BusState;
  /** Where it is connected, for the log and the console; never with credentials in it. */
  readonly server: string;
  /** Bytes published that the broker's socket has not taken yet. */
  readonly pendingBytes: number;
  /** Begins to connect and returns at once; the state tells the rest. Call it once. */
  start(): void;
  /** Called for every change of state, in order. Returns the function that takes the listener away. */
  onState(listener: BusStateListener): () => void;
  /**
   * Takes effect at once, or as soon as there is a connection; outlives reconnects. `refused` is called when the
   * broker denies it: the subscription is dead then, and never comes to life again. A round trip that was begun after
   * it tells: by its end it is in force or has been refused.
   */
  subscribe(
    pattern: string,
    listener: BusMessageListener,
    refused?: (refusal: BusRefusal) => void,
  ): BusSubscription;
  /**
   * @throws BusUnavailableError when the broker is away, or leaves untaken what it was sent: a publisher must know, so an adapter
   *   buffers a few megabytes at most
   */
  publish(subject: string, payload: Uint8Array, options?: { messageId?: string }): void;
  /**
   * How many messages on that subject the broker has refused for want of a permission, of late. By the end of a round trip
   * that was begun after a message, it is counted there or has been taken.
   */
  denials(subject: string): number;
  /** Seconds from a ping to the broker until its answer. @throws BusUnavailableError */
  roundTrip(): Promise<number>;
  /** Ends every subscription, waits until what was under way has arrived or been sent, then closes. Never rejects. */
  drain(): Promise<void>;
  /** Closes at once. Never rejects. */
  close(): Promise<void>;
}
