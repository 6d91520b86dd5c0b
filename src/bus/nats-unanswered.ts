/**
 * Subscriptions for which the server has not answered yet, in the order in which they were sent.
 *
 * nats-server says nothing of a subscription that it takes, and of one beyond its limit (`max_subs`) only that there is
 * a limit: not which one it has dropped. So a ping goes behind each, and an error that comes before its answer is meant
 * for that one. It costs six bytes each way for a subscription, and nothing for a message.
 */
import type { ProtocolHandler, SubscriptionImpl } from '@nats-io/transport-node';

/** What the library keeps of a ping; it takes the first one off its list when an answer comes. */
type Ping = ProtocolHandler['pongs'][number];

/**
 * A row of them between two other pings. It has one place in the library's list, for a list of a hundred thousand would
 * take minutes to be emptied from its beginning.
 */
export class UnansweredSubscriptions {
  readonly #pings: Ping[];
  readonly #subscriptions: SubscriptionImpl[];
  #answered = 0;

  private constructor(pings: Ping[], subscriptions: SubscriptionImpl[]) {
    this.#pings = pings;
    this.#subscriptions = subscriptions;
  }

  /** One whose ping goes behind all others. */
  static append(pings: Ping[], subscription: SubscriptionImpl): void {
    const last: object | undefined = pings.at(-1);
    if (last instanceof UnansweredSubscriptions) last.#subscriptions.push(subscription);
    else pings.push(new UnansweredSubscriptions(pings, [subscription]).#asPing());
  }

  /** Those whose pings go before all others. */
  static prepend(pings: Ping[], subscriptions: SubscriptionImpl[]): void {
    if (subscriptions.length > 0) pings.unshift(new UnansweredSubscriptions(pings, subscriptions).#asPing());
  }

  /** The one that the server has before it, as far as its answers tell. */
  static first(pings: Ping[]): SubscriptionImpl | undefined {
    const first: object | undefined = pings[0];
    return first instanceof UnansweredSubscriptions ? first.#subscriptions[first.#answered] : undefined;
  }

  /** Called by the library, which has just taken it off the list. */
  resolve(): void {
    this.#answered += 1;
    if (this.#answered < this.#subscriptions.length) this.#pings.unshift(this.#asPing());
  }

  /** Called by the library: the link is gone, and all are sent anew over the next one. */
  reject(): void {}

  /** The library calls nothing else of a ping that it has not made itself. */
  #asPing(): Ping {
    return this as unknown as Ping;
  }
}
