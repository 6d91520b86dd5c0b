/**
 * The link to NATS: the client library's protocol machine and transport, made to tell more and to let go.
 *
 * The library's own way in is `connect`. It was tried again with version 3.4, and cannot do the job: each dial that
 * times out (a frozen server, for instance) leaves its socket open on both sides, for good; a dial cannot be cancelled,
 * so a process that is to stop waits for it; there is no handle before the first connection, and no way to learn
 * what the socket has not taken. Hence this file builds on what is beneath `connect`. All of it is here, the version
 * is pinned exactly, and `test/unit/bus/nats-link.test.ts` fails with the name of what has gone when it is changed.
 */
import { createConnection, type Socket } from 'node:net';
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from 'node:tls';
import {
  type ConnectionOptions,
  type Msg,
  PermissionViolationError,
  ProtocolHandler,
  parseOptions,
  type Status,
  type SubscriptionImpl,
  setTransportFactory,
} from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';
import { refusalOf } from './nats-errors.ts';
import { UnansweredSubscriptions } from './nats-unanswered.ts';

export type NatsLinkListener = {
  /** Called at once, from within the library, which an exception would throw off its way. */
  status(status: Status): void;
  dialFailed(server: string, error: unknown): void;
};

/** The library's protocol machine, which can be abandoned at any time. */
export class NatsLink extends ProtocolHandler {
  readonly #listener: NatsLinkListener;
  #isLoggedIn = false;

  constructor(options: ConnectionOptions, listener: NatsLinkListener) {
    super(parseOptions(options), noPublisher);
    this.#listener = listener;
    const { reconnectDelayHandler } = this.options;
    if (!reconnectDelayHandler) return;
    this.options.reconnectDelayHandler = () => {
      this.#allowDials();
      return reconnectDelayHandler();
    };
  }

