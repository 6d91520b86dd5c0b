/**
 * The composition root: builds every object once, connects them, and starts and stops them in an order that
 * can be read here. Two services can live in one process: nothing below looks at globals.
 */

import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { type Bus, BusUnansweredError } from './bus/bus.ts';
import { DuplicateWindow } from './bus/duplicates.ts';
import { Interest } from './bus/interest.ts';
import { MemoryBus } from './bus/memory-bus.ts';
import { NatsBus } from './bus/nats-bus.ts';
import { NewLink } from './bus/new-link.ts';
import { SharedRoundTrip } from './bus/shared-round-trip.ts';
import { narrow } from './bus/subjects.ts';
import type { Settings } from './config.ts';
import {
  connectionLimit,
  createOriginRule,
  crowdedAtConnections,
  isLoopbackName,
} from './gateway/admission.ts';
import { Gateway } from './gateway/gateway.ts';
import { createApp } from './http/app.ts';
import type { HttpDependencies, PublishOutcome } from './http/dependencies.ts';
import { closeServer, createHttpServer, listen } from './http/server.ts';
import { BUS_DRAIN_MS, LAST_ANSWERS_MS } from './leaving.ts';
import { MemoryGuard } from './memory-guard.ts';
import { notReady, type ReadinessFacts, type ReadyReason, reasonsNotReady } from './readiness.ts';
import { createMeters, type Meters } from './telemetry/meter.ts';
import type { Telemetry } from './telemetry/sdk.ts';
import { createPlatform, type Platform, type PlatformOptions } from './telemetry/sources/platform.ts';
import { Ticker } from './ticker.ts';

/** The part of a pino logger that is used. */
export type Log = {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
};

export type ServiceOptions = {
  settings: Settings;
  telemetry: Telemetry;
  log: Log;
  /** The system, and what its figures are read from, if not the machine itself. */
  platform?: Pick<PlatformOptions, 'system' | 'files'>;
};

/** Where it listens. Without ADMIN_PORT both are the same. */
export type Addresses = { clientUrl: string; adminUrl: string };

/** A flush over many connections stops after so long, and lets the event loop turn. */
const FLUSH_SLICE_MS = 5;
/** How often the bus is asked for its round trip. */
const ROUND_TRIP_INTERVAL_MS = 15_000;
/** How long whoever publishes by HTTP waits for the bus to have taken the message. */
const PUBLISH_ANSWER_MS = 2_000;
/** How often a bus that had no room for subscriptions is asked whether it has some. */
const RETRY_INTERVAL_MS = 5_000;
/** How often the log says that descriptors are nearly used up. */
const CROWD_TOLD_EACH_MS = 60_000;
/** While draining, the log says how far it is: this often, or ten times where that takes longer. */
const PROGRESS_INTERVAL_MS = 1_000;

