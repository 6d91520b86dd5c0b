/**
 * A client on a socket of which every fault can be commanded: how much the kernel takes, when a write fails,
 * when the peer closes. It stands in for the ws library and net.Socket, with their documented behaviour: a
 * write is taken whole or waits, callbacks come in order, a failed write tells its callbacks so.
 */
import type { ClientEvents } from '../../src/gateway/client-socket.ts';
import type { CloseReason } from '../../src/gateway/close-codes.ts';
import type { Connection, Peer } from '../../src/gateway/connection.ts';
import type { Wire } from '../../src/gateway/send-queue.ts';

/** What can be told of one client. */
type OwnEvents = {
  message(data: Buffer, isBinary: boolean): void;
  ping(data: Buffer): void;
  pong(): void;
  violated(reason: CloseReason): void;
  closeFrame(write: () => void, code?: number): void;
  closed(code: number): void;
};

type Waiting = { chunk: Uint8Array; taken: ((error?: Error | null) => void) | undefined };

export class FakeClient implements Wire, Peer {
  /** Bytes that the kernel will still take. */
  room = Number.POSITIVE_INFINITY;
  readyState = 1;
  bytesWritten = 0;
  writableLength = 0;
  /** What the kernel has taken. */
  bytesTaken = 0;
  errored: Error | null = null;
  /** Close codes that the gateway has sent. */
  closeCode: number | undefined;
  pings = 0;
  pongs = 0;
  isTerminated = false;
  /** Tells the gateway of this client. */
  events!: OwnEvents;
  hasEnded = false;
  readonly #waiting: Waiting[] = [];
  readonly #taken: Uint8Array[] = [];

  /** As the listener does it once a handshake is complete. */
  attach(connection: Connection, events: ClientEvents): void {
    this.events = {
      message: (data, isBinary) => events.message(connection, data, isBinary),
      ping: (data) => events.ping(connection, data),
      pong: () => events.pong(connection),
      violated: (reason) => events.violated(connection, reason),
      closeFrame: (write, code) => events.closeFrame(connection, write, code),
      closed: (code) => events.closed(connection, code),
    };
    events.ready(connection);
  }

  write(chunk: Uint8Array, taken?: (error?: Error | null) => void): boolean {
    this.bytesWritten += chunk.length;
    if (this.errored !== null) {
      taken?.(this.errored);
      return false;
    }
    if (this.#waiting.length === 0 && chunk.length <= this.room) {
      this.#take(chunk);
      taken?.(null);
    } else {
      this.#waiting.push({ chunk, taken });
      this.writableLength += chunk.length;
    }
    return true;
  }

  /** The kernel takes this many bytes more, in whole writes. */
  drain(bytes: number): void {
    if (this.errored !== null) return;
    this.room += bytes;
    let next = this.#waiting[0];
    while (next !== undefined && next.chunk.length <= this.room) {
      this.#waiting.shift();
      this.writableLength -= next.chunk.length;
      this.#take(next.chunk);
      next.taken?.(null);
      next = this.#waiting[0];
    }
  }

  /** It stops reading: the kernel takes nothing more until it is drained. */
  stopTaking(): void {
    this.room = 0;
  }

  #take(chunk: Uint8Array): void {
    this.room -= chunk.length;
    this.bytesTaken += chunk.length;
    // As the kernel does: whoever wrote it may use its memory again.
    this.#taken.push(Uint8Array.from(chunk));
  }

  ping(): void {
    this.pings += 1;
    this.write(Buffer.from([0x89, 0]));
  }

  pong(data: Uint8Array): void {
    this.pongs += 1;
    this.write(Buffer.from([0x8a, data.length, ...data]));
  }

  close(code: number): void {
    this.closeCode = code;
    this.#closeFrame(code);
  }

  #closeFrame(code: number): void {
    this.events.closeFrame(() => {
      if (this.readyState !== 1) return;
      this.readyState = 2;
      this.write(Buffer.from([0x88, 2, code >> 8, code & 0xff]));
    }, code);
  }

  terminate(): void {
    this.isTerminated = true;
    this.readyState = 2;
    this.end(1006);
  }

  /** The TCP connection ends; what waits is never sent, and the socket forgets that it ever had it. */
  end(code: number): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.readyState = 3;
    if (code === 1006) this.errored = new Error('reset');
    const left = this.#waiting.splice(0);
    this.writableLength = 0;
    // What had not even been given to the system is no longer counted as written.
    for (const { chunk } of left.slice(1)) this.bytesWritten -= chunk.length;
    for (const { taken } of left) taken?.(new Error('destroyed'));
    this.events.closed(code);
  }

  /** The client asks to close: its frame has been read and answered, and everything before the answer is sent. */
  closeFromClient(code: number): void {
    if (this.hasEnded) return;
    this.#closeFrame(code);
    this.drain(Number.MAX_SAFE_INTEGER);
    this.end(code);
  }

  send(text: string): void {
    const data = Buffer.from(text);
    this.events.message(data, false);
  }

  /** Payloads of the data frames that the kernel has taken. */
  received(): string[] {
    return dataOf(Buffer.concat(this.#taken));
  }
}

/** The payloads of the data frames among whole, unmasked frames. */
function dataOf(bytes: Buffer): string[] {
  const payloads: string[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const short = bytes[offset + 1]!;
    const [length, header] =
      short < 126
        ? [short, 2]
        : short === 126
          ? [bytes.readUInt16BE(offset + 2), 4]
          : [Number(bytes.readBigUInt64BE(offset + 2)), 10];
    const isControl = (bytes[offset]! & 0x08) !== 0;
    if (!isControl) payloads.push(bytes.toString('utf8', offset + header, offset + header + length));
    offset += header + length;
  }
  return payloads;
}

/** Takes everything at once, keeps nothing of it, and says nothing. */
export class WillingClient extends FakeClient {
  writes = 0;

  override write(): boolean {
    this.writes += 1;
    return true;
  }
}
