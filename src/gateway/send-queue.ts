/**
 * What a connection has been given and its kernel has not taken: the account behind "sent".
 *
 * A write that the kernel takes whole costs four additions and leaves nothing behind. Only when something is left
 * is a record kept of each write, and an empty write behind the first tells when it has been taken, or that it
 * never will be; a callback on every write would cost those who keep up a tick each. So each message is delivered
 * when its write has succeeded, and otherwise queued, until the end of the connection drops it.
 */
import type { ConnectionCounts, WireBytes } from './ledger.ts';

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

type Waiting = { size: number; messages: number; payloadBytes: number; deliveries: number; sinceMs: number };

const NOTHING = Buffer.alloc(0);

export class SendQueue {
  readonly #wire: Wire;
  readonly #counts: ConnectionCounts;
  /** Told when something begins to wait, and when nothing does any more. */
  readonly #congestion: (isCongested: boolean) => void;
  /** Made when something waits for the first time. */
  #waiting: Waiting[] | undefined;
  #waitingBytes = 0;
  #wireBytesSent = 0;
  /** Writes taken after they had waited: whether it moves at all. */
  taken = 0;
  #onTaken: ((error?: Error | null) => void) | undefined;

  constructor(wire: Wire, counts: ConnectionCounts, congestion: (isCongested: boolean) => void) {
    this.#wire = wire;
    this.#counts = counts;
    this.#congestion = congestion;
  }

  get isCongested(): boolean {
    return this.#waiting !== undefined && this.#waiting.length > 0;
  }

  /** Bytes that the kernel has not taken, control frames included. */
  get bytes(): number {
    return this.#wire.writableLength;
  }

  /** Milliseconds that the oldest of them has waited. */
  ageMs(nowMs: number): number {
    const oldest = this.#waiting?.[0];
    return oldest === undefined ? 0 : nowMs - oldest.sinceMs;
  }

  /** Makes what waits younger by that much. */
  credit(stallMs: number): void {
    for (const waiting of this.#waiting ?? []) waiting.sinceMs += stallMs;
  }

  write(bytes: Uint8Array, messages: number, payloadBytes: number, deliveries: number, nowMs: number): void {
    const wire = this.#wire;
    if (this.isCongested) {
      wire.write(bytes, this.#onTaken);
      this.#wait(bytes.length, messages, payloadBytes, deliveries, nowMs);
      return;
    }
    wire.write(bytes);
    if (wire.writableLength === 0 && wire.errored === null) {
      const counts = this.#counts;
      counts.messagesSent += messages;
      counts.payloadBytesSent += payloadBytes;
      counts.delivered += deliveries;
      return;
    }
    this.#congest(bytes.length, messages, payloadBytes, deliveries, nowMs);
  }

  /** A control frame that the kernel does not take is waited for like a message, and holds up what comes after it. */
  writeControlFrame(write: () => void, nowMs: number): void {
    const wire = this.#wire;
    const before = wire.bytesWritten;
    this.#noteWireBytesSent();
    write();
    const isTaken = wire.errored === null && wire.writableLength === 0;
    if (!isTaken || this.isCongested) this.#congest(wire.bytesWritten - before, 0, 0, 0, nowMs);
  }

  /** Something has been written that was not taken at once. */
  #congest(size: number, messages: number, payloadBytes: number, deliveries: number, sinceMs: number): void {
    const wasCongested = this.isCongested;
    this.#wait(size, messages, payloadBytes, deliveries, sinceMs);
    this.#noteWireBytesSent();
    this.#onTaken ??= (error) => this.#settle(error);
    this.#wire.write(NOTHING, this.#onTaken);
    if (!wasCongested) this.#congestion(true);
  }

  #wait(size: number, messages: number, payloadBytes: number, deliveries: number, sinceMs: number): void {
    this.#waiting ??= [];
    this.#waiting.push({ size, messages, payloadBytes, deliveries, sinceMs });
    this.#waitingBytes += size;
    this.#counts.queued += deliveries;
  }

  /** One write has ended, in the order of writing. A failed one stays: the end of the connection counts it. */
  #settle(error: Error | null | undefined): void {
    if (error) return;
    const taken = this.#waiting?.shift();
    if (taken === undefined) return;
    const counts = this.#counts;
    this.taken += 1;
    this.#waitingBytes -= taken.size;
    this.#noteWireBytesSent();
    counts.queued -= taken.deliveries;
    counts.delivered += taken.deliveries;
    counts.messagesSent += taken.messages;
    counts.payloadBytesSent += taken.payloadBytes;
    if (!this.isCongested) this.#congestion(false);
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
    if (this.isCongested && this.#wire.destroyed) return this.#wireBytesSent;
    const held = Math.max(this.#wire.writableLength, this.#waitingBytes);
    this.#wireBytesSent = Math.max(this.#wireBytesSent, this.#wire.bytesWritten - held);
    return this.#wireBytesSent;
  }

  /** The TCP connection has ended: what still waits will never be taken. */
  ended(): void {
    if (!this.isCongested) return;
    this.#waiting = undefined;
    this.#congestion(false);
  }
}
