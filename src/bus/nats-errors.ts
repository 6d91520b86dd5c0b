/**
 * What nats-server says before it closes a connection, or instead of doing what it was asked, and what that means.
 */
import {
  AuthorizationError,
  PermissionViolationError,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node';
import type { BusDisconnectError, BusRefusal } from './bus.ts';
import type { BusLog } from './nats-options.ts';

/** Why the connection is about to end, where the error is one after which the server ends it. */
export function disconnectCause(error: Error): BusDisconnectError | undefined {
  if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError) {
    return 'authorization';
  }
  // Of these the library knows a user's expiry only.
  if (/authentication (revoked|expired)/i.test(error.message)) return 'authorization';
  if (/stale connection/i.test(error.message)) return 'stale';
  if (/slow consumer|maximum |parser error|unknown protocol/i.test(error.message)) {
    return 'other';
  }
  return undefined;
}

/**
 * Why the server does not let us subscribe to something, where that is what it says. The connection lives on; but that
 * there is a limit it also says before it closes a connection that has come over it.
 */
export function refusalOf(error: Error): BusRefusal | undefined {
  if (error instanceof PermissionViolationError) {
    return error.operation === 'subscription' ? 'permission' : undefined;
  }
  return /maximum subscriptions exceeded/i.test(error.message) ? 'limit' : undefined;
}

/** The subject of a message that the server did not take, where that is what it says. */
export function deniedSubject(error: Error): string | undefined {
  return error instanceof PermissionViolationError && error.operation === 'publish'
    ? error.subject
    : undefined;
}

/** A client may ask for any number of channels that the server refuses. */
export const complaintsMax = 100;

/** Logs each complaint once, and so many at most, until the next connection: attempts in vain go on without end. */
export class Complaints {
  readonly #log: BusLog;
  readonly #known = new Set<string>();

  constructor(log: BusLog) {
    this.#log = log;
  }

  add(details: object, message: string): void {
    const key = JSON.stringify([message, details]);
    if (this.#known.has(key) || this.#known.size === complaintsMax) return;
    this.#known.add(key);
    this.#log.warn(details, message);
    if (this.#known.size === complaintsMax) {
      this.#log.warn({ complaints: complaintsMax }, 'no more is said of the bus until the next connection');
    }
  }

  clear(): void {
    this.#known.clear();
  }
}
