/**
 * One client: what it is subscribed to, what it may still be sent, and how it ends.
 *
 * Data frames are written to the socket directly; control frames go through the WebSocket. Both write whole
 * frames only, so they never cut into each other. What the kernel has not taken is the send queue's business;
 * what happens when there is too much of it is decided here, by the policy for slow consumers. Dropping and
 * conflating happen before a message is written, never after.
 */
import type { Batch } from './audience.ts';
import {
  type CloseInitiator,
  type CloseReason,
  clientCloseReason,
  closeKinds,
  NO_CODE,
  NO_FRAME,
} from './close-codes.ts';
import { type Fanout, framesLength, joinFrames, ofOwnSize } from './fanout.ts';
import type { Frame } from './frame.ts';
import { HeldMessages } from './held-messages.ts';
import { ConnectionCounts, type Ledger } from './ledger.ts';
import type { GapReason } from './protocol.ts';
import type { ReceiveBudget } from './receive-budget.ts';
import { SendQueue, type Wire, type Write } from './send-queue.ts';

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
/** Bytes of our own messages that may wait for a client, or for the bus: whoever asks decides how many there are. */
export const OWN_WAITING_MAX = 64 * 1024;

type ControlFrame = 'ping' | 'pong' | 'close';

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
  readonly ledger: Pick<Ledger, 'counts' | 'wire' | 'controlFrames'>;
  /** It became congested, or is so no longer. */
  congestion(connection: Connection, isCongested: boolean): void;
  /** It has missed so many messages, and can be told now. */
  gap(connection: Connection, reason: GapReason, missed: number | null): void;
  /** We are about to close it politely: what waits for it elsewhere can still be sent. */
  beforeClose(connection: Connection): void;
  /** It takes no more messages: we or the client began to close. Called once, before the end. */
  closing(connection: Connection): void;
};

/** The audience that a connection belongs to, as far as a connection knows. */
export type Membership = { readonly patterns: readonly string[] };

/** An answer that waits for the bus, or for one before it. */
export type Reply = {
  say(): void;
  bytes: number;
  isReady: boolean;
  /** It has been said before the bus had answered. */
  isEarly: boolean;
};

/** Who it is, and since when. */
export type ConnectionIdentity = {
  id: string;
  remoteAddress: string;
  userAgent: string | undefined;
  /** Under which it is counted among those of its address; undefined where that is not counted. */
  countedAs: string | undefined;
  /** In the order of the opens. */
  number: number;
  nowMs: number;
  unixMs: number;
};

/** How it ended. */
export type ConnectionEnding = {
  reason: CloseReason;
  initiator: CloseInitiator;
  /** Of our close frame where we began, else of the client's; or NO_CODE, or NO_FRAME. */
  code: number;
  /** As it was when the close began. */
  bufferedBytes: number;
};

export class Connection {
  readonly counts: ConnectionCounts;
  readonly id: string;
  readonly remoteAddress: string;
  readonly userAgent: string | undefined;
  readonly countedAs: string | undefined;
  readonly number: number;
  readonly openedAtMs: number;
  readonly openedAtUnixMs: number;
  /** Monotonic milliseconds of the last message in either direction, or of the open. */
  lastMessageAtMs: number;
  /** Owned by the audience: itself, the place in it, and the number of the next message to send. */
  membership: Membership | undefined;
  membershipIndex = -1;
  nextMessage = 0;
  /** The channels asked for; undefined until the first subscribe. */
  channels: Set<string> | undefined;
  /** Owned by the session: answers that wait; undefined while there are none. */
  replies: Reply[] | undefined;
  /** Owned by the session: what the client may still send; made with the first that it sends of its own accord. */
  receiveBudget: ReceiveBudget | undefined;
  /** Owned by the heartbeat: monotonic milliseconds of the last ping, whether its pong is awaited, and with whom it waits
   * for the next look. */
  pingedAtMs: number;
  awaitsPong = false;
  heartbeatSlot: Set<Connection> | undefined;
  /** Of the last of our pings that was answered. */
  rttMs: number | undefined;
  /** Times that it was told of something missed. */
  gaps = 0;

  readonly #peer: Peer;
  readonly #wire: Wire;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  /** There while something waits for the kernel. */
  #queue: SendQueue | undefined;
  #closing = false;
  #cause: CloseReason | undefined;
  /** Of our close frame, which may be an answer. */
  #sentCode: number | undefined;
  /** As it was when the close began. */
  #atClose: { bufferedBytes: number; subscriptions: number } | undefined;
  #pendingPong: { data: Uint8Array; sinceMs: number } | undefined;
  /** With the policy `drop`: it skips what comes until nothing waits any more. */
  #isSkipping = false;
  /** There while it is to be told of something missed; with the policy `conflate` also while messages are held back. */
  #held: HeldMessages | undefined;

