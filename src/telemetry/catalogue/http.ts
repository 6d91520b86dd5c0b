/** HTTP requests, by the semantic conventions. WebSocket upgrades are not requests; see the handshakes. */
import type { Declarations } from './declaration.ts';

/** The methods that the semantic conventions know by name; any other is the last one. */
export const httpMethods = [
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
  '_OTHER',
] as const;
export const httpSchemes = ['http', 'https'] as const;
/** Failures of ours by their status; `aborted`: the caller went away before the answer was out. */
export const httpErrors = ['aborted', '500', '501', '502', '503', '504', '_OTHER'] as const;
export const httpRoutesMax = 32;

export const httpInstruments = {
  'http.server.request.duration': {
    kind: 'histogram',
    unit: 's',
    stability: 'stable',
    attributes: [
      ['http.request.method', httpMethods],
      ['http.route', { upTo: httpRoutesMax, what: 'the template of the route' }],
      ['http.response.status_code', { upTo: 63, what: 'the status' }],
      ['url.scheme', httpSchemes],
      ['error.type', httpErrors],
    ],
    onlyIf: {
      'http.route': 'the path is one of ours',
      'http.response.status_code': 'the caller stayed until a status was sent',
      'error.type': 'the request failed through no fault of its sender, or was given up',
    },
    boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    counts: 'From the head of a request to the last byte of its answer.',
    not: 'WebSocket connections, and malformed requests that never became one.',
    source: 'the HTTP application',
    question: 'Do reports, scrapes and publishes answer, and how fast?',
  },
  'http.server.active_requests': {
    kind: 'upDownCounter',
    unit: '{request}',
    stability: 'development',
    counts: 'Requests under way.',
    not: 'Split by method and scheme, as the conventions have it: the sum is enough here.',
    source: 'the HTTP application',
    question: 'Do requests pile up?',
  },
} as const satisfies Declarations;
