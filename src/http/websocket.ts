/** GET /ws as an ordinary request: says what was meant. Upgrades never come here; the gateway's listener has them. */
import { HttpError } from './errors.ts';
import type { Route } from './route.ts';

export function websocketRoute(): Route {
  return {
    method: 'GET',
    path: '/ws',
    access: 'open',
    handle() {
      const remedy =
        'This path speaks WebSocket only: send an upgrade request (RFC 6455) by HTTP/1.1, without a body.';
      // Upgrade is a header of this connection only and has to be named as one. Node leaves a connection open
      // whose header it did not write, even where the caller asked for its end: so it is ended here.
      throw new HttpError(426, 'upgrade_required', remedy, {
        upgrade: 'websocket',
        connection: 'upgrade, close',
      });
    },
  };
}
