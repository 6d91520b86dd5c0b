/**
 * What the gateway hears from the bus: the union of everything wanted, each message once.
 *
 * A pattern is wanted by any number of takers. Upstream there is a subscription only for those patterns that no
 * other wanted one covers. When a new pattern covers older ones, or the end of one uncovers others, the new
 * subscriptions come first and the old ones go afterwards, by a hand-over (see there): in between nothing is lost
 * and nothing is heard twice. Patterns that overlap in part (`a.*.c` and `a.b.*`) stay side by side. The broker
 * sends a copy for each; the oldest subscription that matches has the word, and the other copies are ignored.
 *
 * What remains: around a hand-over, a message of which the broker sends the two copies more than five round
 * trips apart may be heard twice, or late. Across an outage there is no exactness, as messages are lost then anyway.
 *
 * A message costs nothing more than a look at two fields, unless its subscription overlaps an older one. Changes
 * cost the branches of a tree that they touch, not the number of patterns.
 */
import type { Bus, BusMessage, BusMessageListener, BusSubscription } from './bus.ts';
import { HandOver, twinTrips } from './hand-over.ts';
import { PatternTree } from './pattern-tree.ts';

/** One subscription on the bus. */
type Upstream = {
  pattern: string;
  subscription: BusSubscription | undefined;
  /** Places it among the others by age. */
  serial: number;
  /** Live ones that overlap and were there before: they have the word where they match. */
  olderCount: number;
  /** Leaving: on the old side of the hand-over under way. Ended: what still comes is nobody's. */
  state: 'live' | 'leaving' | 'ended';
};

/** As many as a hand-over needs to tell copies apart. */
const tripsBeforeChange = twinTrips + 2;
const tripsAfterChange = twinTrips;

export class Interest {
  readonly #bus: Bus;
  readonly #listener: BusMessageListener;
  /** Takers by pattern. */
  readonly #takers = new Map<string, number>();
  /** The wanted patterns, but for those that the broker has refused. */
  readonly #wanted = new PatternTree<string>();
  readonly #refused = new Set<string>();
  /** Every subscription in force, also while it waits to leave or is leaving. */
  readonly #live = new PatternTree<Upstream>();
  /** Those that are to stay, by pattern: no pattern here covers another. */
  readonly #staying = new Map<string, Upstream>();
  /** Those that the next hand-over takes away, by pattern. */
  readonly #waiting = new Map<string, Upstream>();
  #handOver: HandOver | undefined;
  #isHandingOver = false;
  #serials = 0;
  /** Copies ignored because another subscription had the word. Only ever added to. */
  overlapDuplicates = 0;

  constructor(bus: Bus, listener: BusMessageListener) {
    this.#bus = bus;
    this.#listener = listener;
    // Permissions may have changed while we were away.
    bus.onState((state) => {
      if (state === 'connected') this.#retryRefused();
    });
  }

  /** Distinct patterns wanted. */
  get patterns(): number {
    return this.#takers.size;
  }

