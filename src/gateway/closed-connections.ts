/**
 * The connections that have ended not long ago, newest kept: a ring for those that said good-bye, and one for all other ends,
 * which the coming and going of ten thousand well clients must not push out before anybody has looked at them. Once both are
 * full they take ten megabytes together, or fifteen where each client has a User-Agent of its own.
 */
import type { ConnectionEnd, ConnectionRow } from '../reports/connections.ts';
import type { CloseReason } from './close-codes.ts';

export type ClosedConnection = ConnectionRow & {
  /** In the order of the opens, and of the ends. */
  readonly number: number;
  readonly closedNumber: number;
  readonly end: ConnectionEnd & { reason: CloseReason };
};

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

  add(row: Omit<ClosedConnection, 'closedNumber'>): void {
    const ring = ordinary.has(row.end.reason) ? this.#ordinary : this.#abnormal;
    this.#ended += 1;
    const closed: ClosedConnection = { ...row, closedNumber: this.#ended };
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
