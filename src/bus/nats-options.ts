/**
 * How a NatsBus is set up: its options, and the client library's made from them.
 *
 * Files are read at once, so that a wrong path stops the start and does not come up at the first connection.
 */
import { readFileSync } from 'node:fs';
import { type Authenticator, type ConnectionOptions, credsAuthenticator } from '@nats-io/transport-node';
import { checkCertificates, readNamedFile } from '../named-files.ts';

/** The part of a pino logger that it uses. */
export type BusLog = { warn(details: object, message: string): void };

export type NatsBusOptions = {
  /** `nats://host:port`, `tls://host:port` (TLS is required then) or `host:port`; several are a cluster. */
  servers: readonly string[];
  /** How the server shows this connection. */
  name: string;
  log: BusLog;
  /** Paths of files; the first is read again for each connection, so that its contents may be replaced. */
  credsFile?: string | undefined;
  /** Set: TLS is required. */
  tlsCaFile?: string | undefined;
  token?: string | undefined;
  user?: string | undefined;
  password?: string | undefined;
  /** A frozen server is noticed after this many unanswered pings, and one interval more. */
  pingIntervalMs?: number;
  pingsOutMax?: number;
  dialTimeoutMs?: number;
  /** Between two attempts at the same server: the wait, and up to the jitter more. */
  reconnectWaitMs?: number;
  reconnectJitterMs?: number;
  /** A server that is about to leave is left at a random instant within this time. */
  lameDuckWaitMs?: number;
  /** Whether to ignore members of the cluster that the server tells of. */
  ignoreClusterUpdates?: boolean;
  random?: () => number;
};

/** @throws Error when a file with credentials or an authority cannot be read or understood */
export function connectionOptions(options: NatsBusOptions): ConnectionOptions {
  const { servers, name, token, user, password, credsFile, tlsCaFile, random = Math.random } = options;
  const { reconnectWaitMs = 500, reconnectJitterMs = 500 } = options;
  // The library reads it again itself.
  if (tlsCaFile !== undefined) readAuthority(tlsCaFile);
  const isTlsRequired = tlsCaFile !== undefined || servers.some((one) => one.startsWith('tls://'));
  return {
    servers: [...servers],
    name,
    // Without end, whatever the reason for a failure.
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => reconnectWaitMs + random() * reconnectJitterMs,
    timeout: options.dialTimeoutMs ?? 5_000,
    pingInterval: options.pingIntervalMs ?? 5_000,
    maxPingOut: options.pingsOutMax ?? 2,
    ignoreClusterUpdates: options.ignoreClusterUpdates ?? false,
    noAsyncTraces: true,
    ...(token === undefined ? {} : { token }),
    ...(user === undefined ? {} : { user, pass: password ?? '' }),
    ...(credsFile === undefined ? {} : { authenticator: credentials(credsFile) }),
    ...(isTlsRequired ? { tls: tlsCaFile === undefined ? {} : { caFile: tlsCaFile } } : {}),
  };
}

/** Reads the file for each log-in. One that has become unusable meanwhile must not throw: it would end the link. */
function credentials(path: string): Authenticator {
  let usable = readCredentials(path);
  return (nonce) => {
    try {
      const fresh = readFileSync(path);
      credsAuthenticator(fresh)();
      usable = fresh;
    } catch {
      // Somebody is replacing it, or will learn from the server's refusal that it is out of date.
    }
    return credsAuthenticator(usable)(nonce);
  };
}

/** @throws Error when it cannot be read, or holds no JWT and seed */
export function readCredentials(path: string): Buffer {
  return readNamedFile('credentials', path, (content) => {
    credsAuthenticator(content)();
  });
}

/** @throws Error when it cannot be read, or holds something else than certificates in PEM */
export function readAuthority(path: string): Buffer {
  return readNamedFile('authority', path, checkCertificates);
}

/** Without the scheme and the credentials. */
export function hostOf(server: string): string {
  return server.replace(/^\w+:\/\//, '').replace(/^.*@/, '');
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
