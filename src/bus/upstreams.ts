/**
 * The subscriptions in force on the bus, and which of them have the word for a subject.
 *
 * Where several match, the oldest has it: that one has been heard all along, and the others only make copies. When
 * it is leaving, the oldest of those that stay is to take over.
 */
import type { BusSubscription } from './bus.ts';
import { PatternTree } from './pattern-tree.ts';

/** One subscription on the bus. */
export type Upstream = {
  readonly pattern: string;
  subscription: BusSubscription | undefined;
  /** Places it among the others by age. */
  readonly serial: number;
  /** Those in force that overlap and were there before: they have the word where they match. */
  olderCount: number;
  /** Leaving: on the old side of the hand-over under way. Ended: what still comes is nobody's. */
  state: 'live' | 'leaving' | 'ended';
};

export class Upstreams {
  readonly #inForce = new PatternTree<Upstream>();
  #youngestSerial = 0;

  /** Of the last one that was added. */
  get youngestSerial(): number {
    return this.#youngestSerial;
  }

  add(pattern: string): Upstream {
    this.#youngestSerial += 1;
    const upstream: Upstream = {
      pattern,
      subscription: undefined,
      serial: this.#youngestSerial,
      olderCount: 0,
      state: 'live',
    };
    this.#inForce.overlapping(pattern, () => {
      upstream.olderCount += 1;
    });
    this.#inForce.add(pattern, upstream);
    return upstream;
  }

  /** Ends it. Does nothing the second time. */
  remove(upstream: Upstream): void {
    if (!this.#inForce.remove(upstream.pattern, upstream)) return;
    upstream.state = 'ended';
    this.#inForce.overlapping(upstream.pattern, (other) => {
      if (other.serial > upstream.serial) other.olderCount -= 1;
    });
  }

  /** All that the pattern covers, those with the same pattern among them. */
  covered(pattern: string): Upstream[] {
    const covered: Upstream[] = [];
    this.#inForce.covered(pattern, (upstream) => covered.push(upstream));
    return covered;
  }

  /** Whether one that overlaps with the pattern came after the given serial. */
  hasYounger(pattern: string, serial: number): boolean {
    let hasYounger = false;
    this.#inForce.overlapping(pattern, (other) => {
      if (other.serial > serial) hasYounger = true;
    });
    return hasYounger;
  }

  /** The oldest of all that match the subject, and of those that are not leaving. */
  oldest(subject: string): { oldest: Upstream | undefined; oldestStaying: Upstream | undefined } {
    let oldest: Upstream | undefined;
    let oldestStaying: Upstream | undefined;
    this.#inForce.match(subject, (one) => {
      if (one.serial < (oldest?.serial ?? Infinity)) oldest = one;
      if (one.state === 'live' && one.serial < (oldestStaying?.serial ?? Infinity)) oldestStaying = one;
    });
    return { oldest, oldestStaying };
  }
}