  constructor(
    identity: ConnectionIdentity,
    peer: Peer,
    wire: Wire,
    limits: ConnectionLimits,
    events: ConnectionEvents,
  ) {
    this.id = identity.id;
    this.remoteAddress = identity.remoteAddress;
    this.userAgent = identity.userAgent;
    this.countedAs = identity.countedAs;
    this.number = identity.number;
    this.openedAtMs = identity.nowMs;
    this.openedAtUnixMs = identity.unixMs;
    this.lastMessageAtMs = identity.nowMs;
    this.pingedAtMs = identity.nowMs;
    this.#peer = peer;
    this.#wire = wire;
    this.#limits = limits;
    this.#events = events;
    this.counts = new ConnectionCounts(events.ledger.counts);
  }

  get state(): ConnectionState {
    if (this.isClosing) return 'closing';
    return this.isCongested ? 'congested' : 'open';
  }

  /** What it hears. */
  get patterns(): readonly string[] {
    return this.membership?.patterns ?? [];
  }

  /** How many channels it has asked for, or hears without having asked; once it is closing, as it was before. */
  get subscriptions(): number {
    return this.#atClose?.subscriptions ?? this.channels?.size ?? this.patterns.length;
  }

  /** Whether it has been counted as closing. */
  get isNoticedClosing(): boolean {
    return this.#closing;
  }

  get isClosing(): boolean {
    return this.#closing || this.#peer.readyState !== OPEN;
  }

  get isCongested(): boolean {
    return this.#queue !== undefined;
  }

  /** Bytes that wait: what the kernel has not taken, and what is held back until it has. */
  get bufferedBytes(): number {
    return (this.#queue?.bytes ?? 0) + (this.#held?.bytes ?? 0);
  }

  /** Milliseconds that the oldest byte has waited. */
  bufferedAgeMs(nowMs: number): number {
    return this.#queue?.ageMs(nowMs) ?? 0;
  }

  /** Whether something that waited has been taken since the last call. */
  hasMoved(): boolean {
    if (this.#queue?.hasMoved !== true) return false;
    this.#queue.hasMoved = false;
    return true;
  }

  /** Sends published messages, or treats them by the policy when too much waits already. */
  deliver(batch: Batch, nowMs: number): void {
    if (this.#held !== undefined) this.tellOfMissed();
    if (this.#peer.readyState !== OPEN) return this.noticeClosing();
    const messages = batch.messages.length;
    this.counts.match(messages);
    if (this.#queue !== undefined) return this.#deliverToSlow(batch, messages, nowMs);
    this.#writeBatch(batch, messages, nowMs);
  }

  #writeBatch(batch: Batch, messages: number, nowMs: number): void {
    this.lastMessageAtMs = nowMs;
    if (this.#queue === undefined) {
      this.#write(batch.bytes, messages, batch.payloadBytes, messages, nowMs);
      if (this.#queue !== undefined) batch.isHeld = true;
    } else {
      batch.kept ??= ofOwnSize(batch.bytes);
      if (batch.kept === batch.bytes) batch.isHeld = true;
      this.#write(batch.kept, messages, batch.payloadBytes, messages, nowMs);
    }
  }

  #deliverToSlow(batch: Batch, messages: number, nowMs: number): void {
    const { slowPolicy, bufferedMax } = this.#limits;
    if (slowPolicy === 'conflate') return this.#hold(batch);
    const fits = !this.#isSkipping && this.#wire.writableLength + batch.bytes.length <= bufferedMax;
    if (fits) {
      // Words of what was missed have their place here. They are told but once, and may take their own length over the bound.
      this.#release(nowMs);
      return this.#writeBatch(batch, messages, nowMs);
    }
    this.counts.drop('slow_consumer', messages);
    if (slowPolicy === 'disconnect') return this.close('slow_consumer');
    this.#isSkipping = true;
    this.#miss('slow', messages);
  }

  /**
   * Gives bytes to the socket. What the kernel takes whole is sent, and costs a few additions; only when something is
   * left is there a queue, which tells when that has been taken.
   */
  #write(bytes: Uint8Array, messages: number, payloadBytes: number, deliveries: number, nowMs: number): void {
    if (this.#queue !== undefined) {
      this.counts.wait(deliveries);
      return this.#queue.write(bytes, messages, payloadBytes, deliveries, nowMs);
    }
    const wire = this.#wire;
    wire.write(bytes);
    if (wire.writableLength === 0 && wire.errored === null) {
      this.counts.sent(messages, payloadBytes, deliveries);
      this.#events.ledger.wire.sent += bytes.length;
      return;
    }
    this.counts.wait(deliveries);
    this.#congest().waitFor(bytes.length, messages, payloadBytes, deliveries, nowMs);
  }

  /** Lets the WebSocket write a control frame. One that the kernel does not take holds up what comes after it. */
  #writeControlFrame(kind: ControlFrame, write: () => void, nowMs: number): void {
    const wire = this.#wire;
    const before = wire.bytesWritten;
    write();
    const bytes = wire.bytesWritten - before;
    if (bytes === 0) return;
    const { ledger } = this.#events;
    ledger.controlFrames.transmit[kind] += 1;
    const isTaken = wire.errored === null && wire.writableLength === 0;
    if (isTaken && this.#queue === undefined) ledger.wire.sent += bytes;
    else (this.#queue ?? this.#congest()).waitFor(bytes, 0, 0, 0, nowMs);
  }

  /** Something has been written that was not taken at once. */
  #congest(): SendQueue {
    this.#queue = new SendQueue(this.#wire, {
      taken: (write) => this.#onTaken(write),
      emptied: () => this.#onEmptied(),
    });
    this.#events.congestion(this, true);
    return this.#queue;
  }

  #onTaken({ bytes, messages, payloadBytes, deliveries }: Write): void {
    this.counts.wait(-deliveries);
    this.counts.sent(messages, payloadBytes, deliveries);
    this.#events.ledger.wire.sent += bytes;
  }

