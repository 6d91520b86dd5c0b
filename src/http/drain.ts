/**
 * POST /drain: begins to leave as SIGTERM would. 202 means that it has begun, now or before: asking again changes
 * nothing. Unlike other actions it is for nobody without the token, not even on this machine.
 */
import type { HttpDependencies } from './dependencies.ts';
import { HttpError } from './errors.ts';
import { parseQuery } from './query.ts';
import { answerJson, type Route } from './route.ts';

export function drainRoute(dependencies: Pick<HttpDependencies, 'settings' | 'drain'>): Route {
  return {
    method: 'POST',
    path: '/drain',
    access: 'action',
    handle(context) {
      parseQuery(context.querystring, {});
      if (dependencies.settings.adminToken === undefined) {
        const remedy = 'The gateway is drained for those with a token only: set TIDEGAUGE_ADMIN_TOKEN.';
        throw new HttpError(403, 'no_admin_token', remedy);
      }
      answerJson(context, { status: 'draining', ...dependencies.drain() }, 202);
    },
  };
}
