/**
 * The table of all live connections. It knows how many there are, how many there were at most, and which of
 * them are congested or closing; sums over them are made when somebody asks, never per delivery.
 */

import type { ConnectionPage, ConnectionRow } from '../reports/connections.ts';
import type { Connection } from './connection.ts';
import { addCounts, ConnectionCounts, type WireBytes } from './ledger.ts';

/** Sums over the live connections at one instant. */
export type LiveTotals = {
  counts: ConnectionCounts;
  wire: WireBytes;
  /** Age of all put together. */
  seconds: number;
  queueBytes: number;
  largestQueueBytes: number;
  open: number;
  congested: number;
  closing: number;
};

export class Connections {
  readonly #rows = new Map<string, Connection>();
  /** The few that need a look more often than the rest. */
  readonly congested: Set<Connection> = new Set();
  peak = 0;

  get size(): number {
    return this.#rows.size;
  }

  add(connection: Connection): void {
    this.#rows.set(connection.id, connection);
    if (this.#rows.size > this.peak) this.peak = this.#rows.size;
  }

  remove(connection: Connection): void {
    this.#rows.delete(connection.id);
  }

  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#rows.values();
  }

  totals(nowMs: number): LiveTotals {
    const totals: LiveTotals = {
      counts: new ConnectionCounts(),
      wire: { received: 0, sent: 0 },
      seconds: 0,
      queueBytes: 0,
      largestQueueBytes: 0,
      open: 0,
      congested: 0,
      closing: 0,
    };
    let ageMs = 0;
    for (const connection of this.#rows.values()) {
      addCounts(totals.counts, connection.counts);
      connection.addWireBytes(totals.wire);
      ageMs += nowMs - connection.openedAtMs;
      totals[connection.state] += 1;
    }
    for (const connection of this.congested) {
      const bytes = connection.bufferedBytes;
      totals.queueBytes += bytes;
      if (bytes > totals.largestQueueBytes) totals.largestQueueBytes = bytes;
    }
    totals.seconds = ageMs / 1000;
    return totals;
  }

  /** The oldest connections, `limit` at most. */
  page(limit: number, nowMs: number): ConnectionPage {
    const rows: ConnectionRow[] = [];
    for (const connection of this.#rows.values()) {
      if (rows.length >= limit) break;
      rows.push(rowOf(connection, nowMs));
    }
    return { rows, truncated: this.#rows.size > rows.length };
  }
}

function rowOf(connection: Connection, nowMs: number): ConnectionRow {
  const { counts } = connection;
  return {
    id: connection.id,
    remoteAddr: connection.remoteAddress,
    durationSeconds: (nowMs - connection.openedAtMs) / 1000,
    messagesSent: counts.messagesSent,
    messagesReceived: counts.messagesReceived,
    bytesSent: counts.payloadBytesSent,
    bytesReceived: counts.payloadBytesReceived,
    idleSeconds: (nowMs - connection.lastMessageAtMs) / 1000,
  };
}
