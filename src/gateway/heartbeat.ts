/**
 * One sweep for all connections: pings those whose turn it is, closes those whose pong is overdue, and those
 * whose oldest unsent byte is too old. A sweep that comes late has itself been stalled, and so were the
 * answers that it would judge; that time is credited to every client before anyone is judged.
 *
 * Who is congested is looked at in every sweep. Of many others a sweep looks at a share, for at ten thousand a look at
 * each four times a second took most of what an idle gateway costs, and the processor's caches from all the rest.
 */
import type { Connection } from './connection.ts';
import type { Connections } from './connections.ts';
import type { Ledger } from './ledger.ts';

export type HeartbeatSettings = { pingIntervalMs: number; pongTimeoutMs: number; bufferedAgeMaxMs: number };

/** How often the sweep runs; deadlines are met within this, and with many connections within the time of a round. */
export const SWEEP_INTERVAL_MS = 250;
/** Up to so many are looked at in every sweep: a tenth to a third of a millisecond. */
const ALWAYS_LOOKED_AT = 100;
/** A round over all others takes so many sweeps at most, and a tenth of the shortest deadline if that is more than one. */
const ROUND_SWEEPS_MAX = 4;
/** How long a slow consumer that has been told to go may still take in what it was sent. */
const LAST_CHANCE_MS = 500;
/** A timer is always a little late; only what is more than this counts as a stall. */
const STALL_TOLERANCE_MS = 100;

export class Heartbeat {
  readonly #connections: Connections;
  readonly #ledger: Ledger;
  readonly #settings: HeartbeatSettings;
  readonly #intervalMs: number;
  readonly #roundSweeps: number;
  #round: Iterator<Connection>;
  /** The most that there have been since the last round ended. */
  #roundSize = 0;
  #sweptAtMs: number;

  constructor(connections: Connections, ledger: Ledger, settings: HeartbeatSettings, nowMs: number) {
    this.#connections = connections;
    this.#ledger = ledger;
    this.#settings = settings;
    const shortestMs = Math.min(settings.pingIntervalMs, settings.pongTimeoutMs);
    this.#intervalMs = Math.min(SWEEP_INTERVAL_MS, shortestMs);
    const roundSweeps = Math.floor(shortestMs / 10 / this.#intervalMs);
    this.#roundSweeps = Math.min(ROUND_SWEEPS_MAX, Math.max(1, roundSweeps));
    this.#round = connections[Symbol.iterator]();
    this.#sweptAtMs = nowMs;
  }

  /** How often `sweep` wants to be called. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  sweep(nowMs: number): void {
    const lateMs = nowMs - this.#sweptAtMs - this.#intervalMs;
    const stallMs = lateMs > STALL_TOLERANCE_MS ? lateMs : 0;
    this.#sweptAtMs = nowMs;
    if (stallMs > 0) for (const connection of this.#connections) connection.credit(stallMs);
    for (const connection of this.#connections.congested) this.#judge(connection, nowMs);
    this.#judgeShare(nowMs);
  }

  /** The next ones of a round, each once in it; who comes in the midst of a round is at its end. */
  #judgeShare(nowMs: number): void {
    // Those who leave in the midst of a round make it no longer for the others.
    this.#roundSize = Math.max(this.#roundSize, this.#connections.size);
    const share = Math.max(ALWAYS_LOOKED_AT, this.#roundSize / this.#roundSweeps);
    // One look more than there are connections, for it is that which finds the round at its end.
    for (let looks = 0; looks <= share; looks += 1) {
      const { done, value: connection } = this.#round.next();
      if (done) {
        this.#round = this.#connections[Symbol.iterator]();
        this.#roundSize = this.#connections.size;
        return;
      }
      this.#judge(connection, nowMs);
    }
  }

  #judge(connection: Connection, nowMs: number): void {
    const { state } = connection;
    if (state === 'closing') return this.#judgeClosing(connection, nowMs);
    if (state === 'congested') return this.#judgeCongested(connection, nowMs);
    const sincePingMs = nowMs - connection.pingedAtMs;
    if (connection.awaitsPong) {
      if (sincePingMs > this.#settings.pongTimeoutMs) this.#giveUp(connection);
    } else if (sincePingMs >= this.#settings.pingIntervalMs) {
      connection.ping(nowMs);
    }
  }

  /** One that is closing and does not read, also one that has ended its own side, would keep its place for long. */
  #judgeClosing(connection: Connection, nowMs: number): void {
    // The socket may have ended without a word to us.
    connection.noticeClosing();
    const { bufferedAgeMaxMs } = this.#settings;
    if (connection.bufferedAgeMs(nowMs) > bufferedAgeMaxMs + LAST_CHANCE_MS)
      connection.terminate('slow_consumer');
  }

  /**
   * Our ping would wait behind what the client has not taken, so that is the measure here: its age, by the
   * policy, and whether it takes anything at all.
   */
  #judgeCongested(connection: Connection, nowMs: number): void {
    const { bufferedAgeMaxMs, pingIntervalMs, pongTimeoutMs } = this.#settings;
    if (connection.hasMoved()) {
      connection.pingedAtMs = nowMs;
      // It lives. The answer to a ping that is under way would measure the queue, not the network.
      connection.awaitsPong = false;
    } else if (nowMs - connection.pingedAtMs > pingIntervalMs + pongTimeoutMs) {
      return this.#giveUp(connection);
    }
    if (connection.bufferedAgeMs(nowMs) > bufferedAgeMaxMs) connection.overdue();
  }

  #giveUp(connection: Connection): void {
    this.#ledger.pingTimeouts += 1;
    connection.close('ping_timeout');
  }
}
