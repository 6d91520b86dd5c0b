/**
 * The totals since the start. What a connection counts is added to its own counts and to the totals in one step; when
 * it ends it hands its counts over, once. So a total never shrinks, and it can be checked at any time that it is what
 * the ended and the live connections hold. Plain numbers, added to in place; who reads them does not change them.
 */

import { type RejectionReason, rejectionReasons } from './admission.ts';
import { type CloseReason, closeReasons } from './close-codes.ts';
import { type GapReason, gapReasons, type MessageError, messageErrors } from './protocol.ts';

/** Why a published message that matched a connection was not sent to it. */
export const dropReasons = ['slow_consumer', 'conflated', 'closed', 'overload'] as const;
export type DropReason = (typeof dropReasons)[number];

/**
 * What one connection counts, and what all of them together do: each step is added to both at once, so reading a total
 * costs nothing, however many connections there are. Deliveries are published messages; messages are these and our own
 * words.
 */
export class ConnectionCounts {
  messagesSent = 0;
  messagesReceived = 0;
  /** Payload bytes of those messages. */
  payloadBytesSent = 0;
  payloadBytesReceived = 0;
  matched = 0;
  delivered = 0;
  /** Deliveries that wait for the kernel to take them. */
  queued = 0;
  droppedSlow = 0;
  droppedConflated = 0;
  droppedClosed = 0;
  droppedOverload = 0;
  readonly #total: ConnectionCounts | undefined;

  constructor(total?: ConnectionCounts) {
    this.#total = total;
  }

  received(payloadBytes: number): void {
    this.messagesReceived += 1;
    this.payloadBytesReceived += payloadBytes;
    this.#total?.received(payloadBytes);
  }

  sent(messages: number, payloadBytes: number, deliveries: number): void {
    this.messagesSent += messages;
    this.payloadBytesSent += payloadBytes;
    this.delivered += deliveries;
    this.#total?.sent(messages, payloadBytes, deliveries);
  }

  match(deliveries: number): void {
    this.matched += deliveries;
    this.#total?.match(deliveries);
  }

  /** What waits becomes more, or with a negative number less. */
  wait(deliveries: number): void {
    this.queued += deliveries;
    this.#total?.wait(deliveries);
  }

  drop(reason: DropReason, deliveries: number): void {
    this[droppedFields[reason]] += deliveries;
    this.#total?.drop(reason, deliveries);
  }

  get dropped(): number {
    return this.droppedSlow + this.droppedConflated + this.droppedClosed + this.droppedOverload;
  }

  /** Adds these counts to a sum. Field by field: it runs over whole tables, and names looked up would cost ten times. */
  addTo(sum: ConnectionCounts): void {
    sum.messagesSent += this.messagesSent;
    sum.messagesReceived += this.messagesReceived;
    sum.payloadBytesSent += this.payloadBytesSent;
    sum.payloadBytesReceived += this.payloadBytesReceived;
    sum.matched += this.matched;
    sum.delivered += this.delivered;
    sum.queued += this.queued;
    sum.droppedSlow += this.droppedSlow;
    sum.droppedConflated += this.droppedConflated;
    sum.droppedClosed += this.droppedClosed;
    sum.droppedOverload += this.droppedOverload;
  }
}

const droppedFields = {
  slow_consumer: 'droppedSlow',
  conflated: 'droppedConflated',
  closed: 'droppedClosed',
  overload: 'droppedOverload',
} as const satisfies Record<DropReason, keyof ConnectionCounts>;

export class Ledger {
  opened = 0;
  readonly closed: Record<CloseReason, number> = zeroes(closeReasons);
  readonly handshakes: { begun: number; active: number; rejected: Record<RejectionReason, number> } = {
    begun: 0,
    active: 0,
    rejected: zeroes(rejectionReasons),
  };
  readonly messagesRejected: Record<MessageError, number> = zeroes(messageErrors);
  readonly gaps: Record<GapReason, number> = zeroes(gapReasons);
  readonly controlFrames = {
    receive: { ping: 0, pong: 0, close: 0 },
    transmit: { ping: 0, pong: 0, close: 0 },
  };
  pingTimeouts = 0;

  /** Of all connections since the start, the live ones included. */
  readonly counts: ConnectionCounts = new ConnectionCounts();
  /** Bytes on their TCP connections: what the kernel has given us, and what it has taken of us. */
  readonly wire: { received: number; sent: number } = { received: 0, sent: 0 };

  /** Of the connections that have ended, handed over once by each: what the total is checked against. */
  readonly ended: ConnectionCounts = new ConnectionCounts();
  /** Milliseconds that they lived, put together. */
  endedMs = 0;

  /** Takes over the counts of a connection that has just ended. Call it once for each. */
  fold(counts: ConnectionCounts, livedMs: number, reason: CloseReason): void {
    this.closed[reason] += 1;
    counts.addTo(this.ended);
    this.endedMs += livedMs;
  }

  /** How many of the totals are not what the ended connections and these live ones have counted: 0, or we have a bug. */
  audit(live: Iterable<{ readonly counts: ConnectionCounts }>): number {
    const sums = sumOf(this.ended, live);
    const names = Object.keys(sums) as (keyof ConnectionCounts)[];
    return names.filter((name) => sums[name] !== this.counts[name]).length;
  }
}

/** By itself: with more code behind the loop, V8 would throw the compiled loop away at its end, in each audit. */
function sumOf(
  ended: ConnectionCounts,
  live: Iterable<{ readonly counts: ConnectionCounts }>,
): ConnectionCounts {
  const sums = new ConnectionCounts();
  ended.addTo(sums);
  for (const { counts } of live) counts.addTo(sums);
  return sums;
}

export function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
