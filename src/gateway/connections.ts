/**
 * The table of all live connections. It knows how many there are, how many there were at most, and which of them are
 * congested or closing. Whoever asks for figures does not go through all rows: ten thousand cost milliseconds.
 */

import type { Connection } from './connection.ts';

/** What the live connections are doing at one instant. */
export type LiveFigures = {
  /** Milliseconds that they have lived, put together. */
  ageMs: number;
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
  /** How many take no more messages, and have not ended yet. */
  closing = 0;
  #openedAtMsSum = 0;

  get size(): number {
    return this.#rows.size;
  }

  get(id: string): Connection | undefined {
    return this.#rows.get(id);
  }

  add(connection: Connection): void {
    this.#rows.set(connection.id, connection);
    this.#openedAtMsSum += connection.openedAtMs;
    if (this.#rows.size > this.peak) this.peak = this.#rows.size;
  }

  remove(connection: Connection): void {
    if (this.#rows.delete(connection.id)) this.#openedAtMsSum -= connection.openedAtMs;
  }

  /** In the order in which they were opened. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#rows.values();
  }

  /** Costs a look at each congested connection and at no other. */
  figures(nowMs: number): LiveFigures {
    let queueBytes = 0;
    let largestQueueBytes = 0;
    let congested = 0;
    for (const connection of this.congested) {
      const bytes = connection.bufferedBytes;
      queueBytes += bytes;
      if (bytes > largestQueueBytes) largestQueueBytes = bytes;
      if (!connection.isNoticedClosing) congested += 1;
    }
    return {
      ageMs: this.size * onGrid(nowMs) - this.#openedAtMsSum,
      queueBytes,
      largestQueueBytes,
      open: this.size - congested - this.closing,
      congested,
      closing: this.closing,
    };
  }
}

/**
 * Milliseconds on a grid of a quarter, on which sums of a year of a hundred thousand connections are exact in a double.
 * So the time of all connections together neither drifts nor falls when one leaves.
 */
export function onGrid(ms: number): number {
  return Math.floor(ms * 4) / 4;
}
