/**
 * The console's own files, read once at the start and served from memory. They hold no figures and no secrets:
 * the page fetches those itself, with the token where one is set, hence the files are open to anybody.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Route } from './route.ts';

const files = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/console/page.js', file: 'page.js', type: 'text/javascript; charset=utf-8' },
  { path: '/console/page.css', file: 'page.css', type: 'text/css; charset=utf-8' },
];

/**
 * Nothing from elsewhere, nothing inline, in no frame. A WebSocket may be on another port of this host, and which
 * one is not known here, so connections by ws: and wss: are open.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** @throws when a file is missing: an installation that is not whole must not start. */
export function consoleRoutes(): Route[] {
  return files.map(({ path, file, type }) => {
    const body = readFileSync(new URL(`../console/${file}`, import.meta.url));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    return {
      method: 'GET',
      path,
      access: 'open',
      handle(context) {
        context.set({
          'content-type': type,
          'content-security-policy': contentSecurityPolicy,
          'x-frame-options': 'DENY',
          'referrer-policy': 'same-origin',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          // Asked for again each time, and answered with a bare 304 while nothing has changed.
          'cache-control': 'no-cache',
          etag,
        });
        context.status = 200;
        if (context.fresh) context.status = 304;
        else context.body = body;
      },
    };
  });
}
