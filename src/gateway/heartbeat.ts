/**
 * Pings the clients, closes those whose pong is overdue, those whose oldest unsent byte is too old, and those who are idle or
 * there for too long: one sweep for all of them, four times a second, or once while nothing is due. A sweep that comes late
 * has itself been stalled, and so were the answers that it would judge; that time is credited to every client before anyone
 * is judged.
 *
 * Who is congested is looked at in every sweep. Everybody else waits in the slot of time in which something is due of him,
 * and is looked at then: going through ten thousand rows takes time, and the processor's caches from all the rest. A stall
 * that is credited moves deadlines back, which is noticed at that look; a pong may bring the next ping forward, and so
 * moves its client at once.
 */
import type { Connection } from './connection.ts';
import type { Connections } from './connections.ts';
import type { Ledger } from './ledger.ts';
import { endOfLife, type LifetimeSettings } from './lifetime.ts';

export type HeartbeatSettings = LifetimeSettings & {
  pingIntervalMs: number;
  pongTimeoutMs: number;
  bufferedAgeMaxMs: number;
};

/** How often the sweep runs, and so how late a deadline may be met. */
const SWEEP_INTERVAL_MS = 250;
/** How often while nobody is congested and nothing is due within that time. */
const RESTING_INTERVAL_MS = 1_000;
/** What begins during a rest has a deadline as long as this, or half of it for the first ping, and so is not late for it. */
const LONG_MS = 4 * RESTING_INTERVAL_MS;
/** How often one that is closing is looked at. */
const CLOSING_LOOK_MS = 1_000;
/** How long a slow consumer that has been told to go may still take in what it was sent. */
const LAST_CHANCE_MS = 500;
/** A timer is always a little late; only what is more than this counts as a stall. */
const STALL_TOLERANCE_MS = 100;
/** How long after a stall what had to wait for its end may still come in. */
const AFTERMATH_MS = 5_000;

export class Heartbeat {
  readonly #congested: ReadonlySet<Connection>;
  readonly #connections: Connections;
  readonly #ledger: Ledger;
  readonly #settings: HeartbeatSettings;
  readonly #intervalMs: number;
  /** Who is to be looked at, by the number of the slot of time; a slot is as long as the time between two sweeps. */
  readonly #slots = new Map<number, Set<Connection>>();
  /** All before it have been looked at. */
  #firstSlot: number;
  #sweptAtMs: number;
  /** The longest of late, and when it was noticed. */
  #stall = { ms: 0, atMs: Number.NEGATIVE_INFINITY };
  #nextSweepAtMs: number;

  constructor(connections: Connections, ledger: Ledger, settings: HeartbeatSettings, nowMs: number) {
    this.#congested = connections.congested;
    this.#connections = connections;
    this.#ledger = ledger;
    this.#settings = settings;
    this.#intervalMs = Math.min(SWEEP_INTERVAL_MS, settings.pingIntervalMs, settings.pongTimeoutMs);
    this.#firstSlot = this.#slotAt(nowMs);
    this.#sweptAtMs = nowMs;
    // The first may take its time.
    this.#nextSweepAtMs = nowMs + 2 * RESTING_INTERVAL_MS;
  }

  /** After how long `sweep` wants to be called again. */
  get intervalMs(): number {
    return this.#canRest() ? RESTING_INTERVAL_MS : this.#intervalMs;
  }

