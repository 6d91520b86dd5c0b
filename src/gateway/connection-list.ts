/**
 * The connection list: live and recently ended connections, filtered, in an order, and in pages. It walks through the whole
 * table except where the oldest live ones are asked for without a summary, as the
 * reports do that are polled.
 *
 * Pages put together give each connection that lived through the listing once, and come to an end: who is opened meanwhile is
 * not on them. Where the order is by something that never changes, a cursor names the last row, and the next page is what
 * comes behind it, whoever went. An order by
 * something that changes (bytes, idleness) has no such place: a connection would overtake the cursor and come twice, or never.
 * There the first page notes the order of all, and a cursor is a place in it; how many such orders are kept, and for how
 * long, is bounded.
 */
import { hash } from 'node:crypto';
import { isAllowed } from '../bus/subjects.ts';
import type {
  ConnectionPage,
  ConnectionQuery,
  ConnectionRow,
  ConnectionSortKey,
  ConnectionSummary,
  UnusableCursor,
} from '../reports/connections.ts';
import type { ClosedConnection, ClosedConnections } from './closed-connections.ts';
import type { Connection } from './connection.ts';
import type { Connections } from './connections.ts';
import { Orders } from './orders.ts';
import { type AddressShown, shownWithoutPort, withoutPort } from './remote-address.ts';

export type ConnectionListing = ConnectionPage & { summary: ConnectionSummary };

/** A connection that the query names. */
type Entry = { readonly live: Connection } | { readonly closed: ClosedConnection };
/** Undefined comes last in either order. */
type Key = number | string | undefined;

const liveKeys: Record<ConnectionSortKey, (connection: Connection, nowMs: number) => Key> = {
  id: ({ id }) => id,
  opened: ({ number }) => number,
  duration: ({ openedAtMs }, nowMs) => nowMs - openedAtMs,
  idle: ({ lastMessageAtMs }, nowMs) => nowMs - lastMessageAtMs,
  messages_sent: ({ counts }) => counts.messagesSent,
  messages_recv: ({ counts }) => counts.messagesReceived,
  bytes_sent: ({ counts }) => counts.payloadBytesSent,
  bytes_recv: ({ counts }) => counts.payloadBytesReceived,
  buffered: ({ bufferedBytes }) => bufferedBytes,
  dropped: ({ counts }) => counts.dropped,
  rtt: ({ rttMs }) => rttMs,
  subscriptions: ({ subscriptions }) => subscriptions,
  closed: () => undefined,
};

const closedKeys: Record<ConnectionSortKey, (row: ClosedConnection) => Key> = {
  id: ({ id }) => id,
  opened: ({ number }) => number,
  duration: ({ durationSeconds }) => durationSeconds * 1000,
  idle: ({ idleSeconds }) => idleSeconds * 1000,
  messages_sent: ({ messagesSent }) => messagesSent,
  messages_recv: ({ messagesReceived }) => messagesReceived,
  bytes_sent: ({ bytesSent }) => bytesSent,
  bytes_recv: ({ bytesReceived }) => bytesReceived,
  buffered: ({ bufferedBytes }) => bufferedBytes,
  dropped: ({ dropped }) => dropped,
  rtt: ({ rttMs }) => rttMs,
  subscriptions: ({ subscriptions }) => subscriptions,
  closed: ({ closedNumber }) => closedNumber,
};

/** What these order by stays as it is for as long as a connection lives. */
const lasting: ReadonlySet<ConnectionSortKey> = new Set<ConnectionSortKey>(['id', 'opened', 'closed']);

/** Nor may who is named change meanwhile: one that speaks is not idle any more. */
function isLasting({ sort, minIdleSeconds, channel }: ConnectionQuery): boolean {
  return lasting.has(sort) && minIdleSeconds === undefined && channel === undefined;
}

type Placed = { readonly entry: Entry; readonly key: Key; readonly number: number };

export type ListSurroundings = {
  nowMs(): number;
  /** The number of the connection that was opened last. */
  newest(): number;
  /** How rows show addresses. */
  remoteAddr: AddressShown;
};

export class ConnectionList {
  readonly #connections: Connections;
  readonly #closed: ClosedConnections;
  readonly #around: ListSurroundings;
  readonly #orders: Orders;

  constructor(connections: Connections, closed: ClosedConnections, around: ListSurroundings) {
    this.#connections = connections;
    this.#closed = closed;
    this.#around = around;
    this.#orders = new Orders(around.nowMs);
  }

