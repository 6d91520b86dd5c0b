/**
 * What a connection has been given and its kernel has not taken: there is one only while something waits.
 *
 * A record is kept of each write, and an empty write behind the first tells when it has been taken, or that it never
 * will be; a callback on every write would cost those who keep up a tick each. So each message is counted as sent
 * when its write has succeeded, and waits until then. A socket that has failed forgets what it held, so what is left
 * at the end is counted by these records too.
 */

/** What is needed of the TCP socket; net.Socket has it. */
export type Wire = {
  write(chunk: Uint8Array, taken?: (error?: Error | null) => void): boolean;
  /** Bytes that the kernel has not taken. */
  readonly writableLength: number;
  /** Bytes given to the socket, whether or not the kernel took them. */
  readonly bytesWritten: number;
  /** The error of a failed write, set before `write` returns. */
  readonly errored: Error | null;
};

/** One write: its bytes, and what they carry. A control frame carries nothing that is counted there. */
export type Write = { bytes: number; messages: number; payloadBytes: number; deliveries: number };

export type SendQueueEvents = {
  /** The kernel has taken a write that had waited. */
  taken(write: Write): void;
  /** Nothing waits any more. */
  emptied(): void;
};

const NOTHING = Buffer.alloc(0);

function isOwn({ messages, deliveries }: Write): boolean {
  return messages > deliveries;
}

export class SendQueue {
  readonly #wire: Wire;
  readonly #events: SendQueueEvents;
  readonly #writes: (Write & { sinceMs: number })[] = [];
  /** Of messages that nobody has published: our own. */
  ownBytes = 0;
  /** Whether something has been taken since somebody last looked and set this to false. */
  hasMoved = false;

  constructor(wire: Wire, events: SendQueueEvents) {
    this.#wire = wire;
    this.#events = events;
  }

  /** Bytes that the kernel has not taken, control frames included. */
  get bytes(): number {
    return this.#wire.writableLength;
  }

  /** The same by these records, which a socket that has failed does not take away. */
  get recordedBytes(): number {
    return this.#writes.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Milliseconds that the oldest of them has waited. */
  ageMs(nowMs: number): number {
    const oldest = this.#writes[0];
    return oldest === undefined ? 0 : nowMs - oldest.sinceMs;
  }

  /** Makes what waits younger by that much. */
  credit(stallMs: number): void {
    for (const write of this.#writes) write.sinceMs += stallMs;
  }

  /** Writes behind what waits. */
  write(bytes: Uint8Array, messages: number, payloadBytes: number, deliveries: number, nowMs: number): void {
    this.#add({ bytes: bytes.length, messages, payloadBytes, deliveries, sinceMs: nowMs });
    this.#wire.write(bytes, this.#onTaken);
  }

  /** Waits for a write that the socket has been given without a word about when it is taken. */
  waitFor(bytes: number, messages: number, payloadBytes: number, deliveries: number, nowMs: number): void {
    this.#add({ bytes, messages, payloadBytes, deliveries, sinceMs: nowMs });
    this.#wire.write(NOTHING, this.#onTaken);
  }

  #add(write: Write & { sinceMs: number }): void {
    this.#writes.push(write);
    if (isOwn(write)) this.ownBytes += write.bytes;
  }

  /** Writes end in the order of writing. A failed one stays: the end of the connection counts it. */
  readonly #onTaken = (error?: Error | null): void => {
    if (error) return;
    const taken = this.#writes.shift();
    if (taken === undefined) return;
    this.hasMoved = true;
    if (isOwn(taken)) this.ownBytes -= taken.bytes;
    this.#events.taken(taken);
    if (this.#writes.length === 0) this.#events.emptied();
  };
}
