/**
 * Cross-origin resource sharing (the Fetch standard's CORS protocol): which pages of other origins may read the
 * answers. Pure functions to response headers. An origin is named back, never `*`, and credentials are never
 * allowed: a token travels in the Authorization header, which a script has to set itself.
 */

export type CorsHeaders = Record<string, string>;

/** For every answer: caches have to keep apart what differs by origin, with or without one in this request. */
export function corsHeaders(origin: string | undefined, isAllowed: (origin: string) => boolean): CorsHeaders {
  if (origin === undefined || !isAllowed(origin)) return { vary: 'Origin' };
  return { vary: 'Origin', 'access-control-allow-origin': origin };
}

/** What a script may send beside the headers that it may always send. */
const allowedRequestHeaders = 'Authorization, Content-Type, Nats-Msg-Id';
const maxAgeSeconds = 600;

/**
 * In addition, for the answer to a preflight on a known path. A page of another origin gets none of these, and
 * its browser goes no further.
 */
export function preflightHeaders(
  request: { origin: string | undefined; requestMethod: string | undefined },
  methods: readonly string[],
  isAllowed: (origin: string) => boolean,
): CorsHeaders {
  const vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
  if (request.origin === undefined || request.requestMethod === undefined) return { vary: 'Origin' };
  if (!isAllowed(request.origin)) return { vary };
  return {
    vary,
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': allowedRequestHeaders,
    'access-control-max-age': String(maxAgeSeconds),
  };
}
