/**
 * HTTP upgrade -> admit or reject. With client-socket.ts the only file that knows the ws library: it does the
 * handshake, reads the client's frames and writes control frames. From here on a client is a Connection.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type ServerOptions, type Server as WebSocketListener, WebSocketServer } from 'ws';
import { type RejectionReason, rejectionAnswers } from './admission.ts';
import { type ClientEvents, ClientSocket } from './client-socket.ts';
import type { Connection, Peer } from './connection.ts';
import type { Wire } from './send-queue.ts';

/** What the listener asks and tells the gateway. */
export type ListenerEvents = {
  /** An upgrade request has come; answers why it is refused, or undefined. */
  handshake(request: IncomingMessage): RejectionReason | undefined;
  /** It was refused, by the gateway or because the client had gone. */
  rejected(reason: RejectionReason, startedMs: number): void;
  /** It was completed. */
  opened(peer: Peer, wire: Wire, request: IncomingMessage, startedMs: number): Connection;
  /** Bytes that went over the TCP connections of clients: all that came in, and our answers to upgrades. */
  received(bytes: number): void;
  handshakeSent(bytes: number): void;
  readonly client: ClientEvents;
};

export type ListenerSettings = {
  messageSizeMax: number;
  closeTimeoutMs: number;
  nowMs(): number;
  random(): number;
};

/** Least and greatest Retry-After of a refusal that time may mend, in seconds; spread so that not all return at once. */
const RETRY_AFTER_SECONDS = { least: 1, most: 10 };
/** Time to take the answer to a handshake that is refused, before the connection is cut. */
const LINGER_MS = 1_000;

export class Listener {
  readonly #websockets: WebSocketListener<typeof ClientSocket>;
  readonly #events: ListenerEvents;
  readonly #settings: ListenerSettings;

  constructor(events: ListenerEvents, settings: ListenerSettings) {
    this.#events = events;
    this.#settings = settings;
    const options: ServerOptions<typeof ClientSocket> & { closeTimeout: number } = {
      WebSocket: ClientSocket,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: settings.messageSizeMax,
      maxFragments: 16,
      maxBufferedChunks: chunksMax(settings.messageSizeMax),
      closeTimeout: settings.closeTimeoutMs,
    };
    this.#websockets = new WebSocketServer(options);
    // Only a malformed Sec-WebSocket-Protocol is left for the library to find: the rest was checked before.
    this.#websockets.on('wsClientError', (_error, socket, request) => {
      this.#reject(socket as Socket, 'bad_request', startOf(request));
    });
  }

  /** Takes the upgrades of an HTTP server. */
  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as Socket, head));
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const startedMs = this.#settings.nowMs();
    starts.set(request, startedMs);
    // A socket that fails before it is handed over must not end the process; its end is counted below.
    socket.on('error', ignoreSocketError);
    const reason = this.#events.handshake(request);
    if (!socket.readable || !socket.writable) return this.#abort(socket, startedMs);
    if (reason !== undefined) return this.#reject(socket, reason, startedMs);
    this.#websockets.handleUpgrade(request, socket, head, (websocket) => {
      socket.removeListener('error', ignoreSocketError);
      this.#open(websocket, socket, request, head, startedMs);
    });
  }

  #open(
    websocket: ClientSocket,
    socket: Socket,
    request: IncomingMessage,
    head: Buffer,
    startedMs: number,
  ): void {
    // What came behind the request goes back to the socket, and comes as data once more.
    this.#events.received(socket.bytesRead - head.length);
    this.#events.handshakeSent(socket.bytesWritten);
    socket.on('data', this.#onData);
    const connection = this.#events.opened(websocket, socket, request, startedMs);
    websocket.attach(connection, this.#events.client);
    this.#events.client.ready(connection);
  }

  /** One function for all sockets: nobody asks which of them it was. */
  readonly #onData = (chunk: Buffer): void => this.#events.received(chunk.length);

  #abort(socket: Socket, startedMs: number): void {
    socket.destroy();
    this.#events.rejected('aborted', startedMs);
  }

  #reject(socket: Socket, reason: RejectionReason, startedMs: number): void {
    if (reason === 'aborted') return this.#abort(socket, startedMs);
    const { status, message } = rejectionAnswers[reason];
    const body = JSON.stringify({ error: { code: reason, message } });
    const headers = [
      `HTTP/1.1 ${status} ${statusTexts[status]}`,
      'Connection: close',
      'Content-Type: application/json; charset=utf-8',
      'Cache-Control: no-store',
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    if (status === 426) headers.push('Sec-WebSocket-Version: 13', 'Upgrade: websocket');
    if (status === 503 || status === 429) headers.push(`Retry-After: ${this.#retryAfterSeconds()}`);
    socket.once('finish', () => socket.destroy());
    // HTTP has let go of it, with its time limits. A caller that does not read would keep the socket, and the process from ending.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
    this.#events.rejected(reason, startedMs);
  }

  #retryAfterSeconds(): number {
    const { least, most } = RETRY_AFTER_SECONDS;
    return least + Math.floor(this.#settings.random() * (most - least + 1));
  }
}

const starts = new WeakMap<IncomingMessage, number>();

function startOf(request: IncomingMessage): number {
  return starts.get(request)!;
}

function ignoreSocketError(): void {}

const statusTexts: Record<number, string> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
};

/**
 * Pieces in which a message may arrive. A network may cut it into the smallest segments that TCP has to know
 * (536 bytes, RFC 9293 section 3.7.1); a client that cuts it smaller than that makes each byte cost a hundred.
 */
function chunksMax(messageSizeMax: number): number {
  return 64 + Math.ceil(messageSizeMax / 512);
}
