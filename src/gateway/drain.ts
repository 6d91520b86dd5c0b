/**
 * Leaving without a herd.
 *
 * Told to leave, the gateway first says that it is not ready and goes on as before for a while: whoever sends
 * clients here has to notice first, and until then they are admitted. Then upgrades are refused, and the closes
 * begin: spread evenly over a window, in random order, so that at any time those that have to go elsewhere are a
 * fair sample of all. In the order of their arrival, those that came together (an office, one customer's pages, the
 * survivors of another gateway's end) would leave together too. Every client is told beforehand in how many
 * milliseconds it should reconnect, a little before it is closed, so that it can have its new connection first.
 *
 * Those that are still connected go on as before: they hear what is published, are pinged, and are closed as slow
 * consumers where they are. One timer serves all of them; each of its ticks does what is due, for a slice of time at
 * most. Those that never answer their close frame are ended when all the others have had time to.
 */
import type { Every } from '../ticker.ts';
import type { Connection } from './connection.ts';
import type { Connections } from './connections.ts';

/** serving: no drain. delaying: not ready, but still admitting. closing: refusing, and closing one after the other. ending: all have been closed, and the last answers are waited for. */
export const drainPhases = ['serving', 'delaying', 'closing', 'ending'] as const;
export type DrainPhase = (typeof drainPhases)[number];

export type DrainSettings = {
  /** From the moment at which the gateway is no longer ready until it refuses and closes. */
  drainDelayMs: number;
  /** How long the closes take at most. */
  drainWindowMs: number;
};

export type DrainSurroundings = {
  nowMs(): number;
  random(): number;
  every: Every;
  /** Tells a client in how many milliseconds it should reconnect. */
  sayReconnect(connection: Connection, afterMs: number): void;
};

/** Between two ticks. */
export const TICK_MS = 20;
/** A tick works for so long at most; what is left is done by the next. */
const SLICE_MS = 8;
/** Ten clients a second are no herd: where there are so few that the window would part them further, it is cut short. */
const SPACING_MAX_MS = 100;
/** What a client is told of the time that it has: it can use the rest to get its new connection first. */
const HINTED_SHARE = 0.9;
/** How long the last clients have to answer their close frames. Counted in ticks, so our own stall is not theirs. */
export const LAST_CLOSES_MS = 1_500;
const HURRIED_CLOSES_MS = 500;

export class Drain {
  readonly #connections: Connections;
  readonly #settings: DrainSettings;
  readonly #around: DrainSurroundings;
  readonly #refusing: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();
  #phase: DrainPhase = 'serving';
  #stopTicking: (() => void) | undefined;
  /** Monotonic milliseconds at which the closes begin, and how long they take. */
  #closingFromMs = 0;
  #spreadMs = 0;
  /** Everybody in the order of the closes; how many have been told, and how many closed. */
  #order: Connection[] = [];
  #hinted = 0;
  #closed = 0;
  #ticksLeft = LAST_CLOSES_MS / TICK_MS;
  #isHurried = false;

  constructor(connections: Connections, settings: DrainSettings, around: DrainSurroundings) {
    this.#connections = connections;
    this.#settings = settings;
    this.#around = around;
  }

  get phase(): DrainPhase {
    return this.#phase;
  }

  get isDraining(): boolean {
    return this.#phase !== 'serving';
  }

  /** No new connections any more. */
  get isRefusing(): boolean {
    return this.#phase === 'closing' || this.#phase === 'ending';
  }

  /** Connections still to go; 0 when not draining. */
  get remaining(): number {
    return this.isDraining ? this.#connections.size : 0;
  }

  /** Resolves when new connections are refused from now on. */
  get refusing(): Promise<void> {
    return this.#refusing.promise;
  }

  /** Resolves when new connections are refused and the last old one has ended. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Begins to leave; once begun, it changes nothing. */
  begin(): void {
    if (this.#phase !== 'serving') return;
    this.#phase = 'delaying';
    this.#closingFromMs = this.#around.nowMs() + this.#settings.drainDelayMs;
    this.#stopTicking = this.#around.every(() => this.tick(), TICK_MS);
    this.tick();
  }

  /** Closes whoever is left now, and waits for answers only briefly. */
  hurry(): void {
    this.begin();
    this.#isHurried = true;
    this.#ticksLeft = Math.min(this.#ticksLeft, HURRIED_CLOSES_MS / TICK_MS);
    this.tick();
  }

  /** Ends everything without waiting for anybody. */
  terminate(): void {
    this.#phase = 'ending';
    this.#refusing.resolve();
    for (const connection of this.#connections) {
      connection.close('drain');
      connection.terminate('drain');
    }
    this.connectionEnded();
  }

  /** To be told whenever a connection has left the table. */
  connectionEnded(): void {
    if (!this.isRefusing || this.#connections.size > 0) return;
    this.#stopTicking?.();
    this.#order = [];
    this.#done.resolve();
  }

  /** Does what is due. */
  tick(): void {
    const nowMs = this.#around.nowMs();
    if (this.#phase === 'delaying' && (this.#isHurried || nowMs >= this.#closingFromMs))
      this.#beginClosing(nowMs);
    if (this.#phase === 'closing') this.#closeDue(nowMs);
    else if (this.#phase === 'ending') this.#awaitAnswers();
  }

  #beginClosing(nowMs: number): void {
    this.#phase = 'closing';
    this.#refusing.resolve();
    this.#closingFromMs = nowMs;
    this.#order = shuffled(this.#connections, this.#around.random);
    this.#spreadMs = Math.min(this.#settings.drainWindowMs, this.#order.length * SPACING_MAX_MS);
    this.connectionEnded();
  }

  /** The closes first, for they have their times; then the hints, in the same order. */
  #closeDue(startedMs: number): void {
    const { nowMs } = this.#around;
    const order = this.#order;
    const untilMs = startedMs + SLICE_MS;
    let now = startedMs;
    while (
      this.#closed < order.length &&
      now < untilMs &&
      (this.#isHurried || now >= this.#closeAtMs(this.#closed))
    ) {
      order[this.#closed]!.close('drain');
      this.#closed += 1;
      now = nowMs();
    }
    this.#hinted = Math.max(this.#hinted, this.#closed);
    while (this.#hinted < order.length && now < untilMs) {
      this.#hint(order[this.#hinted]!, this.#closeAtMs(this.#hinted) - now);
      this.#hinted += 1;
      now = nowMs();
    }
    if (this.#closed === order.length) this.#phase = 'ending';
  }

  #closeAtMs(index: number): number {
    return this.#closingFromMs + (this.#spreadMs * (index + 1)) / this.#order.length;
  }

  #hint(connection: Connection, leftMs: number): void {
    // Behind what a congested client has not taken, the figure would be wrong by the time it is read.
    if (connection.state !== 'open') return;
    this.#around.sayReconnect(connection, Math.max(0, Math.round(leftMs * HINTED_SHARE)));
  }

  #awaitAnswers(): void {
    this.#ticksLeft -= 1;
    if (this.#ticksLeft > 0) return;
    for (const connection of this.#connections) connection.terminate('drain');
  }
}

/** All of them in random order (Fisher and Yates). */
function shuffled<One>(all: Iterable<One>, random: () => number): One[] {
  const order = [...all];
  for (let left = order.length; left > 1; left -= 1) {
    const chosen = Math.floor(random() * left);
    const last = order[left - 1]!;
    order[left - 1] = order[chosen]!;
    order[chosen] = last;
  }
  return order;
}
