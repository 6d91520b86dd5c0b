/**
 * The connection list: GET /connections, GET and DELETE /connections/:id; and what of its parameters the reports share, which
 * have a page of connections too.
 */

import { isIP } from 'node:net';
import { isPattern } from '../bus/subjects.ts';
import { closeReasons } from '../gateway/close-codes.ts';
import {
  type ConnectionField,
  type ConnectionQuery,
  connectionDocument,
  connectionFields,
  connectionSortKeys,
  summaryDocument,
  type UnusableCursor,
} from '../reports/connections.ts';
import type { HttpDependencies, HttpSettings } from './dependencies.ts';
import { HttpError } from './errors.ts';
import { badParameter, choice, choices, flag, integer, parseQuery, seconds, text } from './query.ts';
import { type Access, answerJson, type Route } from './route.ts';

const LIMIT_MAX = 1_000;
const LIMIT_PRESET = 100;
/** Of the text in a close frame (RFC 6455 section 5.5), in bytes. */
const CLOSE_TEXT_MAX = 123;

const parameters = {
  state: choice(['open', 'closed', 'all']),
  sort: choice(connectionSortKeys),
  order: choice(['asc', 'desc']),
  limit: integer(1, LIMIT_MAX, LIMIT_PRESET),
  cursor: text('the `next` of an answer to the same query', (given) => /^[\w-]{1,512}$/.test(given)),
  ip: text('an IP address', (given) => isIP(given.split('%')[0]!) !== 0),
  user: text('a name', (given) => given !== ''),
  channel: text('a NATS subject or pattern', isPattern),
  min_idle: seconds(),
  reason: choice(closeReasons),
  fields: choices(connectionFields),
  summary: flag(),
} as const;

/** What a caller asks for of the list; `fields` is undefined where all that is usual is meant. */
export type ListRequest = { query: ConnectionQuery; fields: readonly ConnectionField[] | undefined };

/** What costs no walk through all connections, and so is for everybody. */
const openParameters = { limit: parameters.limit, summary: parameters.summary };
const presets = parseQuery('', parameters);

/** @throws HttpError 400 */
export function parseListRequest(
  querystring: string,
  access: Access,
  { remoteAddr }: Pick<HttpSettings, 'remoteAddr'>,
): ListRequest {
  const given =
    access === 'open'
      ? { ...presets, ...parseQuery(querystring, openParameters) }
      : parseQuery(querystring, parameters);
  const { state = given.reason === undefined ? 'open' : 'closed' } = given;
  if (given.reason !== undefined && state === 'open')
    throw badParameter('reason', given.reason, 'those that are open have not ended: leave out state=open');
  if (given.ip !== undefined && remoteAddr === 'off')
    throw badParameter('ip', given.ip, 'addresses are not shown here; see TIDEGAUGE_REMOTE_ADDR');
  if (given.channel !== undefined && state === 'closed')
    throw badParameter(
      'channel',
      given.channel,
      'what those heard that have ended is not kept: ask for state=open',
    );
  if (given.cursor !== undefined && given.summary)
    throw badParameter('cursor', given.cursor, 'the sums are of all pages: leave out cursor, or summary');
  // Of what has ended, the newest is asked for mostly.
  const isOfEnds = state === 'closed' && given.sort === undefined;
  return {
    query: {
      state,
      sort: given.sort ?? (isOfEnds ? 'closed' : 'opened'),
      order: given.order ?? (isOfEnds ? 'desc' : 'asc'),
      limit: given.summary ? 0 : given.limit,
      cursor: given.cursor,
      ip: given.ip,
      user: given.user,
      channel: given.channel,
      minIdleSeconds: given.min_idle,
      reason: given.reason,
    },
    fields: given.fields,
  };
}

/** @throws HttpError 400 or 410 for a cursor that leads nowhere */
export function usable<Answer extends object>(
  answer: Answer | UnusableCursor,
  { cursor = '' }: ConnectionQuery,
): Answer {
  if (typeof answer !== 'string') return answer;
  if (answer === 'expired cursor')
    throw new HttpError(410, 'cursor_expired', 'This listing is kept no longer. Begin anew, without cursor.');
  throw badParameter('cursor', cursor, 'it must be the `next` of an answer to the same query');
}

type Dependencies = Pick<HttpDependencies, 'connections' | 'settings' | 'unixMs'>;

export function connectionRoutes({ connections, settings, unixMs }: Dependencies): Route[] {
  return [
    {
      method: 'GET',
      path: '/connections',
      access: 'report',
      handle(context) {
        const { query, fields } = parseListRequest(context.querystring, 'report', settings);
        const { rows, next, summary } = usable(connections.list(query), query);
        answerJson(context, {
          timestamp: Math.floor(unixMs() / 1000),
          summary: summaryDocument(summary),
          connections: rows.map((row) => connectionDocument(row, fields)),
          next: next ?? null,
        });
      },
    },
    {
      method: 'GET',
      path: '/connections/:id',
      access: 'report',
      handle(context) {
        const { fields } = parseQuery(context.querystring, { fields: parameters.fields });
        const row = connections.find(context.params.id ?? '');
        if (row === undefined) throw unknownConnection('among those that live or have ended not long ago');
        answerJson(context, connectionDocument(row, fields));
      },
    },
    {
      method: 'DELETE',
      path: '/connections/:id',
      access: 'action',
      handle(context) {
        const { code, reason } = parseQuery(context.querystring, closeParameters);
        const id = context.params.id ?? '';
        if (!connections.close(id, code, reason)) throw unknownConnection('among those that live');
        answerJson(context, { closing: { id } }, 202);
      },
    },
  ];
}

const closeParameters = {
  code: {
    parse(given: string): number | undefined {
      const code = /^\d{4}$/.test(given) ? Number(given) : 0;
      return isCloseCode(code) ? code : undefined;
    },
    accepts: 'a close code that a server may send: 1000 to 1003, 1007 to 1009, 1011 to 1013, or 3000 to 4999',
    default: undefined as number | undefined,
  },
  reason: text(`text of 1 to ${CLOSE_TEXT_MAX} bytes`, (given) => {
    const bytes = Buffer.byteLength(given);
    return bytes > 0 && bytes <= CLOSE_TEXT_MAX;
  }),
};

/** RFC 6455 section 7.4; 1010 is for clients. */
function isCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1013 && code !== 1010);
}

function unknownConnection(where: string): HttpError {
  return new HttpError(404, 'not_found', `There is no connection of this name ${where}.`);
}
