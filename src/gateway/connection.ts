/**
 * One client: what it is subscribed to, what it has been sent, what it has not taken yet, and how it ends.
 *
 * Data frames are written to the socket directly; control frames go through the WebSocket. Both write whole
 * frames only, so they never cut into each other. A delivery to a client that keeps up costs one write and
 * four additions. Only when the kernel does not take everything is a record kept of what waits, so that each
 * message ends up in exactly one place: delivered when its write has succeeded, dropped when it never will.
 */
import { type CloseInitiator, type CloseReason, clientCloseReason, closeKinds } from './close-codes.ts';
import type { Frame } from './frame.ts';
import { ConnectionCounts, type DropReason, type WireBytes } from './ledger.ts';

/** What is needed of the TCP socket; net.Socket has it. */
export type Wire = {
  write(chunk: Uint8Array, taken?: (error?: Error | null) => void): boolean;
  /** Bytes that the kernel has not taken. */
  readonly writableLength: number;
  readonly bytesRead: number;
  /** Bytes given to the socket, whether or not the kernel took them. */
  readonly bytesWritten: number;
  /** The error of a failed write, set before `write` returns. */
  readonly errored: Error | null;
  readonly destroyed: boolean;
};

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
const NOTHING = Buffer.alloc(0);

export type ConnectionState = 'open' | 'congested' | 'closing';

/** What has been written and not been taken. */
type Waiting = { bytes: number; messages: number; payloadBytes: number; deliveries: number; sinceMs: number };

export type ConnectionLimits = { bufferedMax: number; bufferedAgeMaxMs: number };

/** What a connection tells its surroundings. */
export type ConnectionEvents = {
  /** It became congested, or is so no longer. */
  congestion(connection: Connection, isCongested: boolean): void;
  /** We are about to close it politely: what waits for it elsewhere can still be sent. */
  beforeClose(connection: Connection): void;
  /** It takes no more messages: we or the client began to close. Called once, before the end. */
  closing(connection: Connection): void;
  /** It has written a close frame, or a pong. */
  closeFrameSent(connection: Connection): void;
  pongSent(connection: Connection): void;
};

/** The audience that a connection belongs to, as far as a connection knows: the hub owns what is in it. */
export type Membership = { readonly patterns: readonly string[] };

export class Connection {
  readonly counts: ConnectionCounts = new ConnectionCounts();
  readonly id: string;
  readonly remoteAddress: string;
  readonly openedAtMs: number;
  /** Monotonic milliseconds of the last message in either direction, or of the open. */
  lastMessageAtMs: number;
  /** Owned by the hub: the audience, and the place in it. */
  membership: Membership | undefined;
  membershipIndex = -1;
  /** The channels asked for; undefined until the first subscribe. */
  channels: Set<string> | undefined;
  /** Owned by the heartbeat: monotonic milliseconds of the last ping, and whether its pong is awaited. */
  pingedAtMs: number;
  awaitsPong = false;

