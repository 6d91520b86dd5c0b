/**
 * The heart: who listens to what, and how one message reaches all of them.
 *
 * Connections with the same set of patterns form an audience. A message is framed once, put on the list of
 * each audience that it matches, and everything on the lists is written in one flush per turn of the event
 * loop: one buffer per audience, one write per connection. So the batch grows by itself as the load grows.
 *
 * An audience's members do not change while messages wait on its list: whoever joins or leaves has it flushed
 * first, so a message goes to exactly those who listened when it arrived. Nothing is allocated per delivery.
 */
import { SubjectIndex } from '../bus/subject-index.ts';
import type { Connection } from './connection.ts';
import { encodeFrame, type Frame } from './frame.ts';
import type { GatewayRecorder } from './recorder.ts';

/** A flush writes buffers of about this size, so that what the kernel leaves behind is known in small steps. */
const CHUNK_BYTES = 64 * 1024;

type Audience = {
  readonly key: string;
  readonly patterns: readonly string[];
  readonly members: Connection[];
  /** Frames that wait for the flush, in the order of arrival. */
  readonly pending: Frame[];
  /** The last message that was put on the list: one that matches by several patterns is put there once. */
  lastMessage: number;
};

/** What the hub needs of the outside. */
export type HubSurroundings = {
  nowMs(): number;
  /** Runs the function at the end of this turn of the event loop. */
  soon(run: () => void): void;
  recorder: Pick<GatewayRecorder, 'messageSize' | 'fanoutDuration' | 'fanoutRecipients' | 'fanoutBatch'>;
  /** A pattern got its first listener, or lost its last. */
  channelWanted(pattern: string): void;
  channelUnwanted(pattern: string): void;
};

export class Hub {
  readonly #audiences = new Map<string, Audience>();
  readonly #index = new SubjectIndex<Audience>();
  /** How many audiences ask for a pattern. */
  readonly #channels = new Map<string, number>();
  readonly #surroundings: HubSurroundings;
  readonly #dirty: Audience[] = [];
  /** When each message of this turn arrived. */
  readonly #arrivals: number[] = [];
  #isScheduled = false;
  #message = 0;
  #frame: Frame | undefined;
  #payload: Uint8Array = new Uint8Array(0);
  #recipients = 0;

  constructor(surroundings: HubSurroundings) {
    this.#surroundings = surroundings;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  get audienceCount(): number {
    return this.#audiences.size;
  }

  get pendingMessages(): number {
    return this.#arrivals.length;
  }

  /** Milliseconds that the oldest message has waited for the flush. */
  lagMs(nowMs: number): number {
    const oldest = this.#arrivals[0];
    return oldest === undefined ? 0 : nowMs - oldest;
  }

