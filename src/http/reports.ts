/** The JSON reports: each takes one collection and renders it. */
import type { ConnectionPage } from '../reports/connections.ts';
import { enhanced } from '../reports/enhanced.ts';
import type { Readings } from '../reports/readings.ts';
import { stats } from '../reports/stats.ts';
import { system } from '../reports/system.ts';
import { shared } from '../shared.ts';
import { type ListRequest, parseListRequest, usable } from './connections.ts';
import type { HttpDependencies } from './dependencies.ts';
import { parseQuery } from './query.ts';
import { type Access, answerJson, answerText, type Route } from './route.ts';

/** With the access `open` for whoever can reach the port. */
export function reportRoutes(dependencies: HttpDependencies, access: Access): Route[] {
  const enhancedText = sharedByQuery(async (querystring) => {
    const { readings, page, fields } = await atOneInstant(
      dependencies,
      parseListRequest(querystring, access, dependencies.settings),
    );
    // Who may not ask by cursor gets none.
    const shown = access === 'open' ? { ...page, next: undefined } : page;
    // As bytes, for each answer would make them anew.
    return Buffer.from(JSON.stringify(enhanced(readings, shown, dependencies.cpuCores, fields)));
  });
  return [
    {
      method: 'GET',
      path: '/stats',
      access,
      async handle(context) {
        parseQuery(context.querystring, {});
        answerJson(context, stats(await dependencies.collectShared()));
      },
    },
    {
      method: 'GET',
      path: '/metrics/enhanced',
      access,
      async handle(context) {
        answerText(context, await enhancedText(context.querystring));
      },
    },
    {
      method: 'GET',
      path: '/metrics/system',
      access,
      async handle(context) {
        parseQuery(context.querystring, {});
        answerJson(context, system(await dependencies.collectShared(), dependencies.cpuCores));
      },
    },
  ];
}

/** One answer for all who ask for the same in one turn of the event loop: many may come in one packet. */
function sharedByQuery<Result>(
  work: (querystring: string) => Promise<Result>,
): (querystring: string) => Promise<Result> {
  const underWay = new Map<string, () => Promise<Result>>();
  return (querystring) => {
    let ask = underWay.get(querystring);
    if (ask === undefined) {
      ask = shared(() => {
        underWay.delete(querystring);
        return work(querystring);
      });
      underWay.set(querystring, ask);
    }
    return ask();
  };
}

/**
 * Rows and totals of the same instant: nothing can happen between the two calls, for both read all they need
 * before they return. An `await` between them would let connections come and go in between.
 */
async function atOneInstant(
  dependencies: Pick<HttpDependencies, 'collect' | 'connections'>,
  { query, fields }: ListRequest,
): Promise<{ readings: Readings; page: ConnectionPage; fields: ListRequest['fields'] }> {
  const page = usable(dependencies.connections.page(query), query);
  const collection = dependencies.collect();
  return { readings: await collection, page, fields };
}
