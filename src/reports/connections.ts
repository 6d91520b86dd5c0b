/**
 * One live connection as the documents show it. The row comes from the connection table, taken in the same
 * tick as the collection beside it; an identifier is never an attribute of an instrument.
 */

/** A connection in neutral form. Seconds on the monotonic clock, payload bytes. */
export type ConnectionRow = {
  id: string;
  remoteAddr: string;
  durationSeconds: number;
  messagesSent: number;
  messagesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  /** Since the last message in either direction, or since the open if there was none. */
  idleSeconds: number;
};

/** Some of the live connections, and whether there are more. */
export type ConnectionPage = { rows: readonly ConnectionRow[]; truncated: boolean };

export type ConnectionDocument = {
  id: string;
  remote_addr: string;
  duration_sec: number;
  messages_sent: number;
  messages_recv: number;
  bytes_sent: number;
  bytes_recv: number;
  idle_sec: number;
};

export function connectionDocument(row: ConnectionRow): ConnectionDocument {
  return {
    id: row.id,
    remote_addr: row.remoteAddr,
    duration_sec: row.durationSeconds,
    messages_sent: row.messagesSent,
    messages_recv: row.messagesReceived,
    bytes_sent: row.bytesSent,
    bytes_recv: row.bytesReceived,
    idle_sec: row.idleSeconds,
  };
}
