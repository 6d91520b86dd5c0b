/**
 * What comes over a new link waits until the broker has answered, for only then all subscriptions are in force. Whoever was
 * told of the outage before that, and fetched afresh, would miss what was published between his fetch and the
 * subscription; and told of it after the first message, he would take that one for the next of what he knows.
 *
 * It takes one round trip. What waits meanwhile is bounded by what a broker sends before it answers a ping: the messages
 * of the time that it took to read our subscriptions.
 */
import type { Bus, BusMessage } from './bus.ts';

export type NewLinkEvents = {
  /** What was missed before it can be told now: our subscriptions are in force, or the link has broken again. */
  ready(isInForce: boolean): void;
  message(message: BusMessage): void;
};

export class NewLink {
  readonly #bus: Pick<Bus, 'roundTrip'>;
  readonly #events: NewLinkEvents;
  #waiting: BusMessage[] | undefined;

  constructor(bus: Pick<Bus, 'roundTrip'>, events: NewLinkEvents) {
    this.#bus = bus;
    this.#events = events;
  }

  /** Call it whenever the bus is connected. */
  async begin(): Promise<void> {
    this.#release(false);
    const waiting: BusMessage[] = [];
    this.#waiting = waiting;
    // Where it breaks there is another one soon, with an outage of its own.
    const isInForce = await this.#bus.roundTrip().then(
      () => true,
      () => false,
    );
    if (this.#waiting === waiting) this.#release(isInForce);
  }

  receive(message: BusMessage): void {
    if (this.#waiting === undefined) this.#events.message(message);
    else this.#waiting.push(message);
  }

  #release(isInForce: boolean): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.#events.ready(isInForce);
    for (const message of waiting) this.#events.message(message);
  }
}
