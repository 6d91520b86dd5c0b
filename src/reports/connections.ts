/**
 * Connections as the documents show them, live ones and those that have ended. The rows come from the connection table, taken
 * in the same tick as the collection beside them; an identifier is never an attribute of an instrument.
 */

export const connectionStates = ['open', 'congested', 'closing', 'closed'] as const;
export type ConnectionState = (typeof connectionStates)[number];

/** A connection in neutral form. Seconds on the monotonic clock, payload bytes. */
export type ConnectionRow = {
  id: string;
  remoteAddr: string;
  durationSeconds: number;
  messagesSent: number;
  messagesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  /** Since the last message in either direction, or since the open if there was none; of one that has ended, at its end. */
  idleSeconds: number;
  state: ConnectionState;
  openedAtUnixMs: number;
  /** Channels that it had asked for, or that it heard without asking. */
  subscriptions: number;
  /** Of the last of our pings that was answered; undefined before there is one. */
  rttMs: number | undefined;
  /** Wait to be taken by the kernel. */
  bufferedBytes: number;
  /** Published messages that matched it and were not sent. */
  dropped: number;
  /** Times that it was told of something missed. */
  gaps: number;
  /** As the client gave it, cut to a length; undefined without one. */
  userAgent: string | undefined;
  /** There once it has ended. */
  end: ConnectionEnd | undefined;
};

export type ConnectionEnd = {
  closedAtUnixMs: number;
  /** Of our close frame where we began, else of the client's; 1005: the frame had none; 1006: there was no frame. */
  code: number;
  reason: string;
  initiator: string;
  /** What waited when the close began. */
  bufferedBytes: number;
};

export const connectionSortKeys = [
  'id',
  'opened',
  'duration',
  'idle',
  'messages_sent',
  'messages_recv',
  'bytes_sent',
  'bytes_recv',
  'buffered',
  'dropped',
  'rtt',
  'subscriptions',
  'closed',
] as const;
export type ConnectionSortKey = (typeof connectionSortKeys)[number];

/** Which connections, in which order, and which part of them. */
export type ConnectionQuery = {
  /** open: all that have not ended. */
  state: 'open' | 'closed' | 'all';
  sort: ConnectionSortKey;
  order: 'asc' | 'desc';
  /** Rows at most; 0 for the summary alone. */
  limit: number;
  /** From the answer before; undefined for the beginning. */
  cursor: string | undefined;
  /** The address without its port, as reports show it. */
  ip: string | undefined;
  user: string | undefined;
  /** One that it hears the whole of. Nobody knows what those heard that have ended. */
  channel: string | undefined;
  minIdleSeconds: number | undefined;
  /** Of its end. */
  reason: string | undefined;
};

/** Of all connections that the query names, whatever the page. */
export type ConnectionSummary = {
  count: number;
  states: Record<ConnectionState, number>;
  messagesSent: number;
  messagesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  bufferedBytes: number;
  dropped: number;
  gaps: number;
  subscriptions: number;
  /** Of those that have ended, by reason; reasons that did not occur are left out. */
  closeReasons: Record<string, number>;
};

export type ConnectionPage = {
  rows: readonly ConnectionRow[];
  /** Leads to the rest; undefined where there is none, or no row was asked for. */
  next: string | undefined;
  /** There is more than these rows. */
  isTruncated: boolean;
};

/** In place of a page. A cursor that leads nowhere: nobody here has given it for this query, or the listing is too old. */
export type UnusableCursor = 'foreign cursor' | 'expired cursor';

/** Times in Unix seconds with their fraction. */
const documentFields = {
  id: ({ id }) => id,
  remote_addr: ({ remoteAddr }) => remoteAddr,
  duration_sec: ({ durationSeconds }) => durationSeconds,
  messages_sent: ({ messagesSent }) => messagesSent,
  messages_recv: ({ messagesReceived }) => messagesReceived,
  bytes_sent: ({ bytesSent }) => bytesSent,
  bytes_recv: ({ bytesReceived }) => bytesReceived,
  idle_sec: ({ idleSeconds }) => idleSeconds,
  state: ({ state }) => state,
  opened_at: ({ openedAtUnixMs }) => openedAtUnixMs / 1000,
  // Whoever connects is nobody by name: there are no tokens for clients.
  user: () => null,
  subscriptions: ({ subscriptions }) => subscriptions,
  rtt_ms: ({ rttMs }) => rttMs ?? null,
  buffered_bytes: ({ bufferedBytes }) => bufferedBytes,
  dropped: ({ dropped }) => dropped,
  gaps: ({ gaps }) => gaps,
  user_agent: ({ userAgent }) => userAgent ?? null,
  closed_at: ({ end }) => end && end.closedAtUnixMs / 1000,
  close_code: ({ end }) => end?.code,
  close_reason: ({ end }) => end?.reason,
  close_initiator: ({ end }) => end?.initiator,
  buffered_at_close: ({ end }) => end?.bufferedBytes,
} as const satisfies Record<string, (row: ConnectionRow) => string | number | null | undefined>;

export type ConnectionField = keyof typeof documentFields;
export const connectionFields = Object.keys(documentFields) as ConnectionField[];
/** Those that the Go server had. */
export const legacyConnectionFields = connectionFields.slice(0, 8);

/** The last five are left out of one that has not ended. */
export type ConnectionDocument = {
  [Field in ConnectionField]?: ReturnType<(typeof documentFields)[Field]>;
};

export function connectionDocument(
  row: ConnectionRow,
  fields: readonly ConnectionField[] = connectionFields,
): ConnectionDocument {
  const document: Record<string, unknown> = {};
  for (const field of fields) document[field] = documentFields[field](row);
  return document as ConnectionDocument;
}

export function summaryDocument(summary: ConnectionSummary) {
  return {
    count: summary.count,
    ...summary.states,
    messages_sent: summary.messagesSent,
    messages_recv: summary.messagesReceived,
    bytes_sent: summary.bytesSent,
    bytes_recv: summary.bytesReceived,
    buffered_bytes: summary.bufferedBytes,
    dropped: summary.dropped,
    gaps: summary.gaps,
    subscriptions: summary.subscriptions,
    close_reasons: summary.closeReasons,
  };
}
