/**
 * The WebSocket of one client: the ws library's class, with a connection in place of listeners.
 *
 * An emitter with a listener for each of five events costs every client half a kilobyte; a method that hands on what
 * the library emits costs nothing. And each close frame passes through here, the library's own answers to the client's
 * close and to a breach of the protocol too, so each is seen and counted as it is written.
 */
import { WebSocket } from 'ws';
import type { CloseReason } from './close-codes.ts';
import type { Connection } from './connection.ts';

/** What the gateway is told about a client. */
export type ClientEvents = {
  /** It can be spoken to. */
  ready(client: Connection): void;
  message(client: Connection, data: Buffer, isBinary: boolean): void;
  ping(client: Connection, data: Buffer): void;
  pong(client: Connection): void;
  /** It broke a rule; the close frame that says so has been written. */
  violated(client: Connection, reason: CloseReason): void;
  /** A close frame is due, and `write` writes it, unless there has been one. */
  closeFrame(client: Connection, write: () => void, code?: number): void;
  /** The TCP connection has ended. 1006: without a close frame from the client. */
  closed(client: Connection, code: number): void;
};

export class ClientSocket extends WebSocket {
  #connection: Connection | undefined;
  #events: ClientEvents | undefined;

  attach(connection: Connection, events: ClientEvents): void {
    this.#connection = connection;
    this.#events = events;
  }

  override emit(event: string, first?: unknown, second?: unknown): boolean {
    const connection = this.#connection;
    const events = this.#events;
    if (connection === undefined || events === undefined) return super.emit(event, first, second);
    switch (event) {
      case 'message':
        events.message(connection, first as Buffer, second as boolean);
        return true;
      case 'ping':
        events.ping(connection, first as Buffer);
        return true;
      case 'pong':
        events.pong(connection);
        return true;
      case 'error':
        events.violated(connection, violationOf((first as Error & { code?: string }).code));
        return true;
      case 'close':
        events.closed(connection, first as number);
        return true;
      default:
        return super.emit(event, first, second);
    }
  }

  override close(code?: number, reason?: string | Buffer): void {
    const write = (): void => super.close(code, reason);
    if (this.#connection === undefined) write();
    else this.#events?.closeFrame(this.#connection, write, code);
  }
}

/** The library's error codes that have a reason of their own; the others are breaches of the protocol. */
const violations: Record<string, CloseReason> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'message_too_big',
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 'message_too_big',
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 'policy',
};

function violationOf(code: string | undefined): CloseReason {
  return violations[code ?? ''] ?? 'protocol_error';
}
