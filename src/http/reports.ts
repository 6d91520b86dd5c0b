/** The JSON reports: each takes one collection and renders it. */
import type { ConnectionPage } from '../reports/connections.ts';
import { enhanced } from '../reports/enhanced.ts';
import type { Readings } from '../reports/readings.ts';
import { stats } from '../reports/stats.ts';
import { system } from '../reports/system.ts';
import { shared } from '../shared.ts';
import type { HttpDependencies } from './dependencies.ts';
import { flag, integer, parseQuery } from './query.ts';
import { answerJson, answerText, type Route } from './route.ts';

const pageParameters = { limit: integer(1, 1000, 100), summary: flag() };

export function reportRoutes(dependencies: HttpDependencies): Route[] {
  const enhancedText = sharedBy(async (limit: number) => {
    const { readings, page } = await atOneInstant(dependencies, limit);
    // As bytes, for each answer would make them anew.
    return Buffer.from(JSON.stringify(enhanced(readings, page, dependencies.cpuCores)));
  });
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
        answerText(context, await enhancedText(summary ? 0 : limit));
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

/** One answer for all who ask for the same in one turn of the event loop: many may come in one packet. */
function sharedBy<Result>(work: (limit: number) => Promise<Result>): (limit: number) => Promise<Result> {
  const byLimit = new Map<number, () => Promise<Result>>();
  return (limit) => {
    let ask = byLimit.get(limit);
    if (ask === undefined) {
      ask = shared(() => work(limit));
      byLimit.set(limit, ask);
    }
    return ask();
  };
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
