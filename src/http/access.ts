/**
 * Who may read and who may act: pure decisions on a request's headers and its socket's address.
 *
 * Actions without a token are for whoever sits at this machine, and the danger is that machine's browser, which
 * any page can make send requests to loopback. Hence, beside the address: an Origin, where there is one, must be
 * allowed; a request that a browser says comes from another site without naming an origin is refused; and so is
 * whatever an HTML form could have sent on behalf of another origin, for a form is sent without a preflight. A
 * program such as curl sends none of these headers and passes. A name that an attacker points at loopback (DNS
 * rebinding) does not help a page: its Origin is still the attacker's, and counts as our own only where the
 * request's Host is a loopback name.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export type TokenCheck = 'none' | 'wrong' | 'right';

/** Compares in a time that tells nothing of the token: digests have one length and are compared as wholes. */
export function checkToken(authorization: string | undefined, token: string): TokenCheck {
  if (authorization === undefined) return 'none';
  const given = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(token)) ? 'right' : 'wrong';
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

export type ActionRequest = {
  /** The socket's peer; undefined when it has gone. */
  remoteAddress: string | undefined;
  headers: Readonly<Record<string, string | string[] | undefined>>;
};

export const actionRefusals = ['not_loopback', 'forbidden_origin', 'cross_site', 'form_post'] as const;
export type ActionRefusal = (typeof actionRefusals)[number];

export type ActionRules = {
  isAllowedOrigin(origin: string): boolean;
  isLoopback(name: string): boolean;
};

/** Why an action is refused where no token is set; undefined means accepted. */
export function refusalOfAction(request: ActionRequest, rules: ActionRules): ActionRefusal | undefined {
  const header = (name: string) => headerOf(request, name);
  if (!isFromThisMachine(request)) return 'not_loopback';
  // Browsers so old that they leave out Origin on a form post still send a Referer.
  const origin = header('origin') ?? originOf(header('referer'));
  const isOwn = origin !== undefined && isOwnOrigin(origin, header('host'), rules);
  if (origin !== undefined && !isOwn && !rules.isAllowedOrigin(origin)) return 'forbidden_origin';
  const site = header('sec-fetch-site');
  if (origin === undefined && (site === 'cross-site' || site === 'same-site')) return 'cross_site';
  const mode = header('sec-fetch-mode');
  if (mode === 'navigate' || mode === 'no-cors') return 'form_post';
  if (origin !== undefined && !isOwn && isFormType(header('content-type'))) return 'form_post';
  return undefined;
}

/** What proxies add to a request. */
const forwardedBy = /^(?:forwarded|via|x-real-ip|x-forwarded-.*|x-envoy-.*)$/;

/** A proxy on this machine has a loopback address too, but speaks for somebody else and, as a rule, says so. */
function isFromThisMachine(request: ActionRequest): boolean {
  const address = request.remoteAddress?.replace(/^::ffff:/i, '');
  const isForwarded = Object.keys(request.headers).some((name) => forwardedBy.test(name));
  // A side car of a service mesh delivers from another address of the loopback network.
  const isOwn = address === '127.0.0.1' || address === '::1';
  return isOwn && !isForwarded;
}

/** The page was served by this gateway, under a loopback name. */
function isOwnOrigin(origin: string, host: string | undefined, rules: ActionRules): boolean {
  if (host === undefined || origin.toLowerCase() !== `http://${host.toLowerCase()}`) return false;
  return URL.canParse(origin) && rules.isLoopback(new URL(origin).hostname);
}

/** `null` for a Referer that is no URL: an origin that nobody allows. */
function originOf(referer: string | undefined): string | undefined {
  if (referer === undefined) return undefined;
  return URL.canParse(referer) ? new URL(referer).origin : 'null';
}

/**
 * What an HTML form sends. The third such type, text/plain, is also what a script's fetch sends for a string; of
 * an allowed origin it passes, unless the browser says that a form sent it (Sec-Fetch-Mode: navigate).
 */
function isFormType(contentType: string | undefined): boolean {
  return /^\s*(?:application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(contentType ?? '');
}

function headerOf(request: ActionRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
