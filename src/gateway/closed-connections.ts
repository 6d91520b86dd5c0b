/**
 * The connections that have ended not long ago, newest kept: a ring for those that said good-bye, and one for all other ends,
 * which the coming and going of ten thousand well clients must not push out before anybody has looked at them.
 */
import type { ConnectionEnd, ConnectionRow } from '../reports/connections.ts';
import type { CloseReason } from './close-codes.ts';

/** The row of one, field by field: objects that are put together from others are larger, and these are many. */
export class ClosedConnection implements ConnectionRow {
  readonly id: string;
  readonly remoteAddr: string;
  readonly durationSeconds: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly idleSeconds: number;
  readonly state = 'closed';
  readonly openedAtUnixMs: number;
  readonly subscriptions: number;
  readonly rttMs: number | undefined;
  readonly bufferedBytes = 0;
  readonly dropped: number;
  readonly gaps: number;
  readonly userAgent: string | undefined;
  readonly end: ClosedEnd;
  /** In the order of the opens, and of the ends. */
  readonly number: number;
  readonly closedNumber: number;

  constructor(row: ConnectionRow, end: ClosedEnd, number: number, closedNumber: number) {
    this.id = row.id;
    this.remoteAddr = row.remoteAddr;
    this.durationSeconds = row.durationSeconds;
    this.messagesSent = row.messagesSent;
    this.messagesReceived = row.messagesReceived;
    this.bytesSent = row.bytesSent;
    this.bytesReceived = row.bytesReceived;
    this.idleSeconds = row.idleSeconds;
    this.openedAtUnixMs = row.openedAtUnixMs;
    this.subscriptions = row.subscriptions;
    this.rttMs = row.rttMs;
    this.dropped = row.dropped;
    this.gaps = row.gaps;
    this.userAgent = row.userAgent;
    this.end = end;
    this.number = number;
    this.closedNumber = closedNumber;
  }
}

export type ClosedEnd = ConnectionEnd & { readonly reason: CloseReason };

/** In each of the two. */
export const CLOSED_MAX = 10_000;

/** Ends that nobody has to look into. A connection that was cut is none: it may be the client's network, or ours. */
const ordinary: ReadonlySet<CloseReason> = new Set<CloseReason>([
  'normal',
  'going_away',
  'idle',
  'max_age',
  'admin',
  'drain',
]);

export class ClosedConnections {
  readonly #max: number;
  readonly #ordinary: Ring = { rows: [], next: 0 };
  readonly #abnormal: Ring = { rows: [], next: 0 };
  readonly #byId = new Map<string, ClosedConnection>();
  #ended = 0;

  constructor(max: number = CLOSED_MAX) {
    this.#max = max;
  }

  /** `row` is how it was at its end, and `number` its place in the order of the opens. */
  add(row: ConnectionRow, end: ClosedEnd, number: number): void {
    const ring = ordinary.has(end.reason) ? this.#ordinary : this.#abnormal;
    this.#ended += 1;
    const closed = new ClosedConnection(row, end, number, this.#ended);
    const oldest = ring.rows[ring.next];
    if (oldest !== undefined) this.#byId.delete(oldest.id);
    this.#byId.set(closed.id, closed);
    ring.rows[ring.next] = closed;
    ring.next = (ring.next + 1) % this.#max;
  }

  find(id: string): ClosedConnection | undefined {
    return this.#byId.get(id);
  }

  /** In the order of their ends. */
  [Symbol.iterator](): IterableIterator<ClosedConnection> {
    return this.#byId.values();
  }
}

type Ring = { readonly rows: ClosedConnection[]; next: number };