export class Service {
  readonly bus: Bus;
  readonly gateway: Gateway;
  readonly platform: Platform;
  readonly #settings: Settings;
  readonly #telemetry: Telemetry;
  readonly #log: Log;
  readonly #meters: Meters;
  readonly #newLink: NewLink;
  readonly #roundTrips: SharedRoundTrip;
  readonly #interest: Interest;
  readonly #memory: MemoryGuard;
  readonly #duplicates: DuplicateWindow;
  readonly #connectionLimit: number;
  readonly #http: { figures: { activeRequests: number }; servers: Server[] };
  readonly #readiness: { busWasThere: boolean; busAwaySinceMs: number | undefined };
  readonly #ticker = new Ticker();
  readonly #stopAskingBus: (() => void)[] = [];
  #drained: Promise<void> | undefined;
  readonly #drainRequested: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor({ settings, telemetry, log, platform }: ServiceOptions) {
    this.#settings = settings;
    this.#telemetry = telemetry;
    this.#log = log;
    this.#http = { figures: { activeRequests: 0 }, servers: [] };
    this.#readiness = { busWasThere: false, busAwaySinceMs: undefined };
    this.platform = createPlatform({
      sampleIntervalMs: settings.sampleIntervalMs,
      ticker: this.#ticker,
      ...platform,
    });
    this.#memory = new MemoryGuard({
      container: () => this.platform.container(),
      residentBytes: () => this.platform.residentBytes(),
      heap: () => this.platform.heap(),
      nowMs,
    });
    this.#connectionLimit = connectionLimit(settings.connectionsMax, this.platform.fileDescriptorLimit());
    this.#meters = createMeters(telemetry.meterProvider, {
      gateway: () => this.gateway.figures(notReady(this.#readinessFacts())),
      bus: () => ({
        system: this.bus.system,
        state: this.bus.state,
        counts: this.bus.counts,
        pendingBytes: this.bus.pendingBytes,
        duplicates: this.#duplicates.suppressed + this.#interest.overlapDuplicates,
        dedupeEntries: this.#duplicates.entries,
        refused: this.#interest.refusedPatterns,
        // One for each link but the first.
        gaps: this.bus.counts.reconnects,
      }),
      platform: this.platform,
      http: () => this.#http.figures,
    });
    this.bus = createBus(settings, log, telemetry.instanceId);
    this.#duplicates = new DuplicateWindow({
      windowMs: settings.dedupeWindowMs,
      entriesMax: settings.dedupeEntriesMax,
      byNonce: settings.dedupeBy === 'msg-id,nonce',
      now: nowMs,
    });
    this.#roundTrips = new SharedRoundTrip(this.bus);
    this.#newLink = new NewLink(this.bus, {
      // Whoever was here while the bus was away may have missed something, and nobody can know what.
      ready: (isInForce) => {
        this.gateway.announceBusGap();
        // The answer may have come just before the link broke.
        if (!isInForce || this.bus.state !== 'connected') return;
        this.#readiness.busWasThere = true;
        this.#readiness.busAwaySinceMs = undefined;
      },
      message: (message) => {
        if (!this.#duplicates.isDuplicate(message))
          this.gateway.hub.publish(message.subject, message.payload);
      },
    });
    this.#interest = new Interest(this.bus, (message) => this.#newLink.receive(message), {
      roundTrip: () => this.#roundTrips.ask(),
      onTaken: (patterns) => this.gateway.announceBusGapTo(patterns),
    });
    this.gateway = new Gateway(
      {
        ...settings,
        defaultChannels: narrow(settings.subjects, settings.allowedChannels),
        flushSliceMs: FLUSH_SLICE_MS,
        connectionLimit: this.#connectionLimit,
      },
      {
        recorder: this.#meters.gateway,
        nowMs,
        unixMs: Date.now,
        random: Math.random,
        nonce: () => randomBytes(9).toString('base64url'),
        soon: setImmediate,
        later: setTimeout,
        every: this.#ticker.every,
        isOverloaded: () => this.#memory.isShort,
        channelWanted: (pattern) => this.#interest.want(pattern),
        channelUnwanted: (pattern) => this.#interest.unwant(pattern),
        inForce: () => this.#interest.inForce(),
        isRefused: (channel) => this.#interest.isRefused(channel),
      },
    );
  }

  /**
   * Begins to serve. The bus may come later: readiness tells. Rejects when a port cannot be had, and has then
   * stopped whatever was started.
   */
  async start(): Promise<Addresses> {
    try {
      return await this.#start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #start(): Promise<Addresses> {
    this.platform.start();
    this.platform.onGcPause((seconds, type) => this.#meters.recordGcPause(seconds, type));
    this.#startBus();
    this.gateway.start();
    const settings = this.#settings;
    const hasAdminPort = settings.adminPort !== undefined;
    const clients = await this.#listen(hasAdminPort ? 'clients' : 'all', settings.host, settings.port);
    const admin = hasAdminPort
      ? await this.#listen('admin', settings.adminHost, settings.adminPort!)
      : clients;
    this.#log.info(
      { url: clients, adminUrl: admin, bus: this.bus.server, connectionLimit: this.#connectionLimit },
      'listening',
    );
    if (this.#connectionLimit < settings.connectionsMax) {
      this.#log.info(
        { limit: this.#connectionLimit, wanted: settings.connectionsMax },
        'the file-descriptor limit allows fewer connections than TIDEGAUGE_MAX_CONNECTIONS; raise it (ulimit -n) for more',
      );
    }
    return { clientUrl: clients, adminUrl: admin };
  }

  /** The servers that it listens with, the one for clients first. */
  get httpServers(): readonly Server[] {
    return this.#http.servers;
  }

  async #listen(role: 'all' | 'clients' | 'admin', host: string, port: number): Promise<string> {
    // Who asks on the admin port is no stranger.
    const crowdedAt =
      role === 'admin' ? undefined : crowdedAtConnections(this.platform.fileDescriptorLimit());
    const server = createHttpServer(createApp(this.#httpDependencies(), role).callback(), { crowdedAt });
    if (role !== 'admin') this.gateway.attach(server);
    this.#tellOfCrowds(server);
    // The admin port is this process's own: behind a shared one, nobody could tell whose figures they see.
    const reusePort = this.#settings.reusePort && role !== 'admin';
    const address = await listen(server, { host, port, reusePort });
    this.#http.servers.push(server);
    return urlOf(address);
  }

  #tellOfCrowds(server: Server): void {
    let toldAtMs = Number.NEGATIVE_INFINITY;
    server.on('crowded', () => {
      if (nowMs() - toldAtMs < CROWD_TOLD_EACH_MS) return;
      toldAtMs = nowMs();
      this.#log.warn(
        {},
        'descriptors are nearly used up: HTTP callers lose connections that they only keep (ulimit -n)',
      );
    });
  }

  #startBus(): void {
    for (const pattern of this.#settings.subjects) this.#interest.want(pattern);
    this.bus.onState((state) => this.#onBusState(state));
    this.bus.start();
    const { every } = this.#ticker;
    this.#stopAskingBus.push(
      every(() => this.#measureRoundTrip(), ROUND_TRIP_INTERVAL_MS),
      every(() => this.#interest.retryRefused(), RETRY_INTERVAL_MS),
    );
  }

  #onBusState(state: Bus['state']): void {
    this.#log.info({ state, server: this.bus.server }, 'bus');
    if (state === 'connected') {
      void this.#newLink.begin();
      this.#measureRoundTrip();
    } else {
      this.#readiness.busAwaySinceMs ??= nowMs();
    }
  }

  #measureRoundTrip(): void {
    if (this.bus.state !== 'connected') return;
    this.bus.roundTrip().then(this.#meters.recordBusRoundTrip, (error: unknown) => {
      this.#log.debug({ err: error }, 'bus round trip not measured');
    });
  }

  async #publish(
    subject: string,
    payload: Uint8Array,
    options: { messageId?: string } | undefined,
  ): Promise<PublishOutcome> {
    const before = this.bus.denials(subject);
    this.bus.publish(subject, payload, options);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(reject, PUBLISH_ANSWER_MS);
    try {
      await Promise.race([this.#roundTrips.ask(), late]);
    } catch {
      throw new BusUnansweredError('the bus has not answered');
    } finally {
      clearTimeout(timer);
    }
    return this.bus.denials(subject) > before ? 'denied' : 'taken';
  }

  /** None: whoever comes now is admitted, and but for an outage within the grace hears everything. */
  get reasonsNotReady(): ReadyReason[] {
    return reasonsNotReady(this.#readinessFacts());
  }

  #readinessFacts(): ReadinessFacts {
    return {
      ...this.#readiness,
      graceMs: this.#settings.readyBusGraceMs,
      nowMs: nowMs(),
      ...this.gateway.admission,
      isDraining: this.gateway.drain.isDraining,
    };
  }

  #httpDependencies(): HttpDependencies {
    const isCorsOrigin = createOriginRule(this.#settings.corsOrigins, false);
    return {
      settings: this.#settings,
      cpuCores: Math.max(1, availableParallelism()),
      log: this.#log,
      figures: this.#http.figures,
      now: nowMs,
      recordRequest: this.#meters.recordRequest,
      collect: () => this.#telemetry.snapshot.collect(),
      collectShared: () => this.#telemetry.snapshot.collectShared(),
      unixMs: Date.now,
      connections: {
        page: (query) => this.gateway.page(query),
        list: (query) => this.gateway.list(query),
        find: (id) => this.gateway.find(id),
        close: (id, code, reason) => this.gateway.close(id, code, reason),
      },
      scrape: (accept) => this.#telemetry.scrape(accept),
      readiness: () => this.reasonsNotReady,
      busState: () => this.bus.state,
      publish: (subject, payload, options) => this.#publish(subject, payload, options),
      drain: () => {
        this.#drainRequested.resolve();
        void this.drain();
        return { connections: this.gateway.connections.size };
      },
      isCorsOrigin: (origin) => isCorsOrigin(origin, undefined),
      isLoopback: isLoopbackName,
    };
  }

  /** Resolves when an HTTP caller has asked for a drain, which has begun then. */
  get drainRequested(): Promise<void> {
    return this.#drainRequested.promise;
  }

  /**
   * Leaves the clients as gateway/drain.ts describes, then the bus. Reports and probes go on, so that the last
   * figures can be read. Resolves when everything has been counted that will be.
   */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    const { drain, connections } = this.gateway;
    const { drainDelayMs: delayMs, drainWindowMs: windowMs } = this.#settings;
    const beganMs = nowMs();
    this.#log.info({ connections: connections.size, delayMs, windowMs }, 'draining');
    const progress = setInterval(
      () => this.#log.info({ phase: drain.phase, remaining: drain.remaining }, 'still draining'),
      Math.max(PROGRESS_INTERVAL_MS, (delayMs + windowMs) / 10),
    );
    drain.begin();
    await drain.refusing;
    // Of those that share the port, the kernel would go on sending us a share of the newcomers, to be refused.
    if (this.#settings.reusePort) this.#http.servers[0]?.close();
    await drain.done;
    clearInterval(progress);
    await this.#drainBus();
    const { deliveries, closed } = this.gateway.figures(notReady(this.#readinessFacts()));
    this.#log.info({ seconds: (nowMs() - beganMs) / 1000, deliveries, closed }, 'drained');
  }

  async #drainBus(): Promise<void> {
    const timer = setTimeout(() => void this.bus.close(), BUS_DRAIN_MS);
    await this.bus.drain();
    clearTimeout(timer);
  }

  /** Ends soon what a drain still waits for. */
  async hurry(): Promise<void> {
    this.gateway.drain.hurry();
    await this.bus.close();
  }

  /** Stops everything and leaves no handle behind. Figures can still be collected, and stay as they are. */
  async close(): Promise<void> {
    for (const stop of this.#stopAskingBus) stop();
    this.gateway.drain.terminate();
    await this.bus.close();
    // The last connections are counted a moment after their sockets have closed.
    await this.gateway.drain.done;
    this.gateway.stop();
    await Promise.all(this.#http.servers.map((server) => closeServer(server, LAST_ANSWERS_MS)));
    this.platform.stop();
  }
}

function nowMs(): number {
  return performance.now();
}

function createBus(settings: Settings, log: Log, instanceId: string): Bus {
  if (settings.natsUrl === undefined) return new MemoryBus();
  return new NatsBus({
    servers: settings.natsUrl,
    name: `tidegauge ${instanceId}`,
    credsFile: settings.natsCreds,
    token: settings.natsToken,
    user: settings.natsUser,
    password: settings.natsPassword,
    tlsCaFile: settings.natsTlsCa,
    log,
  });
}

function urlOf({ address, port, family }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
