/**
 * What the gateway hears from the bus: the union of everything wanted, each message once.
 *
 * A pattern is wanted by any number of takers. Upstream there is a subscription only for those patterns that no
 * other wanted one covers. When a new pattern covers older ones, or the end of one uncovers others, the new
 * subscriptions come first and the old ones go a few seconds later, by a hand-over (see there): in between nothing is
 * lost and nothing is heard twice. Patterns that overlap in part (`a.*.c` and `a.b.*`) stay side by side. The
 * broker sends a copy for each; the oldest subscription that matches has the word, and the other copies are ignored.
 *
 * A broker may refuse a subscription. What it covers then stays as it is, or is subscribed in its place, and it is asked
 * for again when there is reason to hope (see refused-patterns.ts): where the broker has no room for both sides of a
 * hand-over, as soon as the old one has ended.
 *
 * What remains: a message is lost or heard twice if the broker stops for longer than the twin time between two of
 * its copies, of all places and just at a change. Across an outage there is no exactness: messages are lost then
 * anyway. What is published before a refused subscription is taken is lost too.
 *
 * A message costs nothing more than a look at two fields, unless its subscription overlaps an older one. Changes
 * cost the branches of a tree that they touch, not the number of patterns.
 */
import { setTimeout } from 'node:timers/promises';
import type { Bus, BusMessage, BusMessageListener, BusRefusal } from './bus.ts';
import { HandOver, turnsBeforeChange, turnsPerTwinTime } from './hand-over.ts';
import { PatternTree } from './pattern-tree.ts';
import { RefusedPatterns } from './refused-patterns.ts';
import { type Upstream, Upstreams } from './upstreams.ts';

/** What a hand-over asks of the broker and of the clock. */
export type InterestOptions = {
  /** Within this time the broker sends all copies of a message. A hand-over takes three of them. */
  twinMs?: number;
  /** How long a wide pattern stays that nobody wants any more. 0: not at all. */
  lingerMs?: number;
  wait?: (ms: number) => Promise<unknown>;
  /** See RefusedPatternsEvents. */
  onTaken?: (patterns: readonly string[]) => void;
  /** One that may be shared, and begins after the call; by default one of the bus for each. */
  roundTrip?: () => Promise<unknown>;
};

export class Interest {
  readonly #bus: Bus;
  readonly #listener: BusMessageListener;
  readonly #twinMs: number;
  readonly #lingerMs: number;
  readonly #wait: (ms: number) => Promise<unknown>;
  readonly #roundTrip: () => Promise<unknown>;
  /** Up to which subscriptions are known to be in force, or refused. */
  #provenSerial = 0;
  /** Takers by pattern. */
  readonly #takers = new Map<string, number>();
  /** The wanted patterns, but for those that the broker has refused. */
  readonly #wanted = new PatternTree<string>();
  readonly #refused: RefusedPatterns;
  /** That nobody wants any more, and that stay for a moment, in case that somebody does again; with a token for that moment. */
  readonly #lingering = new Map<string, object>();
  /** Every subscription in force, also while it waits to leave or is leaving. */
  readonly #upstreams = new Upstreams();
  /** Those that are to stay, by pattern: no pattern here covers another. */
  readonly #staying = new Map<string, Upstream>();
  /** Those that the next hand-over takes away, by pattern. */
  readonly #waiting = new Map<string, Upstream>();
  /** Those that the hand-over under way takes away, by pattern. They may be taken back before its change. */
  readonly #leaving = new Map<string, Upstream>();
  #handOver = new HandOver();
  #isHandingOver = false;
  /** Of the youngest subscription when the hand-over under way began. */
  #serialAtHandOver = 0;
  /** Patterns of those that came later and have ended since. */
  #endedLatecomers = new PatternTree<string>();
  /** Copies ignored because another subscription had the word. Only ever added to. */
  overlapDuplicates = 0;

