/**
 * What load balancers and orchestrators ask. The two probes depend on nothing but their own fact: no collection,
 * no bus. /health is the older document, with figures in it.
 */
import { health, healthSummary } from '../reports/health.ts';
import { checkToken } from './access.ts';
import type { HttpDependencies } from './dependencies.ts';
import { parseQuery } from './query.ts';
import { answerJson, type Route } from './route.ts';

export function probeRoutes(dependencies: Pick<HttpDependencies, 'readiness'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/livez',
      access: 'open',
      handle(context) {
        parseQuery(context.querystring, {});
        answerJson(context, { status: 'alive' });
      },
    },
    {
      method: 'GET',
      path: '/readyz',
      access: 'open',
      handle(context) {
        parseQuery(context.querystring, {});
        const reasons = dependencies.readiness();
        const isReady = reasons.length === 0;
        answerJson(context, { status: isReady ? 'ready' : 'not_ready', reasons }, isReady ? 200 : 503);
      },
    },
  ];
}

/**
 * Open, because load balancers that poll it know no token: setting one must not take every instance out of
 * service. Where a token is set, a caller without it gets the verdict and its reasons, and no figures.
 */
export function healthRoute(dependencies: Pick<HttpDependencies, 'collectShared' | 'settings'>): Route {
  const { adminToken } = dependencies.settings;
  return {
    method: 'GET',
    path: '/health',
    access: 'open',
    async handle(context) {
      parseQuery(context.querystring, {});
      const readings = await dependencies.collectShared();
      const mayReadFigures =
        adminToken === undefined ||
        checkToken(context.get('authorization') || undefined, adminToken) === 'right';
      const document = mayReadFigures ? health(readings) : healthSummary(readings);
      answerJson(context, document, document.status === 'unhealthy' ? 503 : 200);
    },
  };
}
