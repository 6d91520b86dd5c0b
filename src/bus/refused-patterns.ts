/**
 * Patterns that are wanted and that the broker has refused, and when they are asked for again.
 *
 * For want of a permission: when the link is new, for a broker with other permissions ends the old one. For want of
 * room: also when a subscription of ours has ended, and whenever somebody says so, as others may have been given more
 * room. Then one is asked for, and twice as many each time that all were taken: a broker that is full has one question
 * to answer, and one that is not has them all in a few round trips. Whoever was refused again waits behind the others.
 */
import type { Bus, BusRefusal } from './bus.ts';

export type RefusedPatternsEvents = {
  /** Asks for one again, which may be added again from then on. */
  retry(pattern: string): void;
  /** They are in force. Those that came with a new link are not told of. */
  onTaken(patterns: readonly string[]): void;
};

export class RefusedPatterns {
  readonly #bus: Pick<Bus, 'state' | 'roundTrip'>;
  readonly #events: RefusedPatternsEvents;
  /** The longest refused first. */
  readonly #forPermission = new Set<string>();
  readonly #forRoom = new Set<string>();
  #isRetrying = false;
  #mayHaveRoom = false;

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

  #has(pattern: string): boolean {
    return this.#forPermission.has(pattern) || this.#forRoom.has(pattern);
  }

  retryAll(): void {
    this.#retry([...this.#forPermission, ...this.#forRoom]);
  }

  /** There may be room now. */
  retryForRoom(): void {
    this.#mayHaveRoom = true;
    if (!this.#isRetrying && this.#forRoom.size > 0) void this.#retryWhileThereIsRoom();
  }

  async #retryWhileThereIsRoom(): Promise<void> {
    this.#isRetrying = true;
    // Whoever has ended the subscription may be in the midst of a change.
    await null;
    let count = 1;
    while (this.#mayHaveRoom && this.#forRoom.size > 0 && this.#bus.state === 'connected') {
      this.#mayHaveRoom = false;
      const patterns = this.#forRoom.values().take(count).toArray();
      this.#retry(patterns);
      try {
        await this.#bus.roundTrip();
      } catch {
        // The link is gone: a new one tries them all.
        break;
      }
      const taken = patterns.filter((pattern) => !this.#has(pattern));
      if (taken.length > 0) this.#events.onTaken(taken);
      if (taken.length === patterns.length) {
        this.#mayHaveRoom = true;
        count *= 2;
      }
    }
    this.#isRetrying = false;
  }

  #retry(patterns: readonly string[]): void {
    for (const pattern of patterns) this.delete(pattern);
    for (const pattern of patterns) this.#events.retry(pattern);
  }
}
