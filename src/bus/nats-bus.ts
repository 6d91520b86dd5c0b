/**
 * The bus on NATS: the only file that knows the client library.
 *
 * What it adds to the library: a handle from the first moment (the library hands out a connection only once it
 * stands, and cannot be told to stop trying before), the reasons for which a dial fails, ends that leave no socket
 * or timer behind, and a link that a listener's exception or an odd header cannot silence. For that it builds on
 * the library's own parts, which is why the version is pinned and the contract suite runs on a real server.
 *
 * It has no back-pressure: messages that arrive while the event loop is busy wait in memory. Nothing is kept for
 * an outage either: what is published while away is refused, what others publish meanwhile is lost.
 *
 * Bytes are payload bytes in `counts`. The library's own statistics and nats-server's `/connz` count the block of
 * headers as well (neither counts subjects or line ends): see `linkCounts`.
 */
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import {
  type Authenticator,
  AuthorizationError,
  type ConnectionOptions,
  headers as createHeaders,
  credsAuthenticator,
  type Msg,
  PermissionViolationError,
  ProtocolHandler,
  parseOptions,
  type Status,
  SubscriptionImpl,
  setTransportFactory,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';
import type {
  Bus,
  BusCounts,
  BusDisconnectError,
  BusMessageListener,
  BusState,
  BusStateListener,
  BusSubscription,
} from './bus.ts';
import { BusUnavailableError } from './bus.ts';
import { BusStateHolder, callSafely, throwLater } from './bus-state.ts';
import { checkPattern, checkPublish } from './checks.ts';

/** The part of a pino logger that it uses. */
export type BusLog = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

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

const messageIdHeader = 'Nats-Msg-Id';

export class NatsBus implements Bus {
  readonly system = 'nats';
  readonly counts: BusCounts = {
    messagesReceived: 0,
    messagesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    reconnects: 0,
    disconnects: { connection_lost: 0, stale: 0, lame_duck: 0, authorization: 0, other: 0 },
  };
  readonly #state = new BusStateHolder();
  readonly #link: Link;
  readonly #log: BusLog;
  readonly #servers: string;
  readonly #lameDuckWaitMs: number;
  readonly #random: () => number;
  /** Called when the link breaks or is closed: those who wait for an answer over it. */
  readonly #waiting = new Set<() => void>();
  /** What the server or the library said of the reason before the link broke. */
  #cause: BusDisconnectError | undefined;
  /** Complaints already logged since the last connection: each is logged once. */
  readonly #complaints = new Set<string>();
  #lameDuckTimer: NodeJS.Timeout | undefined;
  #drained: Promise<void> | undefined;
  #isClosed = false;

  /** @throws Error when a file with credentials or an authority cannot be read or understood */
  constructor(options: NatsBusOptions) {
    this.#log = options.log;
    this.#servers = options.servers.map(hostOf).join(',');
    this.#lameDuckWaitMs = options.lameDuckWaitMs ?? 5_000;
    this.#random = options.random ?? Math.random;
    this.#link = new Link(linkOptions(options, this.#random), {
      status: (status) => this.#linkOnStatus(status),
      dialFailed: (server, error) =>
        this.#complain({ server, error: messageOf(error) }, 'cannot connect to the bus'),
    });
  }

  get state(): BusState {
    return this.#state.current;
  }

  get server(): string {
    return this.state === 'connected' ? (this.#link.getServer()?.listen ?? this.#servers) : this.#servers;
  }

  get pendingBytes(): number {
    return this.#link.pendingBytes;
  }

  /**
   * What the client library has counted, which is what `/connz` shows: bytes are headers and payload. A row of
   * `/connz` begins at nought with each connection, and its `in` is what we sent.
   */
  get linkCounts(): {
    messagesReceived: number;
    messagesSent: number;
    bytesReceived: number;
    bytesSent: number;
  } {
    const { inMsgs, outMsgs, inBytes, outBytes } = this.#link;
    return { messagesReceived: inMsgs, messagesSent: outMsgs, bytesReceived: inBytes, bytesSent: outBytes };
  }

  start(): void {
    this.#link.dialLoop().then(
      () => this.#linkOnConnected(),
      // With attempts without end, the loop ends without a connection only because of `close`.
      (error: unknown) => {
        if (!this.#isClosed) throwLater(error);
      },
    );
  }

  onState(listener: BusStateListener): () => void {
    return this.#state.onState(listener);
  }

  subscribe(pattern: string, listener: BusMessageListener, refused?: () => void): BusSubscription {
    checkPattern(pattern);
    const subscription = new SubscriptionImpl(this.#link, pattern, {
      callback: (error, message) => {
        if (error) {
          this.#complain({ pattern, error: error.message }, 'the bus refuses a subscription');
          if (refused && !subscription.isDraining()) callSafely(refused);
        } else {
          this.#receive(message, listener);
        }
      },
    });
    if (!this.#isClosed) this.#link.subscribe(subscription);
    return {
      pattern,
      drain: () => {
        // Sends the end and a ping; the subscription is forgotten when the answer has come, or the link is gone.
        // The library objects where there is nothing to end.
        subscription.drain().catch(() => undefined);
      },
    };
  }

  /** @throws RangeError when the message is larger than the server takes */
  publish(subject: string, payload: Uint8Array, options?: { messageId?: string }): void {
    const messageId = options?.messageId;
    checkPublish(subject, messageId);
    this.#demandConnection();
    const headers = messageId === undefined ? undefined : createHeaders();
    headers?.set(messageIdHeader, messageId!);
    try {
      this.#link.publish(subject, payload, headers && { headers });
    } catch (error) {
      // All else that the library could object to has been checked above.
      throw new RangeError(`the bus takes no message of ${payload.length} bytes`, { cause: error });
    }
    this.counts.messagesSent += 1;
    this.counts.bytesSent += payload.length;
  }

  async roundTrip(): Promise<number> {
    this.#demandConnection();
    const sentAtMs = performance.now();
    await this.#flush();
    return (performance.now() - sentAtMs) / 1_000;
  }

  /** Takes no longer than a frozen server needs to be found out. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    if (this.#isClosed) return;
    const wasConnected = this.state === 'connected';
    this.#state.change('draining');
    // A listener may have closed it on hearing that.
    if (wasConnected && !this.#isClosed) {
      for (const subscription of this.#link.subscriptions.all()) this.#link.unsub(subscription);
      // The answer comes after everything that the server had routed to us, and it has read all that we sent.
      // A link that breaks now ends the wait as well.
      await this.#flush().catch(() => undefined);
    }
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#lameDuckTimer);
    this.#state.change('closed');
    for (const fail of this.#waiting) fail();
    await this.#link.abandon();
  }

  #receive(message: Msg, listener: BusMessageListener): void {
    // The rest of a chunk that was being read when the bus was closed.
    if (this.#isClosed) return;
    const payload = message.data;
    this.counts.messagesReceived += 1;
    this.counts.bytesReceived += payload.length;
    const messageId = messageIdOf(message);
    const { subject } = message;
    try {
      listener(messageId === '' ? { subject, payload } : { subject, payload, messageId });
    } catch (error) {
      // Our bug; but thrown from here it would end the library's reading, and the link would fall silent.
      throwLater(error);
    }
  }

  /** @throws BusUnavailableError */
  #demandConnection(): void {
    // The library learns of a break a little before it tells.
    if (this.state === 'connected' && this.#link.connected) return;
    throw new BusUnavailableError(`the bus is ${this.state === 'connected' ? 'reconnecting' : this.state}`);
  }

  /** @throws BusUnavailableError when the link breaks before the answer */
  #flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        this.#waiting.delete(fail);
        outcome();
      };
      const fail = (): void => settle(() => reject(new BusUnavailableError('the bus went away')));
      this.#waiting.add(fail);
      this.#link.flush().then(() => settle(resolve), fail);
    });
  }

  #linkOnStatus(status: Status): void {
    if (this.#isClosed) return;
    if (status.type === 'disconnect') this.#linkOnBroken();
    else if (status.type === 'reconnect') this.#linkOnConnected();
    else if (status.type === 'ldm') this.#linkOnLameDuck();
    // A dial begins. Not when it has succeeded: the reason for the next break may have come before that is told.
    else if (status.type === 'reconnecting') this.#cause = undefined;
    else if (status.type === 'error') this.#linkOnError(status.error);
    else if (status.type === 'staleConnection') {
      // Also said when credentials have expired, after the error that says so.
      this.#cause ??= 'stale';
    }
  }

  #linkOnConnected(): void {
    // The library tells of one connection as many times as attempts had failed at the log-in before it.
    if (this.#isClosed || (this.state !== 'connecting' && this.state !== 'reconnecting')) return;
    this.#complaints.clear();
    if (this.state === 'reconnecting') this.counts.reconnects += 1;
    this.#state.change('connected');
  }

  #linkOnBroken(): void {
    // In other states it is an attempt that failed at the log-in.
    if (this.state !== 'connected' && this.state !== 'draining') return;
    clearTimeout(this.#lameDuckTimer);
    const reason = this.#cause ?? 'connection_lost';
    this.counts.disconnects[reason] += 1;
    for (const fail of this.#waiting) fail();
    if (this.state === 'draining') return;
    this.#log.warn({ server: this.server, reason }, 'the bus is gone');
    this.#state.change('reconnecting');
  }

  #linkOnLameDuck(): void {
    if (this.state !== 'connected' || this.#cause !== undefined) return;
    this.#cause = 'lame_duck';
    this.#complain({ server: this.server }, 'the server of the bus is about to leave');
    // Away from the only server there is nowhere to go: it serves us until it closes the connection itself.
    if (this.#link.servers.length() < 2) return;
    this.#lameDuckTimer = setTimeout(
      () => void this.#link.reconnect(),
      this.#random() * this.#lameDuckWaitMs,
    );
  }

  #linkOnError(error: Error): void {
    // A refused subscription has complained for itself, and a failed dial will.
    if (
      this.state === 'connected' &&
      !(error instanceof PermissionViolationError && error.operation === 'subscription')
    ) {
      this.#complain({ server: this.server, error: error.message }, 'the bus reports an error');
    }
    if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError) {
      this.#cause = 'authorization';
    } else if (/stale connection/i.test(error.message)) {
      this.#cause ??= 'stale';
    } else if (/slow consumer|maximum (?!subscriptions)|parser error|unknown protocol/i.test(error.message)) {
      // Those of the server's errors after which it closes the connection.
      this.#cause ??= 'other';
    }
  }

  #complain(details: object, message: string): void {
    const key = JSON.stringify([message, details]);
    if (this.#isClosed || this.#complaints.has(key)) return;
    this.#complaints.add(key);
    this.#log.warn(details, message);
  }
}

