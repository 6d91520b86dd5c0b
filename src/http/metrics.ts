/** The Prometheus scrape. Which exposition format to write is decided by whoever writes it, from the Accept header. */
import type { HttpDependencies } from './dependencies.ts';
import { parseQuery } from './query.ts';
import type { Route } from './route.ts';

export function metricsRoute(dependencies: Pick<HttpDependencies, 'scrape'>): Route {
  return {
    method: 'GET',
    path: '/metrics',
    access: 'report',
    async handle(context) {
      parseQuery(context.querystring, {});
      const { contentType, body } = await dependencies.scrape(context.get('accept') || undefined);
      context.set('content-type', contentType);
      context.append('vary', 'Accept');
      context.body = body;
    },
  };
}