  #hold({ messages }: Batch): void {
    this.#held ??= new HeldMessages();
    const { counts } = this;
    for (const message of messages) {
      const growth = this.#held.growth(message);
      if (growth > 0 && this.bufferedBytes + growth > this.#limits.bufferedMax) {
        counts.drop('slow_consumer', 1);
        this.#held.miss('slow', 1);
        // Without it an older value would be the last one heard.
        if (!this.#held.release(message.subject)) continue;
        counts.wait(-1);
        counts.drop('conflated', 1);
      } else if (this.#held.hold(message)) {
        // The older one has gone, the newer one waits in its place.
        counts.drop('conflated', 1);
      } else {
        counts.wait(1);
      }
    }
  }

  /** What waits is too old: closed with `disconnect`; with `drop` it skips what comes; `conflate` goes on as it does. */
  overdue(): void {
    if (this.#limits.slowPolicy === 'disconnect') this.close('slow_consumer');
    else if (this.#limits.slowPolicy === 'drop') this.#isSkipping = true;
  }

  /**
   * Messages that were dropped before they could be delivered, because more came than can be sent. It has been sent by
   * now what it is to hear from before them, or holds it.
   */
  miss(messages: number): void {
    this.counts.match(messages);
    this.counts.drop('overload', messages);
    this.#miss('overload', messages);
  }

  /** The bus was away, and nobody can know what was published meanwhile. Otherwise as `miss`. */
  missBus(): void {
    this.#miss('bus', null);
  }

  #miss(reason: GapReason, messages: number | null): void {
    this.#held ??= new HeldMessages();
    this.#held.miss(reason, messages);
  }

  /** Whether it has missed something that it has not been told of. */
  get hasMissed(): boolean {
    return this.#held?.hasWords === true;
  }

  /** Tells what it has missed, unless something waits: then it is told before anything newer is written. */
  tellOfMissed(): void {
    if (this.#queue === undefined && !this.isClosing) this.#release(this.#events.nowMs());
  }

  #onEmptied(): void {
    this.#queue = undefined;
    this.#events.congestion(this, false);
    if (this.#peer.readyState !== OPEN) return;
    this.#isSkipping = false;
    const pong = this.#pendingPong;
    this.#pendingPong = undefined;
    if (pong !== undefined) this.pong(pong.data, pong.sinceMs);
    this.#release(this.#events.nowMs());
  }

  /** Writes what is held, behind what waits: messages, and the words that have their place among them. */
  #release(nowMs: number): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    for (const part of held.take()) {
      if ('reason' in part) this.#events.gap(this, part.reason, part.messages);
      else this.#writeHeld(part, nowMs);
    }
  }

