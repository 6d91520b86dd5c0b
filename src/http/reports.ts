/** The JSON reports: each takes one collection and renders it. */
import type { ConnectionPage } from '../reports/connections.ts';
import { enhanced } from '../reports/enhanced.ts';
import type { Readings } from '../reports/readings.ts';
import { stats } from '../reports/stats.ts';
import { system } from '../reports/system.ts';
import type { HttpDependencies } from './dependencies.ts';
import { flag, integer, parseQuery } from './query.ts';
import { answerJson, type Route } from './route.ts';

const pageParameters = { limit: integer(1, 1000, 100), summary: flag() };

export function reportRoutes(dependencies: HttpDependencies): Route[] {
  return [
    {
      method: 'GET',
      path: '/stats',
      access: 'report',
      async handle(context) {
        parseQuery(context.querystring, {});
        answerJson(context, stats(await dependencies.collectShared()));
      },
    },
    {
      method: 'GET',
      path: '/metrics/enhanced',
      access: 'report',
      async handle(context) {
        const { limit, summary } = parseQuery(context.querystring, pageParameters);
        const { readings, page } = await atOneInstant(dependencies, summary ? 0 : limit);
        answerJson(context, enhanced(readings, page, dependencies.cpuCores));
      },
    },
    {
      method: 'GET',
      path: '/metrics/system',
      access: 'report',
      async handle(context) {
        parseQuery(context.querystring, {});
        answerJson(context, system(await dependencies.collectShared(), dependencies.cpuCores));
      },
    },
  ];
}

/**
 * Rows and totals of the same instant: nothing can happen between the two calls, for both read all they need
 * before they return. An `await` between them would let connections come and go in between.
 */
async function atOneInstant(
  dependencies: Pick<HttpDependencies, 'collect' | 'connectionPage'>,
  limit: number,
): Promise<{ readings: Readings; page: ConnectionPage }> {
  const page = dependencies.connectionPage(limit);
  const collection = dependencies.collect();
  return { readings: await collection, page };
}
