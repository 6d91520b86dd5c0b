/**
 * Counts requests: how many are under way, and how long each took. Once per request, when its answer has left
 * or its caller has gone. Upgrades are no requests and do not come here.
 */
import type { ServerResponse } from 'node:http';
import type { Context, Middleware } from 'koa';
import { lastKept } from '../last-kept.ts';
import type { HttpDependencies, RequestAttributes } from './dependencies.ts';

/** The methods that the semantic conventions know by name; any other is one value, so that nobody can add series. */
const knownMethods = new Set('CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE'.split(' '));

export function recordRequests(
  dependencies: Pick<HttpDependencies, 'figures' | 'now' | 'recordRequest'>,
): Middleware {
  const { figures } = dependencies;
  /** With its request, its response and their socket. */
  const keep = lastKept<Context>();
  return (context, next) => {
    keep(context);
    const startedMs = dependencies.now();
    figures.activeRequests += 1;
    // 'close' comes exactly once, after the last byte was handed over or when the connection broke before.
    context.res.once('close', () => {
      figures.activeRequests -= 1;
      const route: unknown = context._matchedRoute ?? context.matched?.[0]?.path;
      dependencies.recordRequest(
        (dependencies.now() - startedMs) / 1000,
        attributesOf(context.method, typeof route === 'string' ? route : '', context.res),
      );
    });
    return next();
  };
}

function attributesOf(method: string, route: string, response: ServerResponse): RequestAttributes {
  const status = response.headersSent ? response.statusCode : undefined;
  const attributes: RequestAttributes = {
    method: knownMethods.has(method) ? method : '_OTHER',
    route,
    status,
    scheme: 'http',
  };
  if (!response.writableFinished) return { ...attributes, errorType: 'aborted' };
  return response.statusCode >= 500 ? { ...attributes, errorType: String(response.statusCode) } : attributes;
}
