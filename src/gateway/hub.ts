/**
 * The heart: who listens to what, and how one message reaches all of them.
 *
 * Connections with the same set of patterns form an audience. A message is framed once, queued for each audience that
 * it matches, and written to their members when this turn of the event loop ends: one buffer per audience, one write per
 * connection (one for each 64 KiB, and 1 MiB at most in one go). So the batch grows by itself as the load grows.
 *
 * A flush gives everybody who waits one turn. It is cut into slices of time, between which the event loop turns, so
 * accepting, reading, pongs and scrapes go on; and it is paced: the next one waits for a share of what it took, or of
 * what is usual if that is less, so the CPU that is left says something (and whoever is far behind does not pause). The pause comes when all have had their turn
 * (or after half a second of writing), for in the midst of a flush it would make the last ones wait for nothing. What
 * comes in faster than it can be written waits, up to a bound; beyond that the oldest messages are dropped, and each
 * client that misses some is told how many. No object is made per delivery.
 */
import { SubjectIndex } from '../bus/subject-index.ts';
import { Audience } from './audience.ts';
import { Backlog, FORGET_AT_ONCE } from './backlog.ts';
import type { Connection } from './connection.ts';
import { Fanout } from './fanout.ts';
import { encodeFrame } from './frame.ts';
import { FramePool } from './frame-pool.ts';
import type { GatewayRecorder } from './recorder.ts';

/** After a flush shorter than this the next one does not wait: there is nothing to share. */
const UNPACED_MS = 0.5;
/**
 * A flush that has written for so long pauses before it goes on, and no pause is a share of more than this. A flush over
 * 10,000 connections takes 200 to 400 ms of a slow core; what takes longer is a stall.
 */
const PACED_AFTER_MS = 500;
/**
 * Whoever is behind by so much does not rest: slices leave the event loop its turns, and pauses would only add to it. What
 * comes in during a flush of 400 ms and its pause is written by the end of the next, after 1.2 s: that is not behind.
 */
const BEHIND_MS = 2_000;
/** The weight of a flush in what is usual: a change of the load is usual after some twenty flushes, a second or less. */
const USUAL_SHARE = 0.1;
/**
 * A slice may become longer by this share of it if an audience is through then: else the last few of its members would
 * wait for what the loop does in between.
 */
const GRACE = 0.5;
/** Over its bound the hub drops down to this share of it: seldom enough to be cheap, and little enough to be quick. */
const RELIEF = 0.98;

export type HubSettings = {
  /** A flush writes for so long, and half as long again to finish an audience, then lets the event loop turn. */
  flushSliceMs: number;
  /** Share of a flush's time that the next one waits. */
  flushPacing: number;
  /** Bytes of memory that messages which wait for the flush may take. */
  pendingMax: number;
};

/** What the hub needs of the outside. */
export type HubSurroundings = {
  nowMs(): number;
  /** Runs the function at the end of this turn of the event loop. */
  soon(run: () => void): void;
  /** Runs the function after that many milliseconds. */
  later(run: () => void, ms: number): void;
  recorder: Pick<GatewayRecorder, 'messageSize' | 'fanoutDuration' | 'fanoutRecipients' | 'fanoutBatch'>;
  /** A pattern got its first listener, or lost its last. */
  channelWanted(pattern: string): void;
  channelUnwanted(pattern: string): void;
};

export class Hub {
  readonly #settings: HubSettings;
  readonly #surroundings: HubSurroundings;
  readonly #audiences = new Map<string, Audience>();
  readonly #index = new SubjectIndex<Audience>();
  /** How many audiences ask for a pattern. */
  readonly #channels = new Map<string, number>();
  #subscriptionCount = 0;
  readonly #pool = new FramePool();
  readonly #backlog = new Backlog();
  /** Audiences with something to write, in the order of their turns; those before `#turn` have had theirs. */
  #queue: Audience[] = [];
  #turn = 0;
  /** How many of the queue have still to have their turn in the flush that is under way. */
  #toFlush = 0;
  /** Milliseconds that its slices have written so far, since the last pause. */
  #flushTookMs = 0;
  /** What flushes take usually: a mean that follows slowly. */
  #usualMs = 0;
  #isScheduled = false;
  /** Of the message that is being published. */
  #match = 0;
  #message: Fanout | undefined;
  #number = 0;
  #subject = '';
  #payload: Uint8Array = new Uint8Array(0);
  #recipients = 0;