  /** Subscriptions of all connections together. */
  subscriptionCount(): number {
    let count = 0;
    for (const audience of this.#audiences.values())
      count += audience.members.length * audience.patterns.length;
    return count;
  }

  /**
   * Makes a connection hear exactly these patterns from the next message on. Duplicates do not matter; an
   * empty set hears nothing.
   */
  assign(connection: Connection, patterns: Iterable<string>): void {
    const sorted = [...new Set(patterns)].sort();
    // Patterns contain no blanks, so different sets have different keys.
    const key = sorted.join(' ');
    if ((connection.membership as Audience | undefined)?.key === key) return;
    const existing = this.#audiences.get(key);
    if (existing !== undefined) this.#flushAudience(existing);
    // The new audience is there before the old one may go, so a channel that both want is never let go of.
    // (It is looked up again: a flush can find every member slow, and then the audience is gone.)
    const next =
      sorted.length === 0 ? undefined : (this.#audiences.get(key) ?? this.#createAudience(key, sorted));
    this.#leave(connection);
    if (next === undefined) return;
    if (connection.state === 'closing') {
      if (next.members.length === 0) this.#deleteAudience(next);
      return;
    }
    connection.membership = next;
    connection.membershipIndex = next.members.length;
    next.members.push(connection);
  }

  /** Takes a connection out. What was published before still goes to it, if it is open. */
  remove(connection: Connection): void {
    this.#leave(connection);
  }

  /** A message from the bus. It is on its way when this turn of the event loop ends. */
  publish(subject: string, payload: Uint8Array): void {
    this.#message += 1;
    this.#payload = payload;
    this.#frame = undefined;
    this.#recipients = 0;
    this.#index.match(subject, this.#enqueue);
    if (this.#recipients === 0) return;
    this.#arrivals.push(this.#surroundings.nowMs());
    const { recorder } = this.#surroundings;
    recorder.fanoutRecipients(this.#recipients);
    recorder.messageSize(payload.length, 'transmit');
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#surroundings.soon(this.#flushScheduled);
  }

  readonly #enqueue = (audience: Audience): void => {
    if (audience.lastMessage === this.#message) return;
    audience.lastMessage = this.#message;
    this.#frame ??= encodeFrame(this.#payload);
    if (audience.pending.length === 0) this.#dirty.push(audience);
    audience.pending.push(this.#frame);
    this.#recipients += audience.members.length;
  };

  readonly #flushScheduled = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  /** Writes everything that waits. */
  flush(): void {
    if (this.#arrivals.length === 0) return;
    for (const audience of this.#dirty) this.#flushAudience(audience);
    this.#dirty.length = 0;
    const { recorder } = this.#surroundings;
    const nowMs = this.#surroundings.nowMs();
    recorder.fanoutBatch(this.#arrivals.length);
    for (const arrivedMs of this.#arrivals) recorder.fanoutDuration((nowMs - arrivedMs) / 1000);
    this.#arrivals.length = 0;
  }

  #flushAudience(audience: Audience): void {
    const { pending, members } = audience;
    if (pending.length === 0) return;
    const nowMs = this.#surroundings.nowMs();
    let from = 0;
    while (from < pending.length) {
      let bytes = 0;
      let payloadBytes = 0;
      let to = from;
      do {
        const frame = pending[to]!;
        bytes += frame.bytes.length;
        payloadBytes += frame.payloadLength;
        to += 1;
      } while (to < pending.length && bytes + pending[to]!.bytes.length <= CHUNK_BYTES);
      const messages = to - from;
      const chunk = messages === 1 ? pending[from]!.bytes : joinFrames(pending, from, to, bytes);
      // From the end: whoever is cut while being written to leaves, and the last member, who has been served, takes the place.
      for (let index = members.length - 1; index >= 0; index -= 1) {
        members[index]!.deliver(chunk, messages, payloadBytes, nowMs);
      }
      from = to;
    }
    pending.length = 0;
  }

  #createAudience(key: string, patterns: readonly string[]): Audience {
    const audience: Audience = { key, patterns, members: [], pending: [], lastMessage: 0 };
    this.#audiences.set(key, audience);
    for (const pattern of patterns) {
      this.#index.add(pattern, audience);
      const wanted = this.#channels.get(pattern) ?? 0;
      this.#channels.set(pattern, wanted + 1);
      if (wanted === 0) this.#surroundings.channelWanted(pattern);
    }
    return audience;
  }

  #leave(connection: Connection): void {
    const audience = connection.membership as Audience | undefined;
    if (audience === undefined) return;
    if (connection.state !== 'closing') this.#flushAudience(audience);
    // Delivering may have found the connection slow and taken it out already.
    if (connection.membership === undefined) return;
    const last = audience.members.pop()!;
    if (last !== connection) {
      audience.members[connection.membershipIndex] = last;
      last.membershipIndex = connection.membershipIndex;
    }
    connection.membership = undefined;
    connection.membershipIndex = -1;
    if (audience.members.length === 0) this.#deleteAudience(audience);
  }

  #deleteAudience(audience: Audience): void {
    audience.pending.length = 0;
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

function joinFrames(frames: readonly Frame[], from: number, to: number, bytes: number): Buffer {
  const joined = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (let index = from; index < to; index += 1) {
    const frame = frames[index]!.bytes;
    joined.set(frame, offset);
    offset += frame.length;
  }
  return joined;
}
