/**
 * One round trip to the broker for all who want to know that it has dealt with what they sent. Whoever asks while one is
 * under way waits for the next, because what he has sent may be behind the first one's ping.
 */
import type { Bus } from './bus.ts';

export class SharedRoundTrip {
  readonly #bus: Pick<Bus, 'roundTrip'>;
  #underWay: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(bus: Pick<Bus, 'roundTrip'>) {
    this.#bus = bus;
  }

  /** @throws BusUnavailableError when the link breaks before the answer */
  ask(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<void> {
    await this.#underWay;
    this.#next = undefined;
    const trip = this.#bus.roundTrip();
    this.#underWay = trip.catch(() => undefined);
    await trip;
  }
}
