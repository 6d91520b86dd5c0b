/**
 * What the HTTP side needs of the rest of the service, handed in by the composition root. It names no class of
 * the gateway, the bus or telemetry: functions and plain data, which tests make by hand.
 */
import type { BusState } from '../bus/bus.ts';
import type { Settings } from '../config.ts';
import type { ReadyReason } from '../readiness.ts';
import type {
  ConnectionPage,
  ConnectionQuery,
  ConnectionRow,
  ConnectionSummary,
  UnusableCursor,
} from '../reports/connections.ts';
import type { Readings } from '../reports/readings.ts';
import type { HttpFigures } from '../telemetry/figures.ts';

export type HttpSettings = Pick<
  Settings,
  'publishSubjects' | 'publishSizeMax' | 'adminToken' | 'publicReports' | 'remoteAddr'
>;

/** The part of a pino logger that is used here. */
export type HttpLog = {
  error(fields: object, message: string): void;
  debug(fields: object, message: string): void;
};

/** One answered or abandoned request, in the words of the semantic conventions for http.server.request.duration. */
export type RequestAttributes = {
  /** A method that HTTP defines, or _OTHER. */
  method: string;
  /** The template of the route, never the path; '' for a path that is not known. */
  route: string;
  /** Undefined when the caller went away before a status was sent. */
  status: number | undefined;
  scheme: 'http';
  /** Present on failures of ours (the status, from 500 on), and `aborted` when the caller went away. */
  errorType?: string;
};

export type PublishOutcome = 'taken' | 'denied';

/** Connections as they are at the call. */
export type HttpConnections = {
  page(query: ConnectionQuery): ConnectionPage | UnusableCursor;
  /** Likewise, with sums of all that the query names. */
  list(query: ConnectionQuery): (ConnectionPage & { summary: ConnectionSummary }) | UnusableCursor;
  /** One that lives, or has ended not long ago. */
  find(id: string): ConnectionRow | undefined;
  /** False when none of that name lives. */
  close(id: string, code?: number, reason?: string): boolean;
};

export type HttpDependencies = {
  settings: HttpSettings;
  /** max(1, availableParallelism()). */
  cpuCores: number;
  log: HttpLog;
  /** Counted up and down here, read by telemetry. Two apps of one service share it. */
  figures: HttpFigures;
  /** Monotonic milliseconds, and Unix milliseconds. */
  now(): number;
  unixMs(): number;
  recordRequest(seconds: number, attributes: RequestAttributes): void;
  /**
   * Begins a collection and reads all figures before it returns; the promise only hands them over. A collection
   * begun in an earlier tick must not be answered again: the page taken beside it would be of another instant.
   */
  collect(): Promise<Readings>;
  /** Figures read after the call, shared with whoever else asks in this turn: for documents without rows. */
  collectShared(): Promise<Readings>;
  connections: HttpConnections;
  /** The Prometheus exposition, in the format that the Accept header asks for. */
  scrape(accept: string | undefined): Promise<{ contentType: string; body: Buffer }>;
  /** The reasons that keep the gateway from being ready; must not depend on a collection. */
  readiness(): readonly ReadyReason[];
  busState(): BusState;
  /**
   * Resolves when the broker has taken the message, or denied it.
   * @throws BusUnavailableError when the broker is away, RangeError when it takes no message so large: nothing was sent then;
   *   BusUnansweredError when it has not answered
   */
  publish(subject: string, payload: Uint8Array, options?: { messageId?: string }): Promise<PublishOutcome>;
  /** Begins to leave, or goes on leaving; answers with how many connections there are. */
  drain(): { connections: number };
  /** Whether pages of an origin may read what is served here. */
  isCorsOrigin(origin: string): boolean;
  /** Whether a host name or an IP address is this machine's loopback. */
  isLoopback(name: string): boolean;
};
