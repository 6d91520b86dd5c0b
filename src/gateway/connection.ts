/**
 * One client: what it is subscribed to, what it may still be sent, and how it ends.
 *
 * Data frames are written to the socket directly; control frames go through the WebSocket. Both write whole
 * frames only, so they never cut into each other. What the kernel has not taken is the send queue's business;
 * what happens when there is too much of it is decided here, by the policy for slow consumers. Dropping and
 * conflating happen before a message is written, never after.
 */
import type { Batch } from './audience.ts';
import { type CloseInitiator, type CloseReason, clientCloseReason, closeKinds } from './close-codes.ts';
import { joinFrames } from './fanout.ts';
import type { Frame } from './frame.ts';
import { HeldMessages } from './held-messages.ts';
import { ConnectionCounts, type WireBytes } from './ledger.ts';
import type { GapReason } from './protocol.ts';
import type { ReceiveBudget } from './receive-budget.ts';
import { SendQueue, type Wire } from './send-queue.ts';

/** What is needed of the WebSocket; the class of the ws library has it. */
export type Peer = {
  /** 1 is open (the WebSocket interface's numbers). */
  readonly readyState: number;
  ping(): void;
  pong(data: Uint8Array): void;
  close(code: number, reason: string): void;
  terminate(): void;
};

const OPEN = 1;

export type ConnectionState = 'open' | 'congested' | 'closing';

/** What becomes of a connection that does not take what it is sent: it is closed, it misses the newest messages, or it
 * gets only the last message of each subject. */
export const slowPolicies = ['disconnect', 'drop', 'conflate'] as const;
export type SlowPolicy = (typeof slowPolicies)[number];

export type ConnectionLimits = {
  slowPolicy: SlowPolicy;
  /** Bytes that may wait. */
  bufferedMax: number;
};

/** What a connection tells its surroundings, and asks of them. */
export type ConnectionEvents = {
  nowMs(): number;
  /** It became congested, or is so no longer. */
  congestion(connection: Connection, isCongested: boolean): void;
  /** It has missed so many messages, and can be told now. */
  gap(connection: Connection, reason: GapReason, missed: number | null): void;
  /** We are about to close it politely: what waits for it elsewhere can still be sent. */
  beforeClose(connection: Connection): void;
  /** It takes no more messages: we or the client began to close. Called once, before the end. */
  closing(connection: Connection): void;
  /** It has written a close frame, or a pong. */
  closeFrameSent(connection: Connection): void;
  pongSent(connection: Connection): void;
};

/** The audience that a connection belongs to, as far as a connection knows. */
export type Membership = { readonly patterns: readonly string[] };

export class Connection {
  readonly counts: ConnectionCounts = new ConnectionCounts();
  readonly id: string;
  readonly remoteAddress: string;
  readonly openedAtMs: number;
  /** Monotonic milliseconds of the last message in either direction, or of the open. */
  lastMessageAtMs: number;
  /** Owned by the audience: itself, the place in it, and the number of the next message to send. */
  membership: Membership | undefined;
  membershipIndex = -1;
  nextMessage = 0;
  /** The channels asked for; undefined until the first subscribe. */
  channels: Set<string> | undefined;
  /** Owned by the session: what the client may still send; made with its first message. */
  receiveBudget: ReceiveBudget | undefined;
  /** Owned by the heartbeat: monotonic milliseconds of the last ping, and whether its pong is awaited. */
  pingedAtMs: number;
  awaitsPong = false;
  /** Owned by the heartbeat: `progress` at the last sweep. */
  progressSeen = 0;

  readonly #peer: Peer;
  readonly #queue: SendQueue;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  #closing = false;
  #cause: CloseReason | undefined;
  #pendingPong: { data: Uint8Array; sinceMs: number } | undefined;
  /** With the policy `drop`: it skips what comes until nothing waits any more. */
  #isSkipping = false;
  /** With the policy `conflate`. */
  #held: HeldMessages | undefined;
  /** Messages missed that it has not been told of. */
  #missedSlow = 0;
  #missedOverload = 0;
  #missedBus = false;

  constructor(
    identity: { id: string; remoteAddress: string; nowMs: number },
    peer: Peer,
    wire: Wire,
    limits: ConnectionLimits,
    events: ConnectionEvents,
  ) {
    this.id = identity.id;
    this.remoteAddress = identity.remoteAddress;
    this.openedAtMs = identity.nowMs;
    this.lastMessageAtMs = identity.nowMs;
    this.pingedAtMs = identity.nowMs;
    this.#peer = peer;
    this.#queue = new SendQueue(wire, this.counts, (isCongested) => this.#onCongestion(isCongested));
    this.#limits = limits;
    this.#events = events;
  }

