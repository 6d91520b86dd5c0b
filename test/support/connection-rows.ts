/** Rows of connections made by hand, for documents and routes. */
import type {
  ConnectionPage,
  ConnectionQuery,
  ConnectionRow,
  ConnectionSummary,
} from '../../src/reports/connections.ts';

export function rowWith(given: Partial<ConnectionRow> = {}): ConnectionRow {
  return {
    id: 'client_1',
    remoteAddr: '127.0.0.1:50000',
    durationSeconds: 3,
    messagesSent: 2,
    messagesReceived: 1,
    bytesSent: 200,
    bytesReceived: 10,
    idleSeconds: 1,
    state: 'open',
    openedAtUnixMs: 1_703_123_456_250,
    subscriptions: 4,
    rttMs: 1.5,
    bufferedBytes: 300,
    dropped: 5,
    gaps: 6,
    userAgent: 'a client/1.0',
    end: undefined,
    ...given,
  };
}

export const closedRow: ConnectionRow = rowWith({
  id: 'client_2',
  state: 'closed',
  bufferedBytes: 0,
  end: {
    closedAtUnixMs: 1_703_123_459_250,
    code: 4408,
    reason: 'slow_consumer',
    initiator: 'server',
    bufferedBytes: 1_048_000,
  },
});

/** What is meant where nothing is said. */
export const bareQuery: ConnectionQuery = {
  state: 'open',
  sort: 'opened',
  order: 'asc',
  limit: 100,
  cursor: undefined,
  ip: undefined,
  user: undefined,
  channel: undefined,
  minIdleSeconds: undefined,
  reason: undefined,
};

export function pageOf(rows: readonly ConnectionRow[], next?: string): ConnectionPage {
  return { rows, next, isTruncated: next !== undefined };
}

export const emptySummary: ConnectionSummary = {
  count: 0,
  states: { open: 0, congested: 0, closing: 0, closed: 0 },
  messagesSent: 0,
  messagesReceived: 0,
  bytesSent: 0,
  bytesReceived: 0,
  bufferedBytes: 0,
  dropped: 0,
  gaps: 0,
  subscriptions: 0,
  closeReasons: {},
};
