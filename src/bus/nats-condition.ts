/**
 * How the link to NATS fares: its state, why it broke, and what is said of that in the log.
 *
 * The client library tells what happens in a stream of statuses, some of them more than once and some before the
 * fact. This makes states of the bus of them, and one reason for each time that the link breaks.
 */
import type { Status } from '@nats-io/transport-node';
import type { BusCounts, BusDisconnectError, BusState, BusStateListener } from './bus.ts';
import { BusStateHolder } from './bus-state.ts';
import { Complaints, deniedSubject, disconnectCause, refusalOf } from './nats-errors.ts';
import type { NatsLink } from './nats-link.ts';
import { type BusLog, hostOf, messageOf, type NatsBusOptions } from './nats-options.ts';

/** Subjects of refused messages that are kept, the last ones. */
const DENIALS_MAX = 10_000;

export class NatsCondition {
  readonly #state = new BusStateHolder();
  readonly #counts: BusCounts;
  readonly #log: BusLog;
  readonly #complaints: Complaints;
  readonly #servers: string;
  readonly #lameDuckWaitMs: number;
  readonly #random: () => number;
  /** Messages that the server has refused, by subject. */
  readonly denials = new Map<string, number>();
  #link: NatsLink | undefined;
  /** Called when the link breaks or is closed: those who wait for an answer over it. */
  readonly #waiting = new Set<() => void>();
  /** What the server or the library said of the reason before the link broke. */
  #cause: BusDisconnectError | undefined;
  #lameDuckTimer: NodeJS.Timeout | undefined;

  constructor(options: NatsBusOptions, counts: BusCounts) {
    this.#counts = counts;
    this.#log = options.log;
    this.#complaints = new Complaints(options.log);
    this.#servers = options.servers.map(hostOf).join(',');
    this.#lameDuckWaitMs = options.lameDuckWaitMs ?? 5_000;
    this.#random = options.random ?? Math.random;
  }

  /** The link and this know each other. */
  watch(link: NatsLink): void {
    this.#link = link;
  }

  get state(): BusState {
    return this.#state.current;
  }

  get server(): string {
    return this.state === 'connected' ? (this.#link?.getServer()?.listen ?? this.#servers) : this.#servers;
  }

  onState(listener: BusStateListener): () => void {
    return this.#state.onState(listener);
  }

  /** Calls the function once if the link breaks or is closed. Returns what takes it back. */
  onceBroken(fail: () => void): () => void {
    this.#waiting.add(fail);
    return () => void this.#waiting.delete(fail);
  }

  startDraining(): void {
    this.#state.change('draining');
  }

  close(): void {
    clearTimeout(this.#lameDuckTimer);
    this.#state.change('closed');
    this.#failWaiting();
  }

  #failWaiting(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const fail of waiting) fail();
  }

  complain(details: object, message: string): void {
    if (this.state !== 'closed') this.#complaints.add(details, message);
  }

  linkOnDialFailed(server: string, error: unknown): void {
    this.complain({ server, error: messageOf(error) }, 'cannot connect to the bus');
  }

  linkOnStatus(status: Status): void {
    if (this.state === 'closed') return;
    if (status.type === 'disconnect') this.#linkOnBroken();
    else if (status.type === 'reconnect') this.linkOnConnected();
    else if (status.type === 'ldm') this.#linkOnLameDuck();
    // A dial begins. Not when it has succeeded: the reason for the next break may have come before that is told.
    else if (status.type === 'reconnecting') this.#cause = undefined;
    else if (status.type === 'error') this.#linkOnError(status.error);
    else if (status.type === 'staleConnection') {
      // Also said when credentials have expired, after the error that says so.
      this.#cause ??= 'stale';
    }
  }

  linkOnConnected(): void {
    // The library tells of one connection as many times as attempts had failed at the log-in before it.
    if (this.state !== 'connecting' && this.state !== 'reconnecting') return;
    this.#complaints.clear();
    if (this.state === 'reconnecting') this.#counts.reconnects += 1;
    this.#state.change('connected');
  }

  #linkOnBroken(): void {
    // In other states it is an attempt that failed at the log-in.
    if (this.state !== 'connected' && this.state !== 'draining') return;
    clearTimeout(this.#lameDuckTimer);
    const reason = this.#cause ?? 'connection_lost';
    this.#counts.disconnects[reason] += 1;
    this.#failWaiting();
    if (this.state === 'draining') return;
    this.#log.warn({ server: this.server, reason }, 'the bus is gone');
    this.#state.change('reconnecting');
  }

  /** Whoever waits for a word of it has it within a round trip. */
  #noteDenied(subject: string): void {
    const before = this.denials.get(subject) ?? 0;
    this.denials.delete(subject);
    this.denials.set(subject, before + 1);
    if (this.denials.size > DENIALS_MAX) this.denials.delete(this.denials.keys().next().value!);
  }

  #linkOnLameDuck(): void {
    if (this.state !== 'connected' || this.#cause !== undefined) return;
    this.#cause = 'lame_duck';
    this.complain({ server: this.server }, 'the server of the bus is about to leave');
    const link = this.#link!;
    // Away from the only server there is nowhere to go: it serves us until it closes the connection itself.
    if (link.servers.length() < 2) return;
    this.#lameDuckTimer = setTimeout(() => void link.reconnect(), this.#random() * this.#lameDuckWaitMs);
  }

  #linkOnError(error: Error): void {
    const denied = deniedSubject(error);
    if (denied !== undefined) this.#noteDenied(denied);
    // A refused subscription has complained for itself, and a failed dial will. A limit comes here where it is no
    // subscription's: the server is about to close.
    if (this.state === 'connected' && refusalOf(error) !== 'permission') {
      this.complain({ server: this.server, error: error.message }, 'the bus reports an error');
    }
    const cause = disconnectCause(error);
    if (cause === 'authorization') this.#cause = cause;
    else this.#cause ??= cause;
  }
}