  /** The patterns subscribed upstream that are to stay. */
  get upstreamPatterns(): string[] {
    return [...this.#staying.keys()];
  }

  /** Whether no subscription waits to leave or is leaving. */
  get isSettled(): boolean {
    return !this.#isHandingOver;
  }

  want(pattern: string): void {
    const takers = this.#takers.get(pattern) ?? 0;
    this.#takers.set(pattern, takers + 1);
    if (takers === 0) this.#enter(pattern);
  }

  /** Takes back one `want` of the same pattern. */
  unwant(pattern: string): void {
    const takers = this.#takers.get(pattern);
    if (takers === undefined) throw new Error(`not wanted: ${pattern}`);
    if (takers > 1) {
      this.#takers.set(pattern, takers - 1);
      return;
    }
    this.#takers.delete(pattern);
    if (this.#refused.delete(pattern)) return;
    this.#wanted.remove(pattern, pattern);
    const upstream = this.#staying.get(pattern);
    if (!upstream) return;
    this.#uncover(pattern);
    this.#leave(upstream);
  }

  #enter(pattern: string): void {
    this.#wanted.add(pattern, pattern);
    if (this.#isCovered(pattern)) return;
    const entered = this.#stay(pattern);
    const covered: Upstream[] = [];
    this.#live.covered(pattern, (upstream) => {
      if (upstream !== entered && this.#staying.get(upstream.pattern) === upstream) covered.push(upstream);
    });
    for (const upstream of covered) this.#leave(upstream);
  }

  /** Subscribes to what the pattern alone had covered. */
  #uncover(pattern: string): void {
    const uncovered: string[] = [];
    this.#wanted.covered(pattern, (other) => {
      if (!this.#staying.has(other) && !this.#isCovered(other)) uncovered.push(other);
    });
    for (const other of uncovered) this.#stay(other);
  }

  #isCovered(pattern: string): boolean {
    let isCovered = false;
    this.#wanted.covering(pattern, (other) => {
      if (other !== pattern) isCovered = true;
    });
    return isCovered;
  }

  #stay(pattern: string): Upstream {
    const waiting = this.#waiting.get(pattern);
    if (waiting) {
      // It had been told to leave and has not begun to.
      this.#waiting.delete(pattern);
      this.#staying.set(pattern, waiting);
      return waiting;
    }
    this.#serials += 1;
    const upstream: Upstream = {
      pattern,
      subscription: undefined,
      serial: this.#serials,
      olderCount: 0,
      state: 'live',
    };
    this.#live.overlapping(pattern, () => {
      upstream.olderCount += 1;
    });
    this.#live.add(pattern, upstream);
    this.#staying.set(pattern, upstream);
    upstream.subscription = this.#bus.subscribe(
      pattern,
      (message) => this.#receive(upstream, message),
      () => this.#upstreamOnRefused(upstream),
    );
    return upstream;
  }

  #leave(upstream: Upstream): void {
    this.#staying.delete(upstream.pattern);
    let hasHeir = false;
    this.#live.overlapping(upstream.pattern, (other) => {
      if (other.serial > upstream.serial) hasHeir = true;
    });
    if (!hasHeir) {
      // The usual case. Nobody else hears any of it, so that there is nothing to hand over.
      upstream.subscription?.drain();
      this.#forget(upstream);
      return;
    }
    this.#waiting.set(upstream.pattern, upstream);
    if (!this.#isHandingOver) void this.#handOverAll();
  }

  /** One hand-over after the other, until nobody waits. */
  async #handOverAll(): Promise<void> {
    this.#isHandingOver = true;
    while (this.#waiting.size > 0) {
      const leaving = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const upstream of leaving) upstream.state = 'leaving';
      await this.#handOverFrom(leaving);
    }
    this.#isHandingOver = false;
  }

  async #handOverFrom(leaving: readonly Upstream[]): Promise<void> {
    const handOver = new HandOver();
    this.#handOver = handOver;
    try {
      // The first round trip proves that the new subscriptions are in force, or refused. The others give the copies
      // of messages from before the first the time to find each other.
      for (let trips = 0; trips < tripsBeforeChange; trips += 1) {
        await this.#bus.roundTrip();
        handOver.turn();
      }
      handOver.change();
      for (const upstream of leaving) upstream.subscription?.drain();
      // After the first of these, nothing more comes by the old ones. The others are for new copies held up.
      for (let trips = 0; trips < tripsAfterChange; trips += 1) await this.#bus.roundTrip();
    } catch {
      // The bus is away, or was never there: no copies are under way that could be told apart.
    }
    this.#handOver = undefined;
    for (const upstream of leaving) {
      upstream.subscription?.drain();
      this.#forget(upstream);
    }
    for (const message of handOver.leftovers()) this.#listener(message);
  }

  #forget(upstream: Upstream): void {
    if (!this.#live.remove(upstream.pattern, upstream)) return;
    upstream.state = 'ended';
    this.#live.overlapping(upstream.pattern, (other) => {
      if (other.serial > upstream.serial) other.olderCount -= 1;
    });
  }

  #receive(upstream: Upstream, message: BusMessage): void {
    const isAlone = upstream.olderCount === 0 && upstream.state === 'live';
    if (isAlone) this.#listener(message);
    else this.#receiveAmongOthers(upstream, message);
  }

  /** Where several subscriptions may match, one has the word. */
  #receiveAmongOthers(upstream: Upstream, message: BusMessage): void {
    let oldest: Upstream | undefined;
    let oldestStaying: Upstream | undefined;
    this.#live.match(message.subject, (other) => {
      if (other.serial < (oldest?.serial ?? Infinity)) oldest = other;
      if (other.state === 'live' && other.serial < (oldestStaying?.serial ?? Infinity)) oldestStaying = other;
    });
    // What nobody stays for is nobody's, and what comes by an ended subscription was not wanted when it ended.
    if (!oldestStaying || upstream.state === 'ended') return;
    if (this.#isTaken(upstream, message, oldest!, oldestStaying)) this.#listener(message);
    else this.overlapDuplicates += 1;
  }

  #isTaken(upstream: Upstream, message: BusMessage, oldest: Upstream, oldestStaying: Upstream): boolean {
    // No hand-over of these subjects is under way.
    if (oldest === oldestStaying) return upstream === oldest;
    if (upstream === oldest) return this.#handOver!.takesOld(message);
    return upstream === oldestStaying && this.#handOver!.takesNew(message);
  }

  /** The broker denies it: it covers nothing, and must not have the word. */
  #upstreamOnRefused(upstream: Upstream): void {
    const { pattern } = upstream;
    const stayed = this.#staying.get(pattern) === upstream;
    if (this.#waiting.get(pattern) === upstream) this.#waiting.delete(pattern);
    this.#forget(upstream);
    if (!stayed) return;
    this.#staying.delete(pattern);
    this.#wanted.remove(pattern, pattern);
    this.#refused.add(pattern);
    this.#uncover(pattern);
  }

  #retryRefused(): void {
    const refused = [...this.#refused];
    this.#refused.clear();
    for (const pattern of refused) this.#enter(pattern);
  }
}