type LinkListener = { status(status: Status): void; dialFailed(server: string, error: unknown): void };

/** The library's protocol machine, which tells more and can be abandoned at any time. */
class Link extends ProtocolHandler {
  readonly #listener: LinkListener;

  constructor(options: ConnectionOptions, listener: LinkListener) {
    super(options, noPublisher);
    this.#listener = listener;
  }

  get pendingBytes(): number {
    const transport = this.transport as Transport | undefined;
    return this.connected ? this.outbound.size() + (transport?.unsentBytes ?? 0) : 0;
  }

  override dispatchStatus(status: Status): void {
    super.dispatchStatus(status);
    if (status.type === 'staleConnection') {
      // The library takes its leave of a silent peer with a write, which would wait behind what that peer has not
      // taken for as long as the kernel tries. Destroying the socket ends the wait.
      const stale = this.transport as Transport;
      setImmediate(() => stale.socket?.destroy());
    }
    this.#listener.status(status);
  }

  override async _doDial(server: Parameters<ProtocolHandler['_doDial']>[0]): Promise<void> {
    try {
      await super._doDial(server);
    } catch (error) {
      if (!this._closed) this.#listener.dialFailed(server.listen, error);
      throw error;
    }
  }

  /** Ends whatever it is doing. No socket and no timer is left behind; never rejects. */
  async abandon(): Promise<void> {
    const dialling = this.connectPromise;
    // Rejects where there has not been a transport yet.
    await this.close().catch(() => undefined);
    const release = (): void => {
      this.raceTimer?.cancel();
      this.dialDelay?.cancel();
      this.heartbeats.cancel();
      this.transport?.discard();
    };
    release();
    // A dial that was still looking up a name goes on to connect.
    dialling?.then(release, release);
  }
}