  /** The library waits by the wall clock: were that set back, by so much longer. It asks for the wait before each dial. */
  #allowDials(): void {
    for (const server of this.servers.getServers())
      if (server.lastConnect > Date.now()) server.lastConnect = 0;
  }

  /** Published bytes that the kernel has not taken. */
  get pendingBytes(): number {
    if (!this.connected) return 0;
    const transport = this.transport as Partial<NatsTransport>;
    return this.outbound.size() + (transport.unsentBytes ?? 0);
  }

  /**
   * The transport is closed. Where that is a failed log-in, the loop that has dialled goes on by itself: told of it as of a
   * break, the library would begin to wait for that loop once more each time, and keep all who wait until it is in.
   */
  override async disconnected(error?: Error): Promise<void> {
    if (this.#isLoggedIn) {
      this.#isLoggedIn = false;
      await super.disconnected(error);
    } else if (this.transport.isClosed) {
      // Else it is that of a dial before, and the one under way is in order.
      this.connectError?.(error ?? new Error('the server closed the connection'));
    }
  }

  /** The library gives a name for the certificate to members of the cluster only that it knew when the link was made. */
  override processInfo(info: Uint8Array): void {
    super.processInfo(info);
    const { tlsName } = this.servers as unknown as { tlsName: string };
    for (const server of this.servers.getServers())
      if (server.gossiped && server.tlsName === '') server.tlsName = tlsName;
  }

  override dispatchStatus(status: Status): void {
    if (status.type === 'error' && status.error instanceof PermissionViolationError)
      this.#unquote(status.error);
    super.dispatchStatus(status);
    // What the server says during the log-in is why it does not have us; it closes without an answer.
    if (status.type === 'error' && !this.connected) this.connectError?.(status.error);
    if (status.type === 'staleConnection') {
      // The library takes its leave of a silent peer with a write, which would wait behind what that peer has not
      // taken for as long as the kernel tries. Destroying the socket ends the wait.
      const stale = this.transport as Partial<NatsTransport>;
      setImmediate(() => stale.socket?.destroy());
    }
    if (status.type === 'error' && refusalOf(status.error) === 'limit' && this.#refuse(status.error)) return;
    this.#listener.status(status);
  }

  /** The server writes subjects as Go quotes them. The library has looked for the subscription as it stands there, in vain. */
  #unquote(error: PermissionViolationError): void {
    if (!error.subject.includes('\\')) return;
    error.subject = unquoted(error.subject);
    this.subscriptions.handleError(error);
  }

  /** The library knows which subscription is meant where the error names it. False when none can be meant. */
  #refuse(error: Error): boolean {
    const subscription = UnansweredSubscriptions.first(this.pongs);
    if (!subscription) return false;
    subscription.callback(error, noMessage);
    this.subscriptions.cancel(subscription);
    return true;
  }

  override _sub(subscription: SubscriptionImpl): void {
    // A new link begins with all that there are. Asked for twice, one that is in force would be refused at the limit.
    if (!this.connected) return;
    super._sub(subscription);
    UnansweredSubscriptions.append(this.pongs, subscription);
    this.sendCommand(PING);
  }

  /** Called when the server has let us in. */
  override sendSubscriptions(): void {
    this.#isLoggedIn = true;
    const all = this.subscriptions.all() as SubscriptionImpl[];
    // Pings that were asked for during the dial have not been sent yet.
    UnansweredSubscriptions.prepend(this.pongs, all);
    const commands = all.map(({ subject, sid }) => `SUB ${subject} ${sid}\r\n${PING}`);
    if (all.length > 0) this.transport.send(Buffer.from(commands.join('')));
  }

  override async _doDial(server: Parameters<ProtocolHandler['_doDial']>[0]): Promise<void> {
    // One for the whole process. Each time, because anybody else who uses the library's `connect` sets his own.
    setTransportFactory({ factory: () => new NatsTransport(), dnsResolveFn: nodeResolveHost });
    try {
      await super._doDial(server);
    } catch (error) {
      if (!this._closed) this.#listener.dialFailed(server.listen, explained(error));
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

const PING = 'PING\r\n';

/** Of Go's escapes those that a subject may need. */
function unquoted(text: string): string {
  return text.replace(
    /\\(?:u([\da-f]{4})|U([\da-f]{8})|(.))/g,
    (_, short?: string, long?: string, other?: string) =>
      other ?? String.fromCodePoint(Number.parseInt(short ?? long ?? '', 16)),
  );
}

/** The library finds no words where a connection is closed before anything has been said. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error && /undefined error/.test(error.message))) return error;
  return new Error(
    'the server closed the connection before it said anything; one that wants TLS first (handshake_first) cannot be used',
  );
}

/** What comes with an error in place of a message. */
const noMessage = {} as Msg;

/** Through it, received messages could be answered. */
const noPublisher = { publish: (): void => {} };

/**
 * After so much reading rests until the event loop has turned, which leaves writing about half of it when there is more
 * to do than it can. Left to itself, Node reads a socket up to 32 times in a row, two megabytes in all: with eight
 * thousand small messages three quarters of the time went into taking in what could only be dropped.
 */
const PORTION_BYTES = 64 * 1024;

/** The library's TCP and TLS, with the socket in reach from the dial on, read in portions. */
export class NatsTransport extends NodeTransport {
  #dialled: Socket | undefined;
  #hostname = '';

  get unsentBytes(): number {
    // Undefined until the dial has succeeded, whatever the library's types say.
    return (this.socket as Socket | undefined)?.writableLength ?? 0;
  }

  override dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
    const socket = createConnection({ host: hostname, port, noDelay: true });
    this.#dialled = socket;
    this.#hostname = hostname;
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

  /**
   * The certificate of a server that was given by its address must be for that address. The library names no host then,
   * and Node would have taken one for localhost, and that one only.
   */
  override startTLS(): Promise<TLSSocket> {
    if (this.tlsName === '') {
      const ofAddress = (_: string, certificate: PeerCertificate) =>
        checkServerIdentity(this.#hostname, certificate);
      this.options = {
        ...this.options,
        tls: { ...this.options.tls, checkServerIdentity: ofAddress } as object,
      };
    }
    return super.startTLS();
  }

  /** Nobody listens to the socket while the library reads the authority's file, and a reset would end the process. */
  override async loadClientCerts(): ReturnType<NodeTransport['loadClientCerts']> {
    const { socket } = this;
    let reset: Error | undefined;
    socket?.on('error', (error) => {
      reset = error;
    });
    const files = await super.loadClientCerts();
    if (socket?.destroyed === true) throw reset ?? new Error('the connection was closed');
    return files;
  }

  /** Of the socket that the library will read from, after TLS if there is any. */
  override setupHandlers(): void {
    super.setupHandlers();
    const { socket } = this;
    let bytes = 0;
    const nextTurn = (): void => {
      bytes = 0;
      socket.resume();
    };
    socket.on('data', (portion: Uint8Array) => {
      bytes += portion.length;
      if (bytes < PORTION_BYTES) return;
      socket.pause();
      setImmediate(nextTurn);
    });
  }

  override discard(): void {
    super.discard();
    this.#dialled?.destroy();
  }
}