  #writeHeld(messages: readonly Fanout[], nowMs: number): void {
    const count = messages.length;
    let payloadBytes = 0;
    for (const message of messages) payloadBytes += message.payloadLength;
    this.counts.wait(-count);
    this.lastMessageAtMs = nowMs;
    const bytes = joinFrames(messages, Buffer.allocUnsafe(framesLength(messages)));
    this.#write(bytes, count, payloadBytes, count, nowMs);
  }

  /**
   * Sends a message of our own. Answers whether it was given to the socket. A client that asks for answers and
   * does not take them is a slow consumer under any policy.
   */
  say(frame: Frame, nowMs: number): boolean {
    if (this.isClosing) return false;
    if (this.#queue !== undefined && !this.#hasRoomFor(frame, this.#queue)) {
      this.close('slow_consumer');
      return false;
    }
    return this.sayAnyway(frame, nowMs);
  }

  #hasRoomFor({ bytes: { length } }: Frame, { bytes, ownBytes }: SendQueue): boolean {
    // One passes, however large: a client may ask for as much as a message of its own may say.
    const isLittle = ownBytes === 0 || ownBytes + length <= OWN_WAITING_MAX;
    return isLittle && bytes + length <= this.#limits.bufferedMax;
  }

  /** As `say`, however much waits: for a word that has its place, and is not said again before something is taken. */
  sayAnyway(frame: Frame, nowMs: number): boolean {
    if (this.isClosing) return false;
    this.lastMessageAtMs = nowMs;
    this.#write(frame.bytes, 1, frame.payloadLength, 0, nowMs);
    return true;
  }

  /** A data message has come in. */
  received(payloadBytes: number, nowMs: number): void {
    this.counts.received(payloadBytes);
    this.lastMessageAtMs = nowMs;
  }

  /**
   * Answers a ping, now or as soon as the kernel has taken what waits. Of several pings that wait, only the
   * last is answered (RFC 6455 section 5.5.3), so a peer that never reads costs one answer's memory.
   */
  pong(data: Uint8Array, nowMs: number): void {
    if (this.#peer.readyState !== OPEN) return;
    if (this.#queue !== undefined) {
      this.#pendingPong = { data: Uint8Array.from(data), sinceMs: nowMs };
      return;
    }
    this.#writeControlFrame('pong', () => this.#peer.pong(data), nowMs);
  }

  /** Pings the client, unless it is past that. */
  ping(nowMs: number): void {
    if (this.isClosing) return;
    this.pingedAtMs = nowMs;
    this.awaitsPong = true;
    this.#writeControlFrame('ping', () => this.#peer.ping(), nowMs);
  }

  /** Forgives the time in which we ourselves did not run, so that no client is judged by it. */
  credit(stallMs: number): void {
    this.pingedAtMs += stallMs;
    this.#queue?.credit(stallMs);
    this.receiveBudget?.credit(stallMs);
  }

  /** Begins to close. The first cause wins; a later call changes nothing. `text` is for the client, 123 bytes at most. */
  close(reason: CloseReason, code: number = closeKinds[reason].code, text: string = reason): void {
    if (this.#cause !== undefined || this.#peer.readyState !== OPEN) return this.noticeClosing();
    this.#noteClose();
    // What the client was still to hear is written while it may be: no data frame follows a close frame.
    this.#cause = reason;
    if (reason !== 'slow_consumer') {
      this.#events.beforeClose(this);
      this.#release(this.#events.nowMs());
    }
    this.#peer.close(code, text);
  }

  /**
   * The WebSocket is about to write a close frame: ours, or its answer to the client's or to a breach of the
   * protocol. `write` lets it, and writes nothing when there has been one. Without a code it has none.
   */
  closeFrame(write: () => void, code = NO_CODE): void {
    this.noticeClosing();
    this.#sentCode ??= code;
    // Its age is nobody's measure: the WebSocket library gives the whole closing a time of its own.
    this.#writeControlFrame('close', write, Number.POSITIVE_INFINITY);
  }

  /** Ends the TCP connection at once, when there is no more time to be polite. */
  terminate(reason: CloseReason): void {
    if (this.#peer.readyState === OPEN) this.#cause ??= reason;
    this.noticeClosing();
    this.#peer.terminate();
  }

  /** The client broke a rule, and the WebSocket library has answered it with a close frame. */
  violated(reason: CloseReason): void {
    this.#cause ??= reason;
    this.noticeClosing();
  }

  /** One side has begun to close, or the socket has ended: it takes no more messages. */
  noticeClosing(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#noteClose();
    this.#events.closing(this);
  }

  #noteClose(): void {
    if (this.#atClose !== undefined) return;
    const bufferedBytes = (this.#queue?.recordedBytes ?? 0) + (this.#held?.bytes ?? 0);
    this.#atClose = { bufferedBytes, subscriptions: this.subscriptions };
  }

  /**
   * The TCP connection has ended. What was never taken becomes dropped; the counts are final after this.
   * `code` is the close code received, 1006 when there was no close frame.
   */
  ended(code: number): ConnectionEnding {
    this.noticeClosing();
    if (this.#queue !== undefined) {
      this.#queue = undefined;
      this.#events.congestion(this, false);
    }
    const { queued } = this.counts;
    this.counts.wait(-queued);
    this.counts.drop('closed', queued);
    const reason = this.#cause ?? clientCloseReason(code);
    const { initiator } = closeKinds[reason];
    const { bufferedBytes } = this.#atClose!;
    return {
      reason,
      initiator,
      code: initiator === 'server' ? (this.#sentCode ?? NO_FRAME) : code,
      bufferedBytes,
    };
  }
}
