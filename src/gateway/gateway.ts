/**
 * The gateway: listener, table, ledger, hub and heartbeat put together. It knows neither the bus nor
 * telemetry: the service feeds messages in and reads figures out.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { ReadyReason } from '../readiness.ts';
import type { ConnectionPage } from '../reports/connections.ts';
import type { GatewayFigures } from '../telemetry/figures.ts';
import {
  type AdmissionState,
  createOriginRule,
  isLoopbackName,
  type RejectionReason,
  rejectionOf,
} from './admission.ts';
import type { CloseReason } from './close-codes.ts';
import { Connection, type ConnectionEvents, type Peer, type SlowPolicy } from './connection.ts';
import { Connections } from './connections.ts';
import { Drain, type DrainSettings, type DrainSurroundings } from './drain.ts';
import { gatewayFigures } from './figures.ts';
import { Heartbeat } from './heartbeat.ts';
import { Hub, type HubSettings } from './hub.ts';
import { Ledger } from './ledger.ts';
import { Listener, type PeerEvents } from './listener.ts';
import type { GatewayRecorder } from './recorder.ts';
import type { Wire } from './send-queue.ts';
import {
  receive,
  type SessionRules,
  type SessionSurroundings,
  sayGap,
  sayReconnect,
  welcome,
} from './session.ts';

export type GatewaySettings = SessionRules &
  HubSettings &
  DrainSettings & {
    host: string;
    origins: readonly string[] | undefined;
    messageSizeMax: number;
    slowPolicy: SlowPolicy;
    bufferedMax: number;
    bufferedAgeMaxMs: number;
    pingIntervalMs: number;
    pongTimeoutMs: number;
    remoteAddr: 'full' | 'masked' | 'off';
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
  every: DrainSurroundings['every'];
  channelWanted(pattern: string): void;
  channelUnwanted(pattern: string): void;
};

/** How long a client may take to answer our close frame. */
const CLOSE_TIMEOUT_MS = 3_000;

