/**
 * An audience: all connections with the same set of patterns, and the messages that they are still to be sent.
 *
 * Messages are numbered in the order of arrival. Each member knows the number of the next message that it needs,
 * so who joins or leaves while messages wait, or in the midst of writing them, costs nobody else anything: a new
 * member begins behind what waits, and one that leaves is sent its own rest first. Writing can stop after any
 * member and go on later. The usual member needs everything that is written, and shares one buffer with the rest.
 */
import type { Backlog } from './backlog.ts';
import type { Connection } from './connection.ts';
import { type Fanout, fetchFrames, framesLength, joinFrames } from './fanout.ts';
import { CHUNK_BYTES, type FramePool } from './frame-pool.ts';
import type { NumberQueue } from './number-queues.ts';

/** And this much of what waits is written to all members before more is: what is being written cannot be dropped. */
const ROUND_CHUNKS = 16;
/** So many messages are looked up together at first, and twice as many each time until a chunk is full. */
const PIECE = 128;
/** Members between two looks at the clock. */
const MEMBERS_PER_LOOK = 8;

/** Messages as one buffer of whole frames, for as long as it takes to write it. */
export type Batch = {
  /** The number of the first message, and of the one behind the last. */
  from: number;
  to: number;
  bytes: Buffer;
  payloadBytes: number;
  messages: readonly Fanout[];
  /** Of the pool, and where `bytes` lie; undefined when they lie elsewhere. */
  pooled: Buffer | undefined;
  /** A socket holds the bytes, so that they must stay as they are. */
  isHeld: boolean;
  /** What those get in whose way something waits already; made for the first of them. */
  kept: Buffer | undefined;
};

/** What members are told when they come to a number from below: behind all that is before it, and before the rest. */
type Word = { place: number; isOutage: boolean; dropped: number };

export class Audience {
  readonly key: string;
  readonly patterns: readonly string[];
  readonly members: Connection[] = [];
  /** The hub's number of the last message put on the list: one that matches by several patterns is put there once. */
  lastMatch = 0;
  /** Whether the hub has it on its list of those with something to write. */
  isQueued = false;
  /** What waits or is being written, by the numbers that the backlog has for it; and our own number of the first. */
  readonly #waiting: NumberQueue;
  #base = 0;
  /** What is being written, and how many members may still need it: those before this index. */
  #batches: Batch[] = [];
  #roundEnd = 0;
  #unserved = 0;
  /** Something was dropped in the midst of a round: members that had had their turn by then have not been told. */
  #owesWord = false;
  /**
   * Outages of the bus, each at the first message after it, and what was dropped behind the round that is being written. So
   * each outage keeps its own place; one after which nothing has come shares it with the next.
   */
  #words: Word[] = [];
  readonly #backlog: Backlog;
  readonly #pool: FramePool;

  constructor(key: string, patterns: readonly string[], backlog: Backlog, pool: FramePool) {
    this.key = key;
    this.patterns = patterns;
    this.#backlog = backlog;
    this.#waiting = backlog.createQueue();
    this.#pool = pool;
  }

  /** Whether there is something to write: messages, or word to those served already of what was dropped since. */
  get needsTurn(): boolean {
    return this.#waiting.length > 0 || this.#owesWord;
  }

  /** Takes the number that the backlog has for a message. */
  add(number: number): void {
    this.#waiting.push(number);
  }

  join(connection: Connection): void {
    connection.membership = this;
    connection.membershipIndex = this.members.length;
    connection.nextMessage = this.#base + this.#waiting.length;
    this.members.push(connection);
  }

  /**
   * Takes a member out, after sending it what came before, if it still may be sent anything. False when it had been
   * taken out by then.
   */
  leave(connection: Connection, nowMs: number): boolean {
    if (connection.state !== 'closing') {
      this.#deliverTo(connection, this.#base + this.#waiting.length, nowMs);
      connection.tellOfMissed();
      // Delivering may have found it slow, which took it out already.
      if (connection.membership !== this) return false;
    }
    const last = this.members.pop()!;
    if (last !== connection) {
      this.members[connection.membershipIndex] = last;
      last.membershipIndex = connection.membershipIndex;
    }
    connection.membership = undefined;
    connection.membershipIndex = -1;
    return true;
  }