  list(query: ConnectionQuery): ConnectionListing | UnusableCursor {
    const nowMs = this.#around.nowMs();
    const entries = [...this.#entries(query, nowMs)];
    const page = this.#page(query, entries, nowMs);
    return typeof page === 'string' ? page : { ...page, summary: summarize(entries) };
  }

  /** Without the summary, which saves going through all connections where only the oldest are asked for. */
  page(query: ConnectionQuery): ConnectionPage | UnusableCursor {
    const nowMs = this.#around.nowMs();
    const entries = this.#entries(query, nowMs);
    // The table is in the order of the opens.
    const isInOrder =
      isLasting(query) && query.sort === 'opened' && query.order === 'asc' && query.state === 'open';
    const needed = isInOrder && query.cursor === undefined ? entries.take(query.limit + 1) : entries;
    return this.#page(query, [...needed], nowMs);
  }

  /** Live, or ended not long ago. */
  find(id: string, nowMs: number = this.#around.nowMs()): ConnectionRow | undefined {
    const live = this.#connections.get(id);
    return live === undefined ? this.#closed.find(id) : rowOf(live, nowMs);
  }

  /** Now and then, so that what nobody asks for any more does not stay. */
  forgetOld(): void {
    this.#orders.forgetOld();
  }

  *#entries(query: ConnectionQuery, nowMs: number): Generator<Entry> {
    const { state, reason, user, channel, minIdleSeconds = 0 } = query;
    const ip = query.ip === undefined ? undefined : shownWithoutPort(query.ip, this.#around.remoteAddr);
    // Nobody has a name, nor an address where those are not shown; and what those heard that have ended is not kept.
    if (user !== undefined || ip === '') return;
    if (state !== 'closed' && reason === undefined) {
      for (const live of this.#connections) {
        if (ip !== undefined && withoutPort(live.remoteAddress) !== ip) continue;
        if ((nowMs - live.lastMessageAtMs) / 1000 < minIdleSeconds) continue;
        if (channel !== undefined && !isAllowed(channel, live.patterns)) continue;
        yield { live };
      }
    }
    if (state === 'open' || channel !== undefined) return;
    for (const closed of this.#closed) {
      if (ip !== undefined && withoutPort(closed.remoteAddr) !== ip) continue;
      if (closed.idleSeconds < minIdleSeconds) continue;
      if (reason !== undefined && closed.end.reason !== reason) continue;
      yield { closed };
    }
  }

  #page(query: ConnectionQuery, entries: Entry[], nowMs: number): ConnectionPage | UnusableCursor {
    if (query.limit === 0) return { rows: [], next: undefined, isTruncated: entries.length > 0 };
    return isLasting(query)
      ? pageByPlace(query, entries, nowMs, this.#around.newest())
      : this.#pageByOrder(query, entries, nowMs);
  }

  #pageByOrder(query: ConnectionQuery, entries: Entry[], nowMs: number): ConnectionPage | UnusableCursor {
    const stamp = stampOf(query);
    let order: string | undefined;
    let from = 0;
    let ids: readonly string[];
    if (query.cursor === undefined) {
      ids = withKeys(query, entries, nowMs)
        .sort((one, other) => compare(one, other, query.order))
        .map(({ entry }) => idOf(entry));
      if (ids.length > query.limit) order = this.#orders.keep(ids);
    } else {
      const place = indexIn(query.cursor, stamp);
      if (place === undefined) return 'foreign cursor';
      [order, from] = place;
      const kept = this.#orders.get(order);
      if (kept === undefined) return 'expired cursor';
      ids = kept;
    }
    const rows: ConnectionRow[] = [];
    let at = from;
    for (; at < ids.length && rows.length < query.limit; at += 1) {
      const id = ids[at]!;
      // It has ended since.
      if (query.state === 'open' && this.#connections.get(id) === undefined) continue;
      const row = this.find(id, nowMs);
      // As one that has ended it was pushed out.
      if (row !== undefined) rows.push(row);
    }
    const next = at < ids.length ? cursorOf(stamp, order!, at) : undefined;
    return { rows, next, isTruncated: next !== undefined };
  }
}

function pageByPlace(
  query: ConnectionQuery,
  entries: Entry[],
  nowMs: number,
  newestNow: number,
): ConnectionPage | UnusableCursor {
  const stamp = stampOf(query);
  const before = query.cursor === undefined ? undefined : placeIn(query.cursor, stamp);
  if (query.cursor !== undefined && before === undefined) return 'foreign cursor';
  const newest = before?.newest ?? newestNow;
  const rest = withKeys(query, entries, nowMs)
    .filter((one) => one.number <= newest && (before === undefined || compare(one, before, query.order) > 0))
    .sort((one, other) => compare(one, other, query.order));
  const page = rest.slice(0, query.limit);
  const last = page.at(-1);
  const isTruncated = last !== undefined && page.length < rest.length;
  return {
    rows: page.map(({ entry }) => ('live' in entry ? rowOf(entry.live, nowMs) : entry.closed)),
    next: isTruncated ? cursorOf(stamp, last.key ?? null, last.number, newest) : undefined,
    isTruncated,
  };
}

function withKeys({ sort }: ConnectionQuery, entries: Entry[], nowMs: number): Placed[] {
  const liveKey = liveKeys[sort];
  const closedKey = closedKeys[sort];
  return entries.map((entry) =>
    'live' in entry
      ? { entry, key: liveKey(entry.live, nowMs), number: entry.live.number }
      : { entry, key: closedKey(entry.closed), number: entry.closed.number },
  );
}

type Place = Pick<Placed, 'key' | 'number'>;

/** Below 0 where the first comes first. Of equals the one that was opened first. */
function compare(one: Place, other: Place, order: 'asc' | 'desc'): number {
  if (one.key === other.key) return one.number - other.number;
  if (one.key === undefined) return 1;
  if (other.key === undefined) return -1;
  const isBefore = one.key < other.key === (order === 'asc');
  return isBefore ? -1 : 1;
}

function idOf(entry: Entry): string {
  return 'live' in entry ? entry.live.id : entry.closed.id;
}

/** Which query a cursor is of: all of it but how much of it is on a page. */
function stampOf({ state, sort, order, ip, user, channel, minIdleSeconds, reason }: ConnectionQuery): string {
  const query = [state, sort, order, ip, user, channel, minIdleSeconds, reason];
  return hash('sha256', JSON.stringify(query)).slice(0, 8);
}

function cursorOf(...parts: [stamp: string, ...place: (string | number | null)[]]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** Nothing of a cursor that is not of this query. */
function partsOf(cursor: string, stamp: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(parts) && parts[0] === stamp ? parts : [];
  } catch {
    return [];
  }
}

/** The last row before the page, and the newest connection that the listing has. */
function placeIn(cursor: string, stamp: string): (Place & { newest: number }) | undefined {
  const [, key, number, newest] = partsOf(cursor, stamp);
  const isKey = key === null || typeof key === 'number' || typeof key === 'string';
  if (!isKey || typeof number !== 'number' || typeof newest !== 'number') return undefined;
  return { key: key ?? undefined, number, newest };
}

/** The name of an order, and where in it the page begins. */
function indexIn(cursor: string, stamp: string): [order: string, from: number] | undefined {
  const [, order, from] = partsOf(cursor, stamp);
  return typeof order === 'string' && Number.isSafeInteger(from) && (from as number) >= 0
    ? [order, from as number]
    : undefined;
}

function summarize(entries: readonly Entry[]): ConnectionSummary {
  const summary: ConnectionSummary = {
    count: entries.length,
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
  for (const entry of entries) {
    const one = 'live' in entry ? sumsOf(entry.live) : entry.closed;
    summary.states[one.state] += 1;
    summary.messagesSent += one.messagesSent;
    summary.messagesReceived += one.messagesReceived;
    summary.bytesSent += one.bytesSent;
    summary.bytesReceived += one.bytesReceived;
    summary.bufferedBytes += one.bufferedBytes;
    summary.dropped += one.dropped;
    summary.gaps += one.gaps;
    summary.subscriptions += one.subscriptions;
    if ('live' in entry) continue;
    const { reason } = entry.closed.end;
    summary.closeReasons[reason] = (summary.closeReasons[reason] ?? 0) + 1;
  }
  return summary;
}

/** The part of a row that is summed up. */
function sumsOf(connection: Connection) {
  const { counts, state, bufferedBytes, gaps, subscriptions } = connection;
  return {
    state,
    messagesSent: counts.messagesSent,
    messagesReceived: counts.messagesReceived,
    bytesSent: counts.payloadBytesSent,
    bytesReceived: counts.payloadBytesReceived,
    bufferedBytes,
    dropped: counts.dropped,
    gaps,
    subscriptions,
  };
}

export function rowOf(connection: Connection, nowMs: number): ConnectionRow {
  return {
    id: connection.id,
    remoteAddr: connection.remoteAddress,
    durationSeconds: (nowMs - connection.openedAtMs) / 1000,
    idleSeconds: (nowMs - connection.lastMessageAtMs) / 1000,
    ...sumsOf(connection),
    openedAtUnixMs: connection.openedAtUnixMs,
    rttMs: connection.rttMs,
    userAgent: connection.userAgent,
    end: undefined,
  };
}