  constructor(settings: HubSettings, surroundings: HubSurroundings) {
    this.#settings = settings;
    this.#surroundings = surroundings;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  /** Subscriptions of all connections together. */
  get subscriptionCount(): number {
    return this.#subscriptionCount;
  }

  get audienceCount(): number {
    return this.#audiences.size;
  }

  get pendingMessages(): number {
    return this.#backlog.count;
  }

  /** Milliseconds that the oldest message has waited for its last write. */
  lagMs(nowMs: number): number {
    const { oldest } = this.#backlog;
    return oldest === undefined ? 0 : nowMs - oldest.arrivedMs;
  }

  /**
   * Makes a connection hear exactly these patterns from the next message on; what came before it still gets.
   * Duplicates do not matter; an empty set hears nothing.
   */
  assign(connection: Connection, patterns: Iterable<string>): void {
    const sorted = [...new Set(patterns)].sort();
    // Patterns contain no blanks, so different sets have different keys.
    const key = sorted.join(' ');
    if ((connection.membership as Audience | undefined)?.key === key) return;
    // The new audience is there before the old one may go, so a channel that both want is never let go of.
    const next = sorted.length === 0 ? undefined : (this.#audiences.get(key) ?? this.#create(key, sorted));
    this.remove(connection);
    if (next === undefined) return;
    if (connection.state !== 'closing') {
      next.join(connection);
      this.#subscriptionCount += sorted.length;
    } else if (next.members.length === 0) {
      this.#delete(next);
    }
  }

  /** Takes a connection out. What was published before still goes to it, if it is open. */
  remove(connection: Connection): void {
    const audience = connection.membership as Audience | undefined;
    if (audience === undefined) return;
    if (!audience.leave(connection, this.#surroundings.nowMs())) return;
    this.#subscriptionCount -= audience.patterns.length;
    if (audience.members.length === 0 && this.#audiences.get(audience.key) === audience)
      this.#delete(audience);
  }

  /** Goes through all audiences: for what happens seldom. */
  visitListeners(patterns: ReadonlySet<string>, visit: (connection: Connection) => void): void {
    for (const audience of this.#audiences.values()) {
      if (audience.patterns.some((pattern) => patterns.has(pattern)))
        for (const connection of [...audience.members]) visit(connection);
    }
  }

  /** The bus was away: the connection is told of it behind what waits for it here from before that. */
  missBus(connection: Connection): void {
    const audience = connection.membership as Audience | undefined;
    if (audience !== undefined) return audience.missBus(connection);
    connection.missBus();
    connection.tellOfMissed();
  }

  /** A message from the bus. It is on its way when this turn of the event loop ends, or when its turn comes. */
  publish(subject: string, payload: Uint8Array): void {
    this.#match += 1;
    this.#message = undefined;
    this.#subject = subject;
    this.#payload = payload;
    this.#recipients = 0;
    this.#index.match(subject, this.#enqueue);
    if (this.#message === undefined) return;
    const { recorder, soon } = this.#surroundings;
    recorder.fanoutRecipients(this.#recipients);
    recorder.messageSize(payload.length, 'transmit');
    // A message alone always passes, however large.
    if (this.#backlog.bytes > this.#settings.pendingMax && this.#backlog.count > 1) this.#relieve();
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    soon(this.#writeSlice);
  }

  readonly #enqueue = (audience: Audience): void => {
    if (audience.lastMatch === this.#match) return;
    audience.lastMatch = this.#match;
    if (this.#message === undefined) {
      this.#message = new Fanout(this.#subject, encodeFrame(this.#payload), this.#surroundings.nowMs());
      this.#number = this.#backlog.add(this.#message);
    }
    this.#backlog.expect(this.#message);
    audience.add(this.#number);
    this.#recipients += audience.members.length;
    if (audience.isQueued) return;
    audience.isQueued = true;
    this.#queue.push(audience);
  };

  readonly #writeSlice = (): void => {
    const { nowMs, soon, later } = this.#surroundings;
    // Who comes to wait during the flush has his turn in the next one.
    if (this.#toFlush === 0) this.#toFlush = this.#queue.length - this.#turn;
    const startedMs = nowMs();
    this.#write(startedMs + this.#settings.flushSliceMs);
    this.#flushTookMs += nowMs() - startedMs;
    let pauseMs = 0;
    if (this.#toFlush === 0 || this.#flushTookMs >= PACED_AFTER_MS) {
      pauseMs = this.#pauseAfter(Math.min(this.#flushTookMs, PACED_AFTER_MS));
      this.#flushTookMs = 0;
    }
    // What comes in during the pause is written after it, also when nothing is left now.
    this.#isScheduled = pauseMs > 0 || this.#queue.length > 0;
    if (pauseMs > 0) later(this.#afterPause, pauseMs);
    else if (this.#isScheduled) soon(this.#writeSlice);
  };

  /**
   * A share of what the flush took, but of no more than is usual: after a stall, of ours or of the machine, what has
   * come in meanwhile makes the next flush longer, and a longer pause would let still more come in.
   */
  #pauseAfter(tookMs: number): number {
    this.#usualMs = this.#usualMs === 0 ? tookMs : this.#usualMs + (tookMs - this.#usualMs) * USUAL_SHARE;
    const isPaced = tookMs >= UNPACED_MS && this.lagMs(this.#surroundings.nowMs()) < BEHIND_MS;
    return isPaced ? Math.min(tookMs, this.#usualMs) * this.#settings.flushPacing : 0;
  }

  readonly #afterPause = (): void => {
    if (this.#queue.length > 0) this.#writeSlice();
    else this.#isScheduled = false;
  };

  #write(untilMs: number): void {
    const { nowMs, recorder } = this.#surroundings;
    const graceMs = this.#settings.flushSliceMs * GRACE;
    let written = 0;
    let fromMs = 0;
    const mustStop = (done: number, left: number): boolean => {
      const now = nowMs();
      if (now < untilMs) return false;
      const restMs = (left * (now - fromMs)) / done;
      return now + restMs > untilMs + graceMs;
    };
    while (this.#toFlush > 0) {
      const audience = this.#queue[this.#turn]!;
      fromMs = nowMs();
      const batches = audience.write(mustStop, fromMs);
      if (batches === undefined) break;
      const now = nowMs();
      for (const { messages } of batches) {
        for (const message of messages) {
          if (!this.#backlog.settle(message)) continue;
          written += 1;
          recorder.fanoutDuration((now - message.arrivedMs) / 1000);
        }
      }
      this.#turn += 1;
      this.#toFlush -= 1;
      audience.isQueued = audience.needsTurn;
      if (audience.isQueued) this.#queue.push(audience);
      if (nowMs() >= untilMs) break;
    }
    if (this.#turn === this.#queue.length || this.#turn >= FORGET_AT_ONCE) {
      this.#queue.splice(0, this.#turn);
      this.#turn = 0;
    }
    if (written > 0) recorder.fanoutBatch(written);
  }

  /** More waits than may: the oldest messages are dropped, until a fiftieth of the room is free again. */
  #relieve(): void {
    const last = this.#backlog.lastToDrop(this.#settings.pendingMax * RELIEF);
    for (let index = this.#turn; index < this.#queue.length; index += 1)
      for (const message of this.#queue[index]!.dropUpTo(last)) this.#backlog.settle(message);
  }

  #create(key: string, patterns: readonly string[]): Audience {
    const audience = new Audience(key, patterns, this.#backlog, this.#pool);
    this.#audiences.set(key, audience);
    for (const pattern of patterns) {
      this.#index.add(pattern, audience);
      const wanted = this.#channels.get(pattern) ?? 0;
      this.#channels.set(pattern, wanted + 1);
      if (wanted === 0) this.#surroundings.channelWanted(pattern);
    }
    return audience;
  }

  #delete(audience: Audience): void {
    // What was still to be written to it is settled when its turn comes.
    this.#audiences.delete(audience.key);
    for (const pattern of audience.patterns) {
      this.#index.remove(pattern, audience);
      const wanted = this.#channels.get(pattern)! - 1;
      if (wanted > 0) {
        this.#channels.set(pattern, wanted);
      } else {
        this.#channels.delete(pattern);
        this.#surroundings.channelUnwanted(pattern);
      }
    }
  }
}