  constructor(bus: Bus, listener: BusMessageListener, options: InterestOptions = {}) {
    this.#bus = bus;
    this.#listener = listener;
    this.#twinMs = options.twinMs ?? 2_000;
    this.#lingerMs = options.lingerMs ?? 2_000;
    // A gateway that has nothing else to do may end meanwhile.
    this.#wait = options.wait ?? ((ms) => setTimeout(ms, undefined, { ref: false }));
    this.#roundTrip = options.roundTrip ?? (() => bus.roundTrip());
    this.#refused = new RefusedPatterns(bus, {
      retry: (pattern) => this.#enter(pattern),
      onTaken: options.onTaken ?? (() => undefined),
    });
    bus.onState((state) => {
      // Permissions and limits may have changed while we were away.
      if (state === 'connected') this.#refused.retryAll();
      else this.#handOver.forget();
    });
  }

  /** Distinct patterns wanted. */
  get patterns(): number {
    return this.#takers.size;
  }

  /** Those that the broker has refused. */
  get refusedPatterns(): number {
    return this.#refused.size;
  }

  /** The patterns subscribed upstream that are to stay. */
  get upstreamPatterns(): string[] {
    return [...this.#staying.keys()];
  }

  /** Whether no subscription lingers, waits to leave or is leaving. */
  get isSettled(): boolean {
    return !this.#isHandingOver && this.#lingering.size === 0;
  }

  /**
   * Undefined where every subscription is in force or refused. Else resolves when those are that there are now; or when the
   * bus has gone, for what is missed over that is told when it is back.
   */
  inForce(): Promise<void> | undefined {
    const { youngestSerial } = this.#upstreams;
    if (this.#provenSerial >= youngestSerial || this.#bus.state !== 'connected') return undefined;
    return this.#roundTrip().then(
      () => {
        this.#provenSerial = Math.max(this.#provenSerial, youngestSerial);
      },
      () => undefined,
    );
  }

  /** Whether the broker has refused it, and nothing else that is subscribed covers it. */
  isRefused(pattern: string): boolean {
    return this.#refused.has(pattern) && !this.#isCovered(pattern);
  }

  want(pattern: string): void {
    const takers = this.#takers.get(pattern) ?? 0;
    this.#takers.set(pattern, takers + 1);
    if (takers === 0 && !this.#lingering.delete(pattern)) this.#enter(pattern);
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
    const lingers = this.#lingerMs > 0 && this.#staying.has(pattern) && isWide(pattern);
    if (lingers) void this.#linger(pattern);
    else this.#exit(pattern);
  }

  /** Whoever takes a wide pattern back and forth would have all that it covers come and go with it. */
  async #linger(pattern: string): Promise<void> {
    const moment = {};
    this.#lingering.set(pattern, moment);
    await this.#wait(this.#lingerMs);
    if (this.#lingering.get(pattern) !== moment) return;
    this.#lingering.delete(pattern);
    this.#exit(pattern);
  }

  #exit(pattern: string): void {
    this.#wanted.remove(pattern, pattern);
    const upstream = this.#staying.get(pattern);
    if (!upstream) return;
    this.#uncover(pattern);
    this.#leave(upstream);
  }

  /** Call it at an interval of some seconds: the broker may have been given more room. */
  retryRefused(): void {
    this.#refused.retryNowAndThen();
  }

  #enter(pattern: string): void {
    this.#wanted.add(pattern, pattern);
    if (this.#isCovered(pattern)) return;
    const entered = this.#stay(pattern);
    const isStaying = (one: Upstream): boolean => this.#staying.get(one.pattern) === one;
    const covered = this.#upstreams.covered(pattern).filter((one) => one !== entered && isStaying(one));
    for (const upstream of covered) this.#leave(upstream);
  }

  /** Subscribes to what the pattern alone had covered. Answers with what was not subscribed until now. */
  #uncover(pattern: string): string[] {
    const { youngestSerial } = this.#upstreams;
    const uncovered: string[] = [];
    this.#wanted.covered(pattern, (other) => {
      if (!this.#staying.has(other) && !this.#isCovered(other)) uncovered.push(other);
    });
    return uncovered.filter((other) => this.#stay(other).serial > youngestSerial);
  }

  #isCovered(pattern: string): boolean {
    let isCovered = false;
    this.#wanted.covering(pattern, (other) => {
      if (other !== pattern) isCovered = true;
    });
    return isCovered;
  }

  #stay(pattern: string): Upstream {
    const kept = this.#takeBack(pattern);
    if (kept) return kept;
    const upstream = this.#upstreams.add(pattern);
    this.#staying.set(pattern, upstream);
    upstream.subscription = this.#bus.subscribe(
      pattern,
      (message) => this.#receive(upstream, message),
      (refusal) => this.#upstreamOnRefused(upstream, refusal),
    );
    return upstream;
  }

  /** One that has been told to leave, if it still has the word wherever it is the oldest. */
  #takeBack(pattern: string): Upstream | undefined {
    const upstream = this.#waiting.get(pattern) ?? this.#leaving.get(pattern);
    if (!upstream) return undefined;
    if (upstream.state === 'leaving' && this.#hasLatecomer(pattern)) return undefined;
    this.#cancelLeaving(upstream);
    if (upstream.state === 'leaving') this.#handOver.startOver();
    upstream.state = 'live';
    this.#staying.set(pattern, upstream);
    return upstream;
  }

  /** Which has the word already (see `#isTaken`), or had it when copies were sent that are still to come from the old side. */
  #hasLatecomer(pattern: string): boolean {
    let hasLatecomer = this.#upstreams.hasYounger(pattern, this.#serialAtHandOver);
    this.#endedLatecomers.overlapping(pattern, () => {
      hasLatecomer = true;
    });
    return hasLatecomer;
  }

  #cancelLeaving(upstream: Upstream): void {
    // There may be a younger one with the same pattern.
    for (const going of [this.#waiting, this.#leaving]) {
      if (going.get(upstream.pattern) === upstream) going.delete(upstream.pattern);
    }
  }

  #leave(upstream: Upstream): void {
    this.#staying.delete(upstream.pattern);
    if (!this.#upstreams.hasYounger(upstream.pattern, upstream.serial)) {
      // The usual case. Nobody else hears any of it, so that there is nothing to hand over.
      this.#end(upstream);
      return;
    }
    this.#waiting.set(upstream.pattern, upstream);
    if (!this.#isHandingOver) void this.#handOverAll();
  }

  #end(upstream: Upstream): void {
    upstream.subscription?.drain();
    const { pattern, serial } = upstream;
    if (this.#leaving.size > 0 && serial > this.#serialAtHandOver)
      this.#endedLatecomers.add(pattern, pattern);
    this.#upstreams.remove(upstream);
    this.#refused.retryForRoom();
  }

  /** One hand-over after the other, until nobody waits. */
  async #handOverAll(): Promise<void> {
    this.#isHandingOver = true;
    // What changes in one turn is handed over together.
    await null;
    while (this.#waiting.size > 0) await this.#handOverWaiting();
    this.#isHandingOver = false;
  }

  async #handOverWaiting(): Promise<void> {
    const waiting = [...this.#waiting.values()];
    const handOver = new HandOver();
    this.#handOver = handOver;
    let isProven = false;
    try {
      // Proves that the new subscriptions are in force, or refused: then some need not leave.
      await this.#bus.roundTrip();
      isProven = true;
    } catch {
      // The bus is away, or was never there: no copies are under way that could be told apart.
    }
    for (const upstream of waiting) this.#startLeaving(upstream);
    if (this.#leaving.size === 0) return;
    // Those that came during that round trip are proven by the next turn, which is early enough.
    this.#serialAtHandOver = this.#upstreams.youngestSerial;
    this.#endedLatecomers = new PatternTree();
    try {
      if (isProven) await this.#turnsUntilChange(handOver);
    } catch {
      // Likewise.
    }
    const ending = [...this.#leaving.values()];
    // From here on they cannot be taken back.
    this.#leaving.clear();
    if (handOver.isChanged) await this.#turnsAfterChange();
    for (const upstream of ending) this.#end(upstream);
  }

  /** Unless it has been taken back. */
  #startLeaving(upstream: Upstream): void {
    const { pattern } = upstream;
    if (this.#waiting.get(pattern) !== upstream) return;
    this.#waiting.delete(pattern);
    upstream.state = 'leaving';
    this.#leaving.set(pattern, upstream);
  }

  async #turnsUntilChange(handOver: HandOver): Promise<void> {
    do {
      handOver.turn();
      for (let turns = 1; turns < turnsBeforeChange; turns += 1) {
        await this.#turn();
        handOver.turn();
      }
    } while (!handOver.change());
  }

  async #turnsAfterChange(): Promise<void> {
    try {
      for (let turns = 0; turns < turnsPerTwinTime; turns += 1) await this.#turn();
    } catch {
      // The bus is away: nothing that was under way will come.
    }
  }

  /** The round trip sees to it that a broker that stands still makes no turn meanwhile. */
  async #turn(): Promise<void> {
    await this.#wait(this.#twinMs / turnsPerTwinTime);
    await this.#bus.roundTrip();
  }

  #receive(upstream: Upstream, message: BusMessage): void {
    const isAlone = upstream.olderCount === 0 && upstream.state === 'live';
    if (isAlone) this.#listener(message);
    else this.#receiveAmongOthers(upstream, message);
  }

  /** Where several subscriptions may match, one has the word. */
  #receiveAmongOthers(upstream: Upstream, message: BusMessage): void {
    const { oldest, oldestStaying } = this.#upstreams.oldest(message.subject);
    // What nobody stays for is nobody's, and what comes by an ended subscription was not wanted when it ended.
    if (!oldestStaying || upstream.state === 'ended') return;
    if (this.#isTaken(upstream, message, oldest!, oldestStaying)) this.#listener(message);
    else this.overlapDuplicates += 1;
  }

  #isTaken(upstream: Upstream, message: BusMessage, oldest: Upstream, oldestStaying: Upstream): boolean {
    // No hand-over of these subjects is under way. Or nobody wanted them when it began: whoever does now has come too
    // late for a copy of anything that has been heard already.
    if (oldest === oldestStaying || oldestStaying.serial > this.#serialAtHandOver)
      return upstream === oldestStaying;
    if (upstream === oldest) return this.#handOver.takesOld(message);
    return upstream === oldestStaying && this.#handOver.takesNew(message);
  }

  /** The broker denies it: it covers nothing, and must not have the word. */
  #upstreamOnRefused(upstream: Upstream, refusal: BusRefusal): void {
    const { pattern } = upstream;
    const stayed = this.#staying.get(pattern) === upstream;
    this.#cancelLeaving(upstream);
    this.#upstreams.remove(upstream);
    if (!stayed) return;
    this.#staying.delete(pattern);
    this.#wanted.remove(pattern, pattern);
    if (!this.#lingering.delete(pattern)) this.#refused.add(pattern, refusal);
    void this.#refused.tellWhenTaken(this.#uncover(pattern));
  }
}

/** May cover others. */
function isWide(pattern: string): boolean {
  return pattern.includes('*') || pattern.endsWith('>');
}