  #canRest(): boolean {
    const { pingIntervalMs, pongTimeoutMs, bufferedAgeMaxMs, idleMaxMs, ageMaxMs } = this.#settings;
    const shortestMs = Math.min(
      ...[pingIntervalMs, pongTimeoutMs, bufferedAgeMaxMs, idleMaxMs, ageMaxMs].filter((ms) => ms > 0),
    );
    if (this.#congested.size > 0 || shortestMs < LONG_MS) return false;
    const slots = RESTING_INTERVAL_MS / this.#intervalMs;
    for (let slot = this.#firstSlot; slot <= this.#firstSlot + slots; slot += 1)
      if ((this.#slots.get(slot)?.size ?? 0) > 0) return false;
    return true;
  }

  /** A connection has been opened. `random`, from 0 to 1, brings its first ping forward by up to half an interval: those
   * who come together, after a restart for instance, are not pinged together for ever after. */
  add(connection: Connection, random: number): void {
    connection.pingedAtMs -= (random * this.#settings.pingIntervalMs) / 2;
    this.#lookAt(connection, this.#dueAtMs(connection));
  }

  /** It has ended. */
  remove(connection: Connection): void {
    connection.heartbeatSlot?.delete(connection);
    connection.heartbeatSlot = undefined;
  }

  /** The pong that was awaited has come. */
  answered(connection: Connection): void {
    connection.awaitsPong = false;
    this.#lookAt(connection, this.#dueAtMs(connection));
  }

  sweep(nowMs: number): void {
    // From the last sweep on, though it may have been meant to rest: nobody knows when the stall began.
    const stallMs =
      nowMs > this.#nextSweepAtMs + STALL_TOLERANCE_MS ? nowMs - this.#sweptAtMs - this.#intervalMs : 0;
    this.#sweptAtMs = nowMs;
    if (stallMs > 0) {
      for (const connection of this.#connections) connection.credit(stallMs);
      if (stallMs >= this.recentStallMs(nowMs)) this.#stall = { ms: stallMs, atMs: nowMs };
    }
    for (const connection of this.#congested) this.#look(connection, nowMs);
    for (const currentSlot = this.#slotAt(nowMs); this.#firstSlot <= currentSlot; this.#firstSlot += 1) {
      const due = this.#slots.get(this.#firstSlot);
      if (due === undefined) continue;
      for (const connection of due) this.#look(connection, nowMs);
      this.#slots.delete(this.#firstSlot);
    }
    this.#nextSweepAtMs = nowMs + this.intervalMs;
  }

  /** For how long we stood still not long ago: 0 when we did not. */
  recentStallMs(nowMs: number): number {
    return nowMs - this.#stall.atMs <= AFTERMATH_MS ? this.#stall.ms : 0;
  }

  #slotAt(ms: number): number {
    return Math.floor(ms / this.#intervalMs);
  }

  /** Moves it to the slot of that time, or to the first that is still to come. */
  #lookAt(connection: Connection, ms: number): void {
    const slot = Math.max(this.#slotAt(ms), this.#firstSlot);
    let waiting = this.#slots.get(slot);
    if (waiting === undefined) {
      waiting = new Set();
      this.#slots.set(slot, waiting);
    }
    if (waiting === connection.heartbeatSlot) return;
    connection.heartbeatSlot?.delete(connection);
    connection.heartbeatSlot = waiting;
    waiting.add(connection);
  }

  #look(connection: Connection, nowMs: number): void {
    this.#judge(connection, nowMs);
    // The look may have been its end.
    if (connection.heartbeatSlot === undefined) return;
    const { state } = connection;
    if (state === 'closing') this.#lookAt(connection, nowMs + CLOSING_LOOK_MS);
    else this.#lookAt(connection, Math.max(this.#dueAtMs(connection), nowMs + this.#intervalMs));
  }

  /** When something is due of one that keeps up: its next ping, the answer to the last one, or its end. */
  #dueAtMs(connection: Connection): number {
    const { pongTimeoutMs, pingIntervalMs } = this.#settings;
    const { pingedAtMs, awaitsPong } = connection;
    const wordAtMs = pingedAtMs + (awaitsPong ? pongTimeoutMs : pingIntervalMs);
    return Math.min(wordAtMs, endOfLife(connection, this.#settings, this.#stall)?.atMs ?? wordAtMs);
  }

  /** Whether it has been closed for its age, or for having been idle. */
  #isOverAge(connection: Connection, nowMs: number): boolean {
    const end = endOfLife(connection, this.#settings, this.#stall);
    if (end === undefined || nowMs < end.atMs) return false;
    connection.close(end.reason);
    return true;
  }

  #judge(connection: Connection, nowMs: number): void {
    const { state } = connection;
    if (state === 'closing') return this.#judgeClosing(connection, nowMs);
    if (this.#isOverAge(connection, nowMs)) return;
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
