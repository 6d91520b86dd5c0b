/** The guard in front of a route: carries out what access.ts decides, with the answers that HTTP has for it. */
import { type ActionRefusal, checkToken, refusalOfAction } from './access.ts';
import type { HttpDependencies } from './dependencies.ts';
import { HttpError } from './errors.ts';
import type { Access, RouteContext } from './route.ts';

type GuardDependencies = Pick<HttpDependencies, 'settings' | 'isCorsOrigin' | 'isLoopback'>;

const remedies: Record<ActionRefusal, string> = {
  not_loopback:
    'Without a token, actions are accepted from this machine only. Set TIDEGAUGE_ADMIN_TOKEN and send it as a bearer token.',
  forbidden_origin: 'Pages of this origin may not act here; see TIDEGAUGE_CORS_ORIGINS.',
  cross_site: 'A page of another site may not act here.',
  form_post:
    'A form may not act here. From a script, send another content type, such as application/octet-stream.',
};

/** @throws HttpError 401 without the right token where one is set, 403 for an action that is refused. */
export function guard(
  access: Access,
  dependencies: GuardDependencies,
): (context: RouteContext, next: () => Promise<unknown>) => Promise<unknown> {
  const { adminToken } = dependencies.settings;
  const rules = { isAllowedOrigin: dependencies.isCorsOrigin, isLoopback: dependencies.isLoopback };
  return (context, next) => {
    if (access !== 'open' && adminToken !== undefined)
      requireToken(context.req.headers.authorization, adminToken);
    if (access === 'action' && adminToken === undefined) {
      const { socket, headers } = context.req;
      const refusal = refusalOfAction({ remoteAddress: socket.remoteAddress, headers }, rules);
      if (refusal !== undefined) throw new HttpError(403, refusal, remedies[refusal]);
    }
    return next();
  };
}

function requireToken(authorization: string | undefined, token: string): void {
  const check = checkToken(authorization, token);
  if (check === 'right') return;
  // RFC 6750 section 3: an error is named only where credentials were sent.
  const challenge = check === 'none' ? '' : ', error="invalid_token"';
  const remedy = `${check === 'none' ? 'A' : 'Another'} bearer token is needed: Authorization: Bearer <TIDEGAUGE_ADMIN_TOKEN>.`;
  throw new HttpError(401, 'unauthorized', remedy, {
    'www-authenticate': `Bearer realm="tidegauge"${challenge}`,
  });
}
