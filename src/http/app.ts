/**
 * The HTTP side as one koa app per port: what every request goes through, which routes are where, and the one
 * exit for errors. What a route does is in the file of its group.
 *
 * The order matters: the recorder sees every request, the error exit everything that may throw, and CORS headers
 * are set before anything can be refused, because a page may only read a refusal that carries them.
 */
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import { connectionRoutes } from './connections.ts';
import { consoleRoutes } from './console.ts';
import { corsHeaders, preflightHeaders } from './cors.ts';
import type { HttpDependencies } from './dependencies.ts';
import { drainRoute } from './drain.ts';
import { errorDocument, HttpError } from './errors.ts';
import { guard } from './guard.ts';
import { metricsRoute } from './metrics.ts';
import { healthRoute, probeRoutes } from './probes.ts';
import { publishRoute } from './publish.ts';
import { reportRoutes } from './reports.ts';
import { recordRequests } from './requests.ts';
import { type Access, answerJson, type Route } from './route.ts';
import { originForm } from './target.ts';
import { websocketRoute } from './websocket.ts';

/** all: one port for everything. clients and admin: the two ports that there are with ADMIN_PORT. */
export type AppRole = 'all' | 'clients' | 'admin';

export function createApp(dependencies: HttpDependencies, role: AppRole): Koa {
  // The environment's name is given, else koa would read the process's own environment.
  const app = new Koa({ env: 'production' });
  // What comes here happened on the socket after the answer had begun: nobody is left to be told.
  app.on('error', (error) => dependencies.log.debug({ err: error }, 'answer not delivered'));
  const router = new Router({ sensitive: true, strict: true });
  for (const route of routesOf(dependencies, role)) {
    router.register(route.path, [route.method], [guard(route.access, dependencies), route.handle]);
  }
  app
    .use(recordRequests(dependencies))
    .use(errorExit(dependencies))
    .use(commonHeaders(dependencies))
    .use(checkHeaders)
    .use(checkTarget)
    .use(router.routes())
    .use(answerUnmatched(dependencies));
  return app;
}

function routesOf(dependencies: HttpDependencies, role: AppRole): Route[] {
  const { publicReports } = dependencies.settings;
  const probes = probeRoutes(dependencies);
  const reports = (access: Access): Route[] => reportRoutes(dependencies, access);
  if (role === 'clients') return [websocketRoute(), ...probes, ...(publicReports ? reports('open') : [])];
  return [
    ...(role === 'all' ? [websocketRoute()] : []),
    // On both ports: whoever looks after the admin port asks there.
    ...probes,
    healthRoute(dependencies),
    ...reports(role === 'all' && publicReports ? 'open' : 'report'),
    metricsRoute(dependencies),
    ...connectionRoutes(dependencies),
    publishRoute(dependencies),
    drainRoute(dependencies),
    ...consoleRoutes(),
  ];
}

/** Every error leaves here, in one shape, and every answer with its date. */
function errorExit({ log }: HttpDependencies): Middleware {
  return async (context, next) => {
    try {
      await next();
    } catch (error) {
      if (error instanceof HttpError) {
        context.set(error.headers);
        answerJson(context, errorDocument(error.code, error.message), error.status);
      } else if (context.req.errored) {
        // The caller went away before its request was whole. That is its own business.
        log.debug({ err: error }, 'request abandoned');
      } else {
        log.error({ err: error, method: context.method, url: context.originalUrl }, 'request failed');
        const message =
          'The request could not be answered because of a fault in the gateway; its log has more.';
        answerJson(context, errorDocument('internal', message), 500);
      }
    }
    // Node's own would have the process woken once more, at the next full second, to forget the text of it.
    context.set('date', new Date().toUTCString());
  };
}

function commonHeaders({ isCorsOrigin }: HttpDependencies): Middleware {
  return (context, next) => {
    context.set('cache-control', 'no-store');
    context.set('x-content-type-options', 'nosniff');
    context.set(corsHeaders(context.req.headers.origin, isCorsOrigin));
    return next();
  };
}

/** The connection ends with the refusal, for a body may follow that nobody reads. */
const checkHeaders: Middleware = (context, next) => {
  const { headersDistinct, headers, httpVersion } = context.req;
  const hosts = headersDistinct.host?.length ?? 0;
  // RFC 9112 section 3.2. HTTP/1.0 may have none.
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) {
    const message = 'An HTTP/1.1 request needs a Host header, and one only.';
    throw new HttpError(400, 'bad_request', message, { connection: 'close' });
  }
  // RFC 9110 section 10.1.1. HTTP/1.0 knows no expectations.
  const { expect = '100-continue' } = headers;
  if (httpVersion === '1.1' && !/\b100-continue\b/i.test(expect)) {
    const message = 'Nothing but Expect: 100-continue is understood here.';
    throw new HttpError(417, 'unknown_expectation', message, { connection: 'close' });
  }
  return next();
};

const checkTarget: Middleware = (context, next) => {
  const target = context.req.url ?? '';
  if (target === '*' && context.method === 'OPTIONS') {
    answerOptions(context, ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST']);
    return undefined;
  }
  context.req.url = originForm(target);
  return next();
};

/** No route has both the path and the method: an OPTIONS request, a wrong method, or an unknown path. */
function answerUnmatched({ isCorsOrigin }: HttpDependencies): Middleware {
  return (context) => {
    const methods = methodsOn(context);
    if (methods.length === 0) {
      throw new HttpError(404, 'not_found', 'There is nothing at this path.');
    }
    if (context.method !== 'OPTIONS') {
      const remedy = `This path answers ${methods.join(', ')}.`;
      throw new HttpError(405, 'method_not_allowed', remedy, { allow: methods.join(', ') });
    }
    const { origin, 'access-control-request-method': requestMethod } = context.req.headers;
    context.set(preflightHeaders({ origin, requestMethod }, methods, isCorsOrigin));
    answerOptions(context, methods);
  };
}

/** The methods of the path's routes, in alphabetical order; none when the path is unknown. */
function methodsOn(context: Context): string[] {
  const matched = (context.matched ?? []) as { methods: string[] }[];
  const methods = new Set(matched.flatMap((layer) => layer.methods));
  return methods.size === 0 ? [] : [...methods.add('OPTIONS')].sort();
}

function answerOptions(context: Context, methods: readonly string[]): void {
  context.set('allow', methods.join(', '));
  context.status = 204;
}