export class Gateway {
  readonly hub: Hub;
  readonly ledger: Ledger = new Ledger();
  readonly connections: Connections = new Connections();
  readonly drain: Drain;
  readonly #settings: GatewaySettings;
  readonly #around: GatewaySurroundings;
  readonly #session: SessionSurroundings;
  readonly #heartbeat: Heartbeat;
  readonly #listener: Listener;
  readonly #isAllowedOrigin: (origin: string, host: string | undefined) => boolean;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(settings: GatewaySettings, around: GatewaySurroundings) {
    this.#settings = settings;
    this.#around = around;
    this.#isAllowedOrigin = createOriginRule(settings.origins, isLoopbackName(settings.host));
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
    };
    this.drain = new Drain(this.connections, settings, {
      ...around,
      sayReconnect: (connection, afterMs) => sayReconnect(connection, afterMs, around),
    });
    this.#heartbeat = new Heartbeat(this.connections, this.ledger, settings, around.nowMs());
    this.#listener = new Listener(
      {
        handshake: (request) => this.#onHandshake(request),
        rejected: (reason, startedMs) => this.#onRejected(reason, startedMs),
        opened: (peer, wire, request, startedMs) => this.open(peer, wire, remoteOf(request), startedMs),
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
    this.#sweepTimer = setInterval(() => this.sweep(), this.#heartbeat.intervalMs);
    this.#sweepTimer.unref();
  }

  stop(): void {
    clearInterval(this.#sweepTimer);
  }

  sweep(): void {
    this.#heartbeat.sweep(this.#around.nowMs());
  }

  get admission(): AdmissionState {
    return {
      isRefusing: this.drain.isRefusing,
      active: this.connections.size,
      limit: this.#settings.connectionLimit,
    };
  }

  #onHandshake(request: IncomingMessage): RejectionReason | undefined {
    this.ledger.handshakes.begun += 1;
    this.ledger.handshakes.active += 1;
    return rejectionOf(request, this.#isAllowedOrigin, this.admission);
  }

  #onRejected(reason: RejectionReason, startedMs: number): void {
    this.ledger.handshakes.active -= 1;
    this.ledger.handshakes.rejected[reason] += 1;
    this.#around.recorder.handshake((this.#around.nowMs() - startedMs) / 1000, reason);
  }

  /** A handshake has been completed. Answers with what to tell the gateway about the client. */
  open(peer: Peer, wire: Wire, remote: { address: string; port: number }, startedMs: number): PeerEvents {
    const { nowMs, nonce, recorder } = this.#around;
    const now = nowMs();
    const identity = {
      id: `client_${nonce()}`,
      remoteAddress: shownAddress(remote, this.#settings.remoteAddr),
      nowMs: now,
    };
    const connection = new Connection(identity, peer, wire, this.#settings, this.#connectionEvents);
    this.ledger.handshakes.active -= 1;
    this.ledger.opened += 1;
    this.connections.add(connection);
    recorder.handshake((now - startedMs) / 1000);
    welcome(connection, this.#session);
    return {
      message: (data, isBinary) => receive(connection, data, isBinary, this.#session),
      ping: (data) => this.#onPing(connection, data),
      pong: () => this.#onPong(connection),
      violated: (reason) => this.#onViolated(connection, reason),
      closed: (code) => this.#onClosed(connection, code),
    };
  }

  readonly #connectionEvents: ConnectionEvents = {
    nowMs: () => this.#around.nowMs(),
    gap: (connection, reason, missed) => sayGap(connection, reason, missed, this.#session),
    congestion: (connection, isCongested) => {
      if (isCongested) this.connections.congested.add(connection);
      else this.connections.congested.delete(connection);
    },
    beforeClose: (connection) => this.hub.remove(connection),
    closing: (connection) => this.hub.remove(connection),
    closeFrameSent: () => {
      this.ledger.controlFrames.transmit.close += 1;
    },
    pongSent: () => {
      this.ledger.controlFrames.transmit.pong += 1;
    },
  };

  #onPing(connection: Connection, data: Buffer): void {
    this.ledger.controlFrames.receive.ping += 1;
    connection.pong(data, this.#around.nowMs());
  }

  #onPong(connection: Connection): void {
    this.ledger.controlFrames.receive.pong += 1;
    if (!connection.awaitsPong) return;
    connection.awaitsPong = false;
    this.#around.recorder.pingRoundTrip((this.#around.nowMs() - connection.pingedAtMs) / 1000);
  }

  #onViolated(connection: Connection, reason: CloseReason): void {
    if (!connection.isClosedByUs) this.ledger.controlFrames.transmit.close += 1;
    connection.violated(reason);
  }

  #onClosed(connection: Connection, code: number): void {
    if (code !== 1006) {
      this.ledger.controlFrames.receive.close += 1;
      // A close frame that came first has been answered by the WebSocket library with one of its own.
      if (!connection.isClosedByUs) this.ledger.controlFrames.transmit.close += 1;
    }
    const { reason, wire } = connection.ended(code);
    const seconds = (this.#around.nowMs() - connection.openedAtMs) / 1000;
    this.connections.remove(connection);
    this.ledger.fold(connection.counts, wire, seconds, reason);
    this.#around.recorder.connectionClosed(seconds, reason);
    this.drain.connectionEnded();
  }

  /** Tells every client that it may have missed something while the bus was away. */
  announceBusGap(): void {
    for (const connection of this.connections) connection.missBus();
  }

  /** The oldest connections and their counts now. */
  page(limit: number): ConnectionPage {
    return this.connections.page(limit, this.#around.nowMs());
  }

  figures(notReady: Record<ReadyReason, boolean>): GatewayFigures {
    return gatewayFigures(this, {
      nowMs: this.#around.nowMs(),
      fanoutLagMaxMs: this.#settings.fanoutLagMaxMs,
      connectionLimit: this.#settings.connectionLimit,
      drainRemaining: this.drain.remaining,
      notReady,
    });
  }
}

function remoteOf(request: IncomingMessage): { address: string; port: number } {
  return { address: request.socket.remoteAddress ?? '', port: request.socket.remotePort ?? 0 };
}

/** The client's address as reports may show it: whole, its network only (/24, /48), or nothing. */
export function shownAddress(
  remote: { address: string; port: number },
  show: 'full' | 'masked' | 'off',
): string {
  if (show === 'off') return '';
  const address = remote.address.startsWith('::ffff:') ? remote.address.slice(7) : remote.address;
  const isV6 = address.includes(':');
  if (show === 'full') return `${isV6 ? `[${address}]` : address}:${remote.port}`;
  if (!isV6) return address.replace(/\.\d+$/, '.0');
  // The first three groups, with a `::` among them written out as zeroes.
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0');
  return `${[...groups, ...rest].slice(0, 3).join(':')}::`;
}
