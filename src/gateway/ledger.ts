/**
 * The totals since the start. A connection carries its own counts while it lives and hands them over here,
 * once, when it ends; so a total is what has been folded in plus what the live ones hold, and never shrinks.
 * Plain numbers, added to in place; who reads them does not change them.
 */

import { type RejectionReason, rejectionReasons } from './admission.ts';
import { type CloseReason, closeReasons } from './close-codes.ts';
import { type GapReason, gapReasons, type MessageError, messageErrors } from './protocol.ts';

/** Why a published message that matched a connection was not sent to it. */
export const dropReasons = ['slow_consumer', 'conflated', 'closed', 'overload'] as const;
export type DropReason = (typeof dropReasons)[number];

/** What one connection counts. Deliveries are published messages; messages are these and our own words. */
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
}

/** Bytes on the TCP connection, both ways. */
export type WireBytes = { received: number; sent: number };

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

  /** Counts of all connections that have ended. */
  readonly ended: ConnectionCounts = new ConnectionCounts();
  readonly endedWire: WireBytes = { received: 0, sent: 0 };
  /** Seconds that the ended connections lived, put together. */
  endedSeconds = 0;

  /** Takes over the counts of a connection that has just ended. Call it once for each. */
  fold(counts: ConnectionCounts, wire: WireBytes, seconds: number, reason: CloseReason): void {
    this.closed[reason] += 1;
    addCounts(this.ended, counts);
    this.endedWire.received += wire.received;
    this.endedWire.sent += wire.sent;
    this.endedSeconds += seconds;
  }
}

export function addCounts(total: ConnectionCounts, one: ConnectionCounts): void {
  total.messagesSent += one.messagesSent;
  total.messagesReceived += one.messagesReceived;
  total.payloadBytesSent += one.payloadBytesSent;
  total.payloadBytesReceived += one.payloadBytesReceived;
  total.matched += one.matched;
  total.delivered += one.delivered;
  total.queued += one.queued;
  total.droppedSlow += one.droppedSlow;
  total.droppedConflated += one.droppedConflated;
  total.droppedClosed += one.droppedClosed;
  total.droppedOverload += one.droppedOverload;
}

export function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
