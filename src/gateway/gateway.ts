/**
 * The gateway: listener, table, ledger, hub and heartbeat put together. It knows neither the bus nor
 * telemetry: the service feeds messages in and reads figures out.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { ReadyReason } from '../readiness.ts';
import type {
  ConnectionPage,
  ConnectionQuery,
  ConnectionRow,
  UnusableCursor,
} from '../reports/connections.ts';
import type { GatewayFigures } from '../telemetry/figures.ts';
import type { Every } from '../ticker.ts';
import { AddressCounts } from './address-counts.ts';
import {
  type AdmissionState,
  createOriginRule,
  isLoopbackName,
  type OriginRule,
  type RejectionReason,
  rejectionOf,
} from './admission.ts';
import type { ClientEvents } from './client-socket.ts';
import { NO_FRAME } from './close-codes.ts';
import { ClosedConnections } from './closed-connections.ts';
import {
  Connection,
  type ConnectionEnding,
  type ConnectionEvents,
  type Peer,
  type SlowPolicy,
} from './connection.ts';
import { ConnectionList, type ConnectionListing, rowOf } from './connection-list.ts';
import { Connections, onGrid } from './connections.ts';
import { Drain, type DrainSettings } from './drain.ts';
import { gatewayFigures } from './figures.ts';
import { Heartbeat, type HeartbeatSettings } from './heartbeat.ts';
import { Hub, type HubSettings } from './hub.ts';
import { Ledger } from './ledger.ts';
import { Listener } from './listener.ts';
import type { GatewayRecorder } from './recorder.ts';
import {
  type AddressShown,
  countedAs,
  type RemoteAddress,
  shownAddress,
  TrustedProxies,
} from './remote-address.ts';
import type { Wire } from './send-queue.ts';
import {
  type BusAnswers,
  receive,
  receiveControlFrame,
  type SessionRules,
  type SessionSurroundings,
  sayGap,
  sayReconnect,
  welcome,
} from './session.ts';
import { SharedTexts } from './shared-texts.ts';

export type GatewaySettings = SessionRules &
  HubSettings &
  DrainSettings &
  HeartbeatSettings & {
    host: string;
    origins: readonly string[] | undefined;
    messageSizeMax: number;
    slowPolicy: SlowPolicy;
    bufferedMax: number;
    remoteAddr: AddressShown;
    /** Addresses and networks in CIDR notation. */
    trustedProxies: readonly string[] | undefined;
    /** 0: no limit. */
    connectionsPerAddressMax: number;
    /** Age of a waiting message at which the fan-out counts as saturated. */
    fanoutLagMaxMs: number;
    /** Places in force. */
    connectionLimit: number;
  };

export type GatewaySurroundings = {
  recorder: GatewayRecorder;
  nowMs(): number;
  unixMs(): number;
  random(): number;
  /** A short string that does not repeat. */
  nonce(): string;
  soon(run: () => void): void;
  later(run: () => void, ms: number): void;
  every: Every;
  channelWanted(pattern: string): void;
  channelUnwanted(pattern: string): void;
  /** Whether newcomers must wait, for memory is nearly used up. */
  isOverloaded(): boolean;
} & BusAnswers;

/** How long a client may take to answer our close frame. */
const CLOSE_TIMEOUT_MS = 3_000;
/** How often the totals are checked against all rows, which is a walk through the whole table, and old listings forgotten. */
const AUDIT_INTERVAL_MS = 30_000;

export class Gateway {
  readonly hub: Hub;
  readonly ledger: Ledger = new Ledger();
  readonly connections: Connections = new Connections();
  readonly closedConnections: ClosedConnections = new ClosedConnections();
  readonly drain: Drain;
  readonly #settings: GatewaySettings;
  readonly #around: GatewaySurroundings;
  readonly #session: SessionSurroundings;
  readonly #list: ConnectionList;
  readonly #userAgents = new SharedTexts();
  readonly #heartbeat: Heartbeat;
  readonly #listener: Listener;
  readonly #isAllowedOrigin: OriginRule;
  readonly #proxies: TrustedProxies;
  readonly #addressCounts = new AddressCounts();
  #stopSweeping: (() => void) | undefined;
  #auditedAtMs = 0;
  #auditDrift = 0;