  readonly #peer: Peer;
  readonly #wire: Wire;
  readonly #limits: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #wireBytesSent = 0;
  #closing = false;
  #cause: CloseReason | undefined;
  #pendingPong: { data: Uint8Array; sinceMs: number } | undefined;
  readonly #onTaken = (error?: Error | null): void => this.#settle(error);

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
    this.#wire = wire;
    this.#limits = limits;
    this.#events = events;
  }

  get state(): ConnectionState {
    if (this.#closing || this.#peer.readyState !== OPEN) return 'closing';
    return this.#waiting.length > 0 ? 'congested' : 'open';
  }

  get isCongested(): boolean {
    return this.#waiting.length > 0;
  }

  /** Bytes that the kernel has not taken. */
  get bufferedBytes(): number {
    return this.#wire.writableLength;
  }

  /** Milliseconds that the oldest of them has waited. */
  bufferedAgeMs(nowMs: number): number {
    const oldest = this.#waiting[0];
    return oldest === undefined ? 0 : nowMs - oldest.sinceMs;
  }

  /** Adds the bytes on the wire so far: what the kernel has taken of us, and what it has given us. */
  addWireBytes(total: WireBytes): void {
    total.received += this.#wire.bytesRead;
    total.sent += this.#noteWireBytesSent();
  }

  /**
   * What the kernel has taken: what the socket was given less what it still holds. A socket that is destroyed
   * forgets what it held, so the last sure figure is kept, and nothing is taken after that.
   */
  #noteWireBytesSent(): number {
    if (this.#waiting.length > 0 && this.#wire.destroyed) return this.#wireBytesSent;
    const held = Math.max(this.#wire.writableLength, this.#waitingBytes);
    this.#wireBytesSent = Math.max(this.#wireBytesSent, this.#wire.bytesWritten - held);
    return this.#wireBytesSent;
  }

  /**
   * Sends published messages: `chunk` holds that many whole frames. What does not fit in the bound is dropped,
   * and the connection is closed as a slow consumer; one chunk always fits into an empty queue.
   */
  deliver(chunk: Buffer, messages: number, payloadBytes: number, nowMs: number): void {
    if (this.#peer.readyState !== OPEN) return this.#noticeClosing();
    this.counts.matched += messages;
    if (!this.#fits(chunk.length)) {
      this.counts.droppedSlow += messages;
      this.close('slow_consumer');
      return;
    }
    this.#write(chunk, messages, payloadBytes, messages, nowMs);
  }

  /** Sends a message of our own. Answers whether it was given to the socket. */
  say(frame: Frame, nowMs: number): boolean {
    if (this.#closing || this.#peer.readyState !== OPEN) return false;
    if (!this.#fits(frame.bytes.length)) {
      this.close('slow_consumer');
      return false;
    }
    this.#write(frame.bytes, 1, frame.payloadLength, 0, nowMs);
    return true;
  }

  #fits(bytes: number): boolean {
    const buffered = this.#wire.writableLength;
    return buffered === 0 || buffered + bytes <= this.#limits.bufferedMax;
  }

  #write(chunk: Buffer, messages: number, payloadBytes: number, deliveries: number, nowMs: number): void {
    const wire = this.#wire;
    const { counts } = this;
    this.lastMessageAtMs = nowMs;
    if (this.#waiting.length > 0) {
      wire.write(chunk, this.#onTaken);
      this.#wait(chunk.length, messages, payloadBytes, deliveries, nowMs);
      return;
    }
    wire.write(chunk);
    if (wire.writableLength === 0 && wire.errored === null) {
      counts.messagesSent += messages;
      counts.payloadBytesSent += payloadBytes;
      counts.delivered += deliveries;
      return;
    }
    // The kernel left something behind, or the write failed. An empty write behind it tells when it has been
    // taken, or that it never will be; a callback on every write would cost those who keep up a tick each.
    this.#congest(chunk.length, messages, payloadBytes, deliveries, nowMs);
  }

  #congest(bytes: number, messages: number, payloadBytes: number, deliveries: number, sinceMs: number): void {
    this.#wait(bytes, messages, payloadBytes, deliveries, sinceMs);
    this.#noteWireBytesSent();
    this.#wire.write(NOTHING, this.#onTaken);
    this.#events.congestion(this, true);
  }

  /** A control frame that the kernel does not take is waited for like a message, and holds up what comes after it. */
  #writeControlFrame(write: () => void, nowMs: number): void {
    const wire = this.#wire;
    const before = wire.bytesWritten;
    this.#noteWireBytesSent();
    write();
    const isTaken = wire.errored === null && wire.writableLength === 0;
    if (!isTaken || this.#waiting.length > 0) this.#congest(wire.bytesWritten - before, 0, 0, 0, nowMs);
  }

  #wait(bytes: number, messages: number, payloadBytes: number, deliveries: number, sinceMs: number): void {
    this.#waiting.push({ bytes, messages, payloadBytes, deliveries, sinceMs });
    this.#waitingBytes += bytes;
    this.counts.queued += deliveries;
  }

  /** One write has ended, in the order of writing. A failed one stays: the end of the connection counts it. */
  #settle(error: Error | null | undefined): void {
    if (error) return;
    const taken = this.#waiting.shift();
    if (taken === undefined) return;
    this.#waitingBytes -= taken.bytes;
    this.#noteWireBytesSent();
    this.counts.queued -= taken.deliveries;
    this.counts.delivered += taken.deliveries;
    this.counts.messagesSent += taken.messages;
    this.counts.payloadBytesSent += taken.payloadBytes;
    if (this.#waiting.length > 0) return;
    this.#events.congestion(this, false);
    const pong = this.#pendingPong;
    this.#pendingPong = undefined;
    if (pong !== undefined) this.pong(pong.data, pong.sinceMs);
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
    if (this.#waiting.length > 0) {
      this.#pendingPong = { data: Uint8Array.from(data), sinceMs: nowMs };
      return;
    }
    this.#writeControlFrame(() => this.#peer.pong(data), nowMs);
    this.#events.pongSent(this);
  }

  /** Pings the client; false when it is past that. */
  ping(nowMs: number): boolean {
    if (this.#closing || this.#peer.readyState !== OPEN) return false;
    this.pingedAtMs = nowMs;
    this.awaitsPong = true;
    this.#writeControlFrame(() => this.#peer.ping(), nowMs);
    return true;
  }

  /** Forgives the time in which we ourselves did not run, so that no client is judged by it. */
  credit(stallMs: number): void {
    this.pingedAtMs += stallMs;
    for (const waiting of this.#waiting) waiting.sinceMs += stallMs;
  }

  /** Begins to close. The first cause wins; a later call changes nothing. */
  close(reason: CloseReason, code: number = closeKinds[reason].code): void {
    if (this.#cause !== undefined || this.#peer.readyState !== OPEN) return this.#noticeClosing();
    // What the client was still to hear is written while it may be: no data frame follows a close frame.
    if (reason !== 'slow_consumer') this.#events.beforeClose(this);
    if (this.#cause !== undefined) return;
    this.#cause = reason;
    this.#noticeClosing();
    // Its age is nobody's measure: the WebSocket library gives the whole closing a time of its own.
    this.#writeControlFrame(() => this.#peer.close(code, reason), Number.POSITIVE_INFINITY);
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
    const wire = { received: this.#wire.bytesRead, sent: this.#noteWireBytesSent() };
    if (this.#waiting.length > 0) {
      this.#waiting.length = 0;
      this.#waitingBytes = 0;
      this.counts.droppedClosed += this.counts.queued;
      this.counts.queued = 0;
      this.#events.congestion(this, false);
    }
    const reason = this.#cause ?? clientCloseReason(code);
    return { reason, initiator: closeKinds[reason].initiator, wire };
  }
}

/** Which field of the counts holds a drop reason. */
export const dropFields = {
  slow_consumer: 'droppedSlow',
  closed: 'droppedClosed',
} as const satisfies Record<DropReason, keyof ConnectionCounts>;