  get state(): ConnectionState {
    if (this.#closing || this.#peer.readyState !== OPEN) return 'closing';
    return this.#queue.isCongested ? 'congested' : 'open';
  }

  get isCongested(): boolean {
    return this.#queue.isCongested;
  }

  /** Bytes that wait: what the kernel has not taken, and what is held back until it has. */
  get bufferedBytes(): number {
    return this.#queue.bytes + (this.#held?.bytes ?? 0);
  }

  /** Milliseconds that the oldest byte has waited. */
  bufferedAgeMs(nowMs: number): number {
    return this.#queue.ageMs(nowMs);
  }

  /** Rises whenever something that waited has been taken. */
  get progress(): number {
    return this.#queue.taken;
  }

  addWireBytes(total: WireBytes): void {
    this.#queue.addWireBytes(total);
  }

  /** Sends published messages, or treats them by the policy when too much waits already. */
  deliver(batch: Batch, nowMs: number): void {
    if (this.hasMissed) this.tellOfMissed();
    if (this.#peer.readyState !== OPEN) return this.#noticeClosing();
    const messages = batch.messages.length;
    this.counts.matched += messages;
    if (this.#queue.isCongested) return this.#deliverToSlow(batch, messages, nowMs);
    this.lastMessageAtMs = nowMs;
    this.#queue.write(batch.bytes, messages, batch.payloadBytes, messages, nowMs);
  }

  #deliverToSlow(batch: Batch, messages: number, nowMs: number): void {
    const { slowPolicy, bufferedMax } = this.#limits;
    if (slowPolicy === 'conflate') return this.#hold(batch);
    const fits = !this.#isSkipping && this.#queue.bytes + batch.bytes.length <= bufferedMax;
    if (fits) {
      this.lastMessageAtMs = nowMs;
      this.#queue.write(batch.bytes, messages, batch.payloadBytes, messages, nowMs);
      return;
    }
    this.counts.droppedSlow += messages;
    if (slowPolicy === 'disconnect') return this.close('slow_consumer');
    this.#isSkipping = true;
    this.#missedSlow += messages;
  }

  #hold(batch: Batch): void {
    this.#held ??= new HeldMessages();
    const { counts } = this;
    for (const message of batch.messages) {
      const growth = this.#held.growth(message);
      if (growth > 0 && this.bufferedBytes + growth > this.#limits.bufferedMax) {
        counts.droppedSlow += 1;
        this.#missedSlow += 1;
        // Without it an older value would be the last one heard.
        if (!this.#held.release(message.subject)) continue;
        counts.queued -= 1;
        counts.droppedConflated += 1;
      } else if (this.#held.hold(message)) {
        // The older one has gone, the newer one waits in its place.
        counts.droppedConflated += 1;
      } else {
        counts.queued += 1;
      }
    }
  }

  /** What waits is too old: closed with `disconnect`; with `drop` it skips what comes; `conflate` goes on as it does. */
  overdue(): void {
    if (this.#limits.slowPolicy === 'disconnect') this.close('slow_consumer');
    else if (this.#limits.slowPolicy === 'drop') this.#isSkipping = true;
  }

  /** Messages that were dropped before they could be delivered, because more came than can be sent. */
  miss(messages: number): void {
    this.counts.matched += messages;
    this.counts.droppedOverload += messages;
    this.#missedOverload += messages;
  }

  /** The bus was away, and nobody can know what was published meanwhile. */
  missBus(): void {
    this.#missedBus = true;
    this.tellOfMissed();
  }

  /** Whether it has missed something that it has not been told of. */
  get hasMissed(): boolean {
    return this.#missedOverload > 0 || this.#missedSlow > 0 || this.#missedBus;
  }

  /** Tells what it has missed, unless something waits: then it is told as soon as nothing does. */
  tellOfMissed(): void {
    if (this.#missedBus && this.#canBeTold()) {
      this.#missedBus = false;
      this.#events.gap(this, 'bus', null);
    }
    if (this.#missedOverload > 0 && this.#canBeTold()) {
      const missed = this.#missedOverload;
      this.#missedOverload = 0;
      this.#events.gap(this, 'overload', missed);
    }
    if (this.#missedSlow > 0 && this.#canBeTold()) {
      const missed = this.#missedSlow;
      this.#missedSlow = 0;
      this.#events.gap(this, 'slow', missed);
    }
  }

  #canBeTold(): boolean {
    return !this.#queue.isCongested && !this.#closing && this.#peer.readyState === OPEN;
  }

  #onCongestion(isCongested: boolean): void {
    this.#events.congestion(this, isCongested);
    if (isCongested || this.#peer.readyState !== OPEN) return;
    this.#isSkipping = false;
    const pong = this.#pendingPong;
    this.#pendingPong = undefined;
    if (pong !== undefined) this.pong(pong.data, pong.sinceMs);
    this.tellOfMissed();
    this.#release(this.#events.nowMs());
  }

  /** Writes what was held back. */
  #release(nowMs: number): void {
    if (this.#held === undefined || this.#held.count === 0) return;
    const messages = this.#held.take();
    const count = messages.length;
    let payloadBytes = 0;
    for (const message of messages) payloadBytes += message.payloadLength;
    this.counts.queued -= count;
    this.lastMessageAtMs = nowMs;
    this.#queue.write(joinFrames(messages), count, payloadBytes, count, nowMs);
  }

  /**
   * Sends a message of our own. Answers whether it was given to the socket. A client that asks for answers and
   * does not take them is a slow consumer under any policy.
   */
  say(frame: Frame, nowMs: number): boolean {
    if (this.#closing || this.#peer.readyState !== OPEN) return false;
    if (this.#queue.isCongested && this.#queue.bytes + frame.bytes.length > this.#limits.bufferedMax) {
      this.close('slow_consumer');
      return false;
    }
    this.lastMessageAtMs = nowMs;
    this.#queue.write(frame.bytes, 1, frame.payloadLength, 0, nowMs);
    return true;
  }

  /** A data message has come in. */
  received(payloadBytes: number, nowMs: number): void {
    this.counts.messagesReceived += 1;
    this.counts.payloadBytesReceived += payloadBytes;
    this.lastMessageAtMs = nowMs;
  }

  /**
   * Answers a ping, now or as soon as the kernel has taken what waits. Of several pings that wait, only the
   * last is answered (RFC 6455 section 5.5.3), so a peer that never reads costs one answer's memory.
   */
  pong(data: Uint8Array, nowMs: number): void {
    if (this.#peer.readyState !== OPEN) return;
    if (this.#queue.isCongested) {
      this.#pendingPong = { data: Uint8Array.from(data), sinceMs: nowMs };
      return;
    }
    this.#queue.writeControlFrame(() => this.#peer.pong(data), nowMs);
    this.#events.pongSent(this);
  }

  /** Pings the client; false when it is past that. */
  ping(nowMs: number): boolean {
    if (this.#closing || this.#peer.readyState !== OPEN) return false;
    this.pingedAtMs = nowMs;
    this.awaitsPong = true;
    this.#queue.writeControlFrame(() => this.#peer.ping(), nowMs);
    return true;
  }

  /** Forgives the time in which we ourselves did not run, so that no client is judged by it. */
  credit(stallMs: number): void {
    this.pingedAtMs += stallMs;
    this.#queue.credit(stallMs);
    this.receiveBudget?.credit(stallMs);
  }

  /** Begins to close. The first cause wins; a later call changes nothing. */
  close(reason: CloseReason, code: number = closeKinds[reason].code): void {
    if (this.#cause !== undefined || this.#peer.readyState !== OPEN) return this.#noticeClosing();
    // What the client was still to hear is written while it may be: no data frame follows a close frame.
    this.#cause = reason;
    if (reason !== 'slow_consumer') {
      this.#events.beforeClose(this);
      this.#release(this.#events.nowMs());
    }
    this.#noticeClosing();
    // Its age is nobody's measure: the WebSocket library gives the whole closing a time of its own.
    this.#queue.writeControlFrame(() => this.#peer.close(code, reason), Number.POSITIVE_INFINITY);
    this.#events.closeFrameSent(this);
  }

  /** Ends the TCP connection at once, when there is no more time to be polite. */
  terminate(reason: CloseReason): void {
    if (this.#peer.readyState === OPEN) this.#cause ??= reason;
    this.#noticeClosing();
    this.#peer.terminate();
  }

  /** The client broke a rule, and the WebSocket library has answered it with a close frame. */
  violated(reason: CloseReason): void {
    this.#cause ??= reason;
    this.#noticeClosing();
  }

  #noticeClosing(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#events.closing(this);
  }

  /** Whether a close has been begun on our side. */
  get isClosedByUs(): boolean {
    return this.#cause !== undefined;
  }

  /**
   * The TCP connection has ended. What was never taken becomes dropped; the counts are final after this.
   * `code` is the close code received, 1006 when there was no close frame.
   */
  ended(code: number): { reason: CloseReason; initiator: CloseInitiator; wire: WireBytes } {
    this.#noticeClosing();
    const wire: WireBytes = { received: 0, sent: 0 };
    this.#queue.addWireBytes(wire);
    this.#queue.ended();
    this.counts.droppedClosed += this.counts.queued;
    this.counts.queued = 0;
    const reason = this.#cause ?? clientCloseReason(code);
    return { reason, initiator: closeKinds[reason].initiator, wire };
  }
}