/** Through it, received messages could be answered. */
const noPublisher = { publish: (): void => {} };

/** The library's TCP and TLS, with the socket in reach from the dial on. */
class Transport extends NodeTransport {
  #dialled: Socket | undefined;

  get unsentBytes(): number {
    // Undefined until the dial has succeeded, whatever the library's types say.
    return (this.socket as Socket | undefined)?.writableLength ?? 0;
  }

  override dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
    const socket = createConnection({ host: hostname, port, noDelay: true });
    this.#dialled = socket;
    return new Promise((resolve, reject) => {
      socket.once('connect', () => {
        // From here on the library listens.
        socket.removeAllListeners();
        resolve(socket);
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the connection was closed')));
    });
  }

  override discard(): void {
    super.discard();
    this.#dialled?.destroy();
  }
}

function linkOptions(options: NatsBusOptions, random: () => number): ConnectionOptions {
  const { servers, name, token, user, password, credsFile, tlsCaFile } = options;
  const { reconnectWaitMs = 500, reconnectJitterMs = 500 } = options;
  // For the whole process; every NatsBus sets the same.
  setTransportFactory({ factory: () => new Transport(), dnsResolveFn: nodeResolveHost });
  // Read now, though the library reads it again itself, so that a wrong path stops the start.
  if (tlsCaFile !== undefined) readFileOf('authority', tlsCaFile);
  const isTlsRequired = tlsCaFile !== undefined || servers.some((one) => one.startsWith('tls://'));
  return parseOptions({
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
  });
}

/** Reads the file for each log-in. One that has become unusable meanwhile must not throw: it would end the link. */
function credentials(path: string): Authenticator {
  let usable = readFileOf('credentials', path);
  try {
    credsAuthenticator(usable)();
  } catch (error) {
    throw new Error(`the credentials file ${path} cannot be used: ${messageOf(error)}`, { cause: error });
  }
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

function readFileOf(what: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`the ${what} file ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Empty when there is none. Throws for no header: whoever publishes can put anything there. */
function messageIdOf(message: Msg): string {
  try {
    return message.headers?.get(messageIdHeader) ?? '';
  } catch {
    return '';
  }
}

function hostOf(server: string): string {
  return server.replace(/^\w+:\/\//, '').replace(/^.*@/, '');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
