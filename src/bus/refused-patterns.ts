/**
 * Patterns that are wanted and that the broker has refused, and when they are asked for again.
 *
 * When the link is new; now and then, for a broker may have been told to give more room or other permissions; and for want
 * of room also when a subscription of ours has ended. Then one is asked for, and twice as many each time that all were
 * taken: a broker that goes on refusing has one question to answer, and one that does not has them all in a few round
 * trips. Whoever was refused again waits behind the others.
 */
import type { Bus, BusRefusal } from './bus.ts';

/** Of `retryNowAndThen`, until it asks again: with one each 5 s, five minutes. */
const callsMax = 64;

export type RefusedPatternsEvents = {
  /** Asks for one again, which may be added again from then on. */
  retry(pattern: string): void;
  /**
   * They are in force since a moment ago, and what was published before has been missed. A few messages from after that may
   * have been heard. Those that came with a new link are not told of.
   */
  onTaken(patterns: readonly string[]): void;
};

export class RefusedPatterns {
  readonly #bus: Pick<Bus, 'state' | 'roundTrip'>;
  readonly #events: RefusedPatternsEvents;
  /** The longest refused first. */
  readonly #forPermission = new Set<string>();
  readonly #forRoom = new Set<string>();
  /** Asked for in place of a refused one that covers them; whether they are in force is not known yet. */
  readonly #unproven = new Set<string>();
  #isRetrying = false;
  #mayHaveRoom = false;
  /** Of `retryNowAndThen`: at which call after the last one that asked it asks again, and how many there have been. */
  #asksAtCall = 0;
  #calls = 0;

  constructor(bus: Pick<Bus, 'state' | 'roundTrip'>, events: RefusedPatternsEvents) {
    this.#bus = bus;
    this.#events = events;
  }

  add(pattern: string, refusal: BusRefusal): void {
    (refusal === 'permission' ? this.#forPermission : this.#forRoom).add(pattern);
  }

  /** False when it was not there. */
  delete(pattern: string): boolean {
    return this.#forPermission.delete(pattern) || this.#forRoom.delete(pattern);
  }

  get size(): number {
    return this.#forPermission.size + this.#forRoom.size;
  }

  has(pattern: string): boolean {
    return this.#forPermission.has(pattern) || this.#forRoom.has(pattern);
  }

  retryAll(): void {
    this.#retry([...this.#forPermission, ...this.#forRoom]);
  }

  /** A subscription of ours has ended: there is room for another. */
  retryForRoom(): void {
    this.#mayHaveRoom = true;
    if (!this.#isRetrying && this.#forRoom.size > 0) void this.#retryWhileThereIsRoom();
  }

  /**
   * The broker may have been told to give more. Call it at an interval; where it was refused again it asks after two, four and more
   * of them, up to `callsMax`, since asking for a pattern that covers thousands takes a while, and brokers log what they deny.
   */
  retryNowAndThen(): void {
    if (this.size === 0) return;
    this.#calls += 1;
    if (this.#calls < this.#asksAtCall) return;
    this.#calls = 0;
    this.#asksAtCall = Math.min(callsMax, Math.max(1, 2 * this.#asksAtCall));
    this.retryForRoom();
    void this.#retryForPermission();
  }

  async #retryForPermission(): Promise<void> {
    let count = 1;
    while (this.#forPermission.size > 0 && this.#bus.state === 'connected') {
      const isTaken = await this.#ask(this.#forPermission.values().take(count).toArray());
      if (!isTaken) return;
      count *= 2;
    }
  }

  /** They have been asked for because a pattern that covers them was refused, which may have been on a new link. */
  async tellWhenTaken(patterns: readonly string[]): Promise<void> {
    if (patterns.length === 0) return;
    for (const pattern of patterns) this.#unproven.add(pattern);
    let isProven = true;
    try {
      await this.#bus.roundTrip();
    } catch {
      // A new link has a word of its own.
      isProven = false;
    }
    const known = patterns.filter((pattern) => this.#unproven.delete(pattern));
    const taken = known.filter((pattern) => !this.has(pattern));
    if (isProven && taken.length > 0) this.#events.onTaken(taken);
  }

  async #retryWhileThereIsRoom(): Promise<void> {
    this.#isRetrying = true;
    // Whoever has ended the subscription may be in the midst of a change.
    await null;
    let count = 1;
    while (this.#mayHaveRoom && this.#forRoom.size > 0 && this.#bus.state === 'connected') {
      this.#mayHaveRoom = false;
      const isTaken = await this.#ask(this.#forRoom.values().take(count).toArray());
      if (isTaken === undefined) break;
      if (isTaken) {
        this.#mayHaveRoom = true;
        count *= 2;
      }
    }
    this.#isRetrying = false;
  }

  /** Whether all of them are taken. Undefined when the link is gone: a new one tries them all. */
  async #ask(patterns: readonly string[]): Promise<boolean | undefined> {
    this.#retry(patterns);
    try {
      await this.#bus.roundTrip();
    } catch {
      return undefined;
    }
    const asked = patterns.filter((pattern) => !this.has(pattern));
    const taken = asked.filter((pattern) => !this.#unproven.has(pattern));
    if (taken.length > 0) this.#events.onTaken(taken);
    if (asked.length < patterns.length) return false;
    this.#asksAtCall = 0;
    return true;
  }

  #retry(patterns: readonly string[]): void {
    for (const pattern of patterns) this.delete(pattern);
    for (const pattern of patterns) this.#events.retry(pattern);
  }
}
