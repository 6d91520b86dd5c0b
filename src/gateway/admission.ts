/**
 * Who may come in: pure decisions on an upgrade request, each refusal with its reason. The listener carries
 * them out. Nothing here looks at a socket.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** Why an upgrade was refused. A reason joins the set together with the feature that needs it. */
export const rejectionReasons = [
  'bad_request',
  'not_found',
  'forbidden_origin',
  'unsupported_version',
  'rate_limited',
  'capacity',
  'overloaded',
  'draining',
  'aborted',
] as const;
export type RejectionReason = (typeof rejectionReasons)[number];

/** How a refusal is answered. `aborted` has no answer: its caller has gone. */
export const rejectionAnswers: Record<
  Exclude<RejectionReason, 'aborted'>,
  { status: number; message: string }
> = {
  bad_request: { status: 400, message: 'This is not a WebSocket handshake that RFC 6455 describes.' },
  not_found: { status: 404, message: 'WebSocket connections are accepted on /ws only.' },
  forbidden_origin: { status: 403, message: 'Pages of this origin may not connect; see TIDEGAUGE_ORIGINS.' },
  unsupported_version: { status: 426, message: 'Only version 13 of the WebSocket protocol is spoken here.' },
  rate_limited: {
    status: 429,
    message: 'This address has as many connections as it may have; see TIDEGAUGE_MAX_CONNECTIONS_PER_IP.',
  },
  capacity: { status: 503, message: 'All places are taken; try again later.' },
  overloaded: { status: 503, message: 'This gateway is short of memory; try again later.' },
  draining: { status: 503, message: 'This gateway is shutting down; try again, and another will answer.' },
};

export type UpgradeRequest = {
  method?: string | undefined;
  url?: string | undefined;
  headers: IncomingHttpHeaders;
};

export type AdmissionState = {
  isRefusing: boolean;
  active: number;
  limit: number;
  /** The caller's address has as many connections as it may have. */
  isAddressFull: boolean;
  /** Memory is nearly used up. */
  isOverloaded: boolean;
};

/** A nonce of 16 bytes in base64 (RFC 6455 section 4.1). */
const keyPattern = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** Decides on one upgrade; undefined means admitted. Cheap checks and the client's own faults come first. */
export function rejectionOf(
  request: UpgradeRequest,
  isAllowedOrigin: (origin: string, host: string | undefined) => boolean,
  state: AdmissionState,
): RejectionReason | undefined {
  const { headers } = request;
  if (pathOf(request.url) !== '/ws') return 'not_found';
  if (request.method !== 'GET' || headers.host === undefined) return 'bad_request';
  if (headers['sec-websocket-version'] !== '13') return 'unsupported_version';
  if (!keyPattern.test(headers['sec-websocket-key'] ?? '')) return 'bad_request';
  if (headers.origin !== undefined && !isAllowedOrigin(headers.origin, headers.host))
    return 'forbidden_origin';
  if (state.isRefusing) return 'draining';
  if (state.isAddressFull) return 'rate_limited';
  if (state.active >= state.limit) return 'capacity';
  if (state.isOverloaded) return 'overloaded';
  return undefined;
}

/** The target may be in absolute form too (RFC 6455 section 4.2.1). */
function pathOf(url: string | undefined): string | undefined {
  return url?.replace(/^https?:\/\/[^/?#]+/i, '').split('?', 1)[0];
}

export type OriginRule = (
  origin: string,
  host: string | undefined,
  scheme?: 'http' | 'https' | undefined,
) => boolean;

/**
 * The Origin rule. With an allow-list: the origin is in it, where a port `*` stands for any. Without one:
 * any loopback origin when the gateway itself listens on loopback (a developer's machine), else only pages
 * from the host and port that the request itself names, and by its scheme where that is known. The origin `null` is never
 * allowed.
 */
export function createOriginRule(
  allowed: readonly string[] | undefined,
  listensOnLoopback: boolean,
): OriginRule {
  return (origin, host, scheme) => {
    const parsed = parseOrigin(origin);
    if (parsed === undefined) return false;
    if (allowed !== undefined) return allowed.some((one) => matchesOrigin(parsed, one));
    if (listensOnLoopback) return isLoopbackName(parsed.hostname);
    if (scheme !== undefined && parsed.protocol !== `${scheme}:`) return false;
    return host !== undefined && parsed.host === withoutDefaultPort(host.toLowerCase(), parsed.protocol);
  };
}

function parseOrigin(origin: string): URL | undefined {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  // An origin is scheme, host and port only: anything that says more was not made by a browser.
  return url !== undefined && /^https?:$/.test(url.protocol) && url.origin === origin.toLowerCase()
    ? url
    : undefined;
}

/** An entry of an allow-list may spell out a default port, which a browser's Origin never does. */
function matchesOrigin(origin: URL, allowed: string): boolean {
  if (!allowed.endsWith(':*')) return new URL(allowed).origin === origin.origin;
  const { protocol, hostname } = new URL(allowed.slice(0, -2));
  return protocol === origin.protocol && hostname === origin.hostname;
}

function withoutDefaultPort(host: string, protocol: string): string {
  const suffix = protocol === 'https:' ? ':443' : ':80';
  return host.endsWith(suffix) ? host.slice(0, -suffix.length) : host;
}

/** Whether a host name or address is this machine's loopback. */
export function isLoopbackName(name: string): boolean {
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '[::1]' ||
    name === '::1' ||
    /^127(?:\.\d{1,3}){3}$/.test(name)
  );
}

/**
 * The places in force: the setting, or fewer where the process may not open as many descriptors. The reserve
 * keeps room for listeners, the bus, exporters, scrapes and files.
 *
 * @throws Error when there are too few to serve anybody: where none is free, what dials is neither taken nor refused
 */
export function connectionLimit(connectionsMax: number, fileDescriptorLimit: number | undefined): number {
  if (fileDescriptorLimit === undefined) return connectionsMax;
  if (fileDescriptorLimit < DESCRIPTORS_LEAST) {
    throw new Error(
      `the file-descriptor limit is ${fileDescriptorLimit}: a gateway needs ${DESCRIPTORS_LEAST} at least, ` +
        `and ${DESCRIPTOR_RESERVE} more than clients to serve many of them; raise it (ulimit -n)`,
    );
  }
  return Math.max(1, Math.min(connectionsMax, fileDescriptorLimit - DESCRIPTOR_RESERVE));
}

const DESCRIPTOR_RESERVE = 256;
/** With half of them for HTTP callers, the others are enough for what is open anyway. */
const DESCRIPTORS_LEAST = 128;

/** Connections of all kinds to one port with which descriptors are nearly used up. Undefined where no limit is known. */
export function crowdedAtConnections(fileDescriptorLimit: number | undefined): number | undefined {
  return fileDescriptorLimit === undefined
    ? undefined
    : fileDescriptorLimit - Math.min(CROWDED_RESERVE, Math.floor(fileDescriptorLimit / 2));
}

/** Some forty are open in a gateway that nobody has asked for anything. */
const CROWDED_RESERVE = 160;