  constructor(settings: GatewaySettings, around: GatewaySurroundings) {
    this.#settings = settings;
    this.#around = around;
    this.#isAllowedOrigin = createOriginRule(settings.origins, isLoopbackName(settings.host));
    this.#proxies = new TrustedProxies(settings.trustedProxies ?? []);
    this.hub = new Hub(settings, around);
    this.#session = {
      hub: this.hub,
      ledger: this.ledger,
      rules: settings,
      recorder: around.recorder,
      nowMs: around.nowMs,
      unixMs: around.unixMs,
      nonce: around.nonce,
      startedMs: around.nowMs(),
      recentStallMs: (nowMs) => this.#heartbeat.recentStallMs(nowMs),
      inForce: around.inForce,
      isRefused: around.isRefused,
    };
    this.drain = new Drain(this.connections, settings, {
      ...around,
      sayReconnect: (connection, afterMs) => sayReconnect(connection, afterMs, around),
    });
    this.#list = new ConnectionList(this.connections, this.closedConnections, {
      nowMs: around.nowMs,
      newest: () => this.ledger.opened,
      remoteAddr: settings.remoteAddr,
    });
    this.#heartbeat = new Heartbeat(this.connections, this.ledger, settings, around.nowMs());
    this.#listener = new Listener(
      {
        handshake: (request) => this.#onHandshake(request),
        rejected: (reason, startedMs) => this.#onRejected(reason, startedMs),
        opened: (peer, wire, request, startedMs) => this.open(peer, wire, this.#remoteOf(request), startedMs),
        received: (bytes) => {
          this.ledger.wire.received += bytes;
        },
        handshakeSent: (bytes) => {
          this.ledger.wire.sent += bytes;
        },
        client: this.clientEvents,
      },
      {
        messageSizeMax: settings.messageSizeMax,
        closeTimeoutMs: CLOSE_TIMEOUT_MS,
        nowMs: around.nowMs,
        random: around.random,
      },
    );
  }

  attach(server: Server): void {
    this.#listener.attach(server);
  }

  start(): void {
    this.#stopSweeping = this.#around.every(
      () => this.sweep(),
      () => this.sweepIntervalMs,
    );
  }

  stop(): void {
    this.#stopSweeping?.();
  }

  /** After how long it is to be swept again. */
  get sweepIntervalMs(): number {
    return this.#heartbeat.intervalMs;
  }

  sweep(): void {
    const nowMs = this.#around.nowMs();
    this.#heartbeat.sweep(nowMs);
    if (nowMs - this.#auditedAtMs < AUDIT_INTERVAL_MS) return;
    this.#auditedAtMs = nowMs;
    this.audit();
    this.#list.forgetOld();
  }

  /** Checks the totals against all rows. What it finds shows in the figures until the next audit. */
  audit(): number {
    this.#auditDrift = this.ledger.audit(this.connections);
    return this.#auditDrift;
  }

  get admission(): Omit<AdmissionState, 'isAddressFull'> {
    return {
      isRefusing: this.drain.isRefusing,
      active: this.connections.size,
      limit: this.#settings.connectionLimit,
      isOverloaded: this.#around.isOverloaded(),
    };
  }

  #isAddressFull(request: IncomingMessage): boolean {
    const { connectionsPerAddressMax } = this.#settings;
    if (connectionsPerAddressMax === 0) return false;
    return this.#addressCounts.of(countedAs(this.#remoteOf(request))) >= connectionsPerAddressMax;
  }

  #remoteOf({ socket, headers }: IncomingMessage): Remote {
    const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort };
    return { ...this.#proxies.callerOf(peer, headers), userAgent: headers['user-agent'] };
  }

  #onHandshake(request: IncomingMessage): RejectionReason | undefined {
    this.ledger.handshakes.begun += 1;
    this.ledger.handshakes.active += 1;
    const peer = { address: request.socket.remoteAddress ?? '' };
    const scheme = this.#proxies.schemeOf(peer, request.headers);
    const isAllowed = (origin: string, host: string | undefined): boolean =>
      this.#isAllowedOrigin(origin, host, scheme);
    return rejectionOf(request, isAllowed, {
      ...this.admission,
      isAddressFull: this.#isAddressFull(request),
    });
  }

  #onRejected(reason: RejectionReason, startedMs: number): void {
    this.ledger.handshakes.active -= 1;
    this.ledger.handshakes.rejected[reason] += 1;
    this.#around.recorder.handshake((this.#around.nowMs() - startedMs) / 1000, reason);
  }

  /** A handshake has been completed. */
  open(peer: Peer, wire: Wire, remote: Remote, startedMs: number): Connection {
    const { nowMs, unixMs, nonce, recorder } = this.#around;
    const now = nowMs();
    this.ledger.handshakes.active -= 1;
    this.ledger.opened += 1;
    const identity = {
      id: `client_${nonce()}`,
      remoteAddress: shownAddress(remote, this.#settings.remoteAddr),
      userAgent: this.#userAgents.take(remote.userAgent),
      countedAs: this.#settings.connectionsPerAddressMax === 0 ? undefined : countedAs(remote),
      number: this.ledger.opened,
      nowMs: onGrid(now),
      unixMs: unixMs(),
    };
    const connection = new Connection(identity, peer, wire, this.#settings, this.#connectionEvents);
    this.connections.add(connection);
    if (connection.countedAs !== undefined) this.#addressCounts.add(connection.countedAs);
    this.#heartbeat.add(connection, this.#around.random());
    recorder.handshake((now - startedMs) / 1000);
    return connection;
  }

  /** What to tell the gateway about a client. */
  readonly clientEvents: ClientEvents = {
    ready: (connection) => welcome(connection, this.#session),
    message: (connection, data, isBinary) => receive(connection, data, isBinary, this.#session),
    ping: (connection, data) => this.#onPing(connection, data),
    pong: (connection) => this.#onPong(connection),
    violated: (connection, reason) => connection.violated(reason),
    closeFrame: (connection, write, code) => connection.closeFrame(write, code),
    closed: (connection, code) => this.#onClosed(connection, code),
  };

  readonly #connectionEvents: ConnectionEvents = {
    nowMs: () => this.#around.nowMs(),
    ledger: this.ledger,
    gap: (connection, reason, missed) => sayGap(connection, reason, missed, this.#session),
    congestion: (connection, isCongested) => {
      if (isCongested) this.connections.congested.add(connection);
      else this.connections.congested.delete(connection);
    },
    beforeClose: (connection) => this.hub.remove(connection),
    closing: (connection) => {
      this.connections.closing += 1;
      this.hub.remove(connection);
    },
  };

  #onPing(connection: Connection, data: Buffer): void {
    this.ledger.controlFrames.receive.ping += 1;
    receiveControlFrame(connection, this.#session);
    connection.pong(data, this.#around.nowMs());
  }

  #onPong(connection: Connection): void {
    this.ledger.controlFrames.receive.pong += 1;
    if (!connection.awaitsPong) return receiveControlFrame(connection, this.#session);
    this.#heartbeat.answered(connection);
    connection.rttMs = this.#around.nowMs() - connection.pingedAtMs;
    this.#around.recorder.pingRoundTrip(connection.rttMs / 1000);
  }

  #onClosed(connection: Connection, code: number): void {
    if (code !== NO_FRAME) this.ledger.controlFrames.receive.close += 1;
    const ending = connection.ended(code);
    const { reason } = ending;
    const nowMs = this.#around.nowMs();
    const livedMs = onGrid(nowMs) - connection.openedAtMs;
    this.#keepEnded(connection, ending, nowMs);
    this.connections.closing -= 1;
    this.connections.remove(connection);
    if (connection.countedAs !== undefined) this.#addressCounts.remove(connection.countedAs);
    this.#heartbeat.remove(connection);
    this.ledger.fold(connection.counts, livedMs, reason);
    this.#around.recorder.connectionClosed(livedMs / 1000, reason);
    this.drain.connectionEnded();
  }

  #keepEnded(connection: Connection, ending: ConnectionEnding, nowMs: number): void {
    const { code, reason, initiator, bufferedBytes } = ending;
    const end = { closedAtUnixMs: this.#around.unixMs(), code, reason, initiator, bufferedBytes };
    this.closedConnections.add(rowOf(connection, nowMs), end, connection.number);
  }

  /** Tells every client, in the order of its messages, that it may have missed something while the bus was away. */
  announceBusGap(): void {
    for (const connection of this.connections) this.hub.missBus(connection);
  }

  /** Likewise those who listen to one of the patterns, which the bus had not let us hear. */
  announceBusGapTo(patterns: readonly string[]): void {
    this.hub.visitListeners(new Set(patterns), (connection) => this.hub.missBus(connection));
  }

  /** Connections as they are now. */
  page(query: ConnectionQuery): ConnectionPage | UnusableCursor {
    return this.#list.page(query);
  }

  /** Likewise, with sums of all that the query names. */
  list(query: ConnectionQuery): ConnectionListing | UnusableCursor {
    return this.#list.list(query);
  }

  /** A connection that lives, or ended not long ago. */
  find(id: string): ConnectionRow | undefined {
    return this.#list.find(id);
  }

  /** Closes a connection for whoever may ask for it. False when there is none of that name that lives. */
  close(id: string, code?: number, text?: string): boolean {
    const connection = this.connections.get(id);
    connection?.close('admin', code, text);
    return connection !== undefined;
  }

  figures(notReady: Record<ReadyReason, boolean>): GatewayFigures {
    return gatewayFigures(this, {
      nowMs: this.#around.nowMs(),
      fanoutLagMaxMs: this.#settings.fanoutLagMaxMs,
      connectionLimit: this.#settings.connectionLimit,
      drainRemaining: this.drain.remaining,
      auditDrift: this.#auditDrift,
      notReady,
    });
  }
}

/** Who is at the other end. */
export type Remote = RemoteAddress & { userAgent?: string | undefined };