  /**
   * Writes what waits, member by member, until everybody has it or `mustStop` says so, which is told for how many
   * members it has been done in this call, and for how many it is left to do. Answers with what has now been
   * written to all members; undefined when it is to be called again for the rest.
   */
  write(mustStop: (done: number, left: number) => boolean, nowMs: number): readonly Batch[] | undefined {
    if (this.#unserved === 0) this.#beginRound();
    const toDo = this.#unserved;
    let untilLook = MEMBERS_PER_LOOK;
    while (this.#unserved > 0) {
      this.#unserved -= 1;
      // Members may have left meanwhile. The place of one that has is taken by the last, who needs nothing more.
      const member = this.members[this.#unserved];
      if (member !== undefined) {
        this.#deliverTo(member, this.#roundEnd, nowMs);
        // Also when all that it was to get has been dropped.
        if (member.hasMissed) member.tellOfMissed();
      }
      untilLook -= 1;
      if (untilLook > 0 || this.#unserved === 0) continue;
      untilLook = MEMBERS_PER_LOOK;
      if (mustStop(toDo - this.#unserved, this.#unserved)) return undefined;
    }
    return this.#endRound();
  }

  /** The bus was away. Whoever waits for messages from before that is told behind them, and the others at once. */
  missBus(member: Connection): void {
    const end = this.#base + this.#waiting.length;
    if (member.nextMessage === end) {
      member.missBus();
      member.tellOfMissed();
    } else if (this.#words.at(-1)?.place === end) {
      this.#words.at(-1)!.isOutage = true;
    } else {
      this.#words.push({ place: end, isOutage: true, dropped: 0 });
    }
  }

  /**
   * Drops the messages up to that number of the backlog which are not being written yet, and counts for each member how
   * many it misses. Those behind them move up in number. Answers with what was dropped.
   */
  dropUpTo(last: number): readonly Fanout[] {
    const from = this.#unserved > 0 ? this.#roundEnd : this.#base;
    const first = from - this.#base;
    const count = this.#waiting.countWhile(first, (number) => this.#backlog.isUpTo(number, last));
    if (count === 0) return [];
    if (this.#unserved > 0) this.#owesWord = true;
    const to = from + count;
    const lastOutage = this.#moveWords(from, to);
    for (const member of this.members) {
      if (member.nextMessage >= to) {
        member.nextMessage -= count;
      } else if (member.nextMessage >= from) {
        // It will not come to that number from below any more.
        if (member.nextMessage < lastOutage) member.missBus();
        member.miss(to - member.nextMessage);
        member.nextMessage = from;
      }
    }
    // The others have their part of the round to come, and hear of this behind it.
    if (this.#unserved > 0) this.#noteDropped(from, count);
    return this.#backlog.all(this.#waiting.remove(first, count));
  }

  /**
   * The messages from one number on, before another, are dropped; outages among them stay where those were. Answers with
   * the number that the last one of those had, or with `from` when there was none.
   */
  #moveWords(from: number, to: number): number {
    if (this.#words.length === 0) return from;
    const last = this.#words.findLast(({ place, isOutage }) => isOutage && place <= to)?.place ?? from;
    const words: Word[] = [];
    for (const word of this.#words) {
      if (word.place > from) word.place = Math.max(from, word.place - (to - from));
      if (words.at(-1)?.place === word.place) words.at(-1)!.isOutage ||= word.isOutage;
      else if (word.place > this.#base) words.push(word);
    }
    this.#words = words;
    return last;
  }

  #noteDropped(place: number, count: number): void {
    if (this.#words[0]?.place !== place) this.#words.unshift({ place, isOutage: false, dropped: 0 });
    this.#words[0]!.dropped += count;
  }

  #beginRound(): void {
    this.#unserved = this.members.length;
    this.#owesWord = false;
    let from = 0;
    // The word of an outage comes between two rounds, so that those who need it share their batches like all others.
    const place = this.#words[0]?.place ?? Number.POSITIVE_INFINITY;
    const length = Math.min(this.#waiting.length, place - this.#base);
    while (from < length && this.#batches.length < ROUND_CHUNKS) {
      const messages = this.#chunk(from, length);
      this.#batches.push(this.#batch(this.#base + from, messages));
      for (const message of messages) message.isBeingWritten = true;
      from += messages.length;
    }
    this.#roundEnd = this.#base + from;
  }

  #endRound(): readonly Batch[] {
    const written = this.#batches;
    for (const batch of written) {
      for (const message of batch.messages) message.isBeingWritten = false;
      this.#letGo(batch);
    }
    this.#batches = [];
    this.#waiting.drop(this.#roundEnd - this.#base);
    this.#base = this.#roundEnd;
    if (this.#words[0]?.place === this.#base) this.#words.shift();
    return written;
  }

  /** Sends a member what it needs before number `end`, in the batches of the round where it needs all of one. */
  #deliverTo(member: Connection, end: number, nowMs: number): void {
    if (this.#words.length > 0) this.#deliverUpToWords(member, end, nowMs);
    this.#deliverPart(member, end, nowMs);
  }

  #deliverUpToWords(member: Connection, end: number, nowMs: number): void {
    for (const { place, isOutage, dropped } of this.#words) {
      if (place > end) return;
      if (member.nextMessage >= place) continue;
      this.#deliverPart(member, place, nowMs);
      // Delivering may have found it slow, which took it out.
      if (member.membership !== this) return;
      // What comes next finds out that it has missed something.
      if (isOutage) member.missBus();
      if (dropped > 0) member.miss(dropped);
    }
  }

  #deliverPart(member: Connection, end: number, nowMs: number): void {
    for (const batch of this.#batches) {
      if (member.membership !== this) return;
      if (batch.to > end || member.nextMessage >= batch.to) continue;
      if (member.nextMessage === batch.from) {
        member.nextMessage = batch.to;
        member.deliver(batch, nowMs);
      } else {
        this.#deliverOwn(member, batch.messages.slice(member.nextMessage - batch.from), nowMs);
      }
    }
    while (member.membership === this && member.nextMessage < end) {
      this.#deliverOwn(member, this.#chunk(member.nextMessage - this.#base, end - this.#base), nowMs);
    }
  }

  /** Sends a member what nobody else needs in just this cut. */
  #deliverOwn(member: Connection, messages: readonly Fanout[], nowMs: number): void {
    const batch = this.#batch(member.nextMessage, messages);
    member.nextMessage = batch.to;
    member.deliver(batch, nowMs);
    this.#letGo(batch);
  }

  /** The messages from one place of the list on, before another, that fit into a chunk: one at least. */
  #chunk(from: number, end: number): Fanout[] {
    const messages: Fanout[] = [];
    let bytes = 0;
    for (let size = PIECE; from + messages.length < end; size *= 2) {
      const next = from + messages.length;
      const piece = this.#backlog.all(this.#waiting.slice(next, Math.min(end, next + size)));
      fetchFrames(piece);
      for (const message of piece) {
        bytes += message.bytes.length;
        if (bytes > CHUNK_BYTES && messages.length > 0) return messages;
        messages.push(message);
      }
    }
    return messages;
  }

  #batch(from: number, messages: readonly Fanout[]): Batch {
    let payloadBytes = 0;
    for (const { payloadLength } of messages) payloadBytes += payloadLength;
    const rest = { from, to: from + messages.length, payloadBytes, messages, isHeld: false, kept: undefined };
    if (messages.length === 1) return { ...rest, bytes: messages[0]!.bytes, pooled: undefined };
    const length = framesLength(messages);
    const pooled = length <= CHUNK_BYTES ? this.#pool.take() : undefined;
    const bytes = joinFrames(messages, pooled ?? Buffer.allocUnsafe(length));
    return { ...rest, bytes, pooled };
  }

  #letGo({ pooled, isHeld }: Batch): void {
    if (pooled !== undefined && !isHeld) this.#pool.giveBack(pooled);
  }
}
