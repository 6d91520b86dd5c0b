/** A gateway on an injected clock, with recorders that keep what they are told. */
import { MESSAGE_BYTES, PLACE_BYTES } from '../../src/gateway/backlog.ts';
import { encodeFrame } from '../../src/gateway/frame.ts';
import { Gateway, type GatewaySettings, type Remote } from '../../src/gateway/gateway.ts';
import type { GatewayRecorder } from '../../src/gateway/recorder.ts';
import type { GatewayFigures } from '../../src/telemetry/figures.ts';
import { FakeClient } from './fake-client.ts';

export type Recorded = { [Name in keyof GatewayRecorder]: Parameters<GatewayRecorder[Name]>[] };

export type TestGateway = {
  gateway: Gateway;
  recorded: Recorded;
  /** Channels that somebody listens to now. */
  wanted: Set<string>;
  /** What the bus says of the subscriptions: by default that all are in force. */
  bus: { answered: Promise<void> | undefined; refused: Set<string> };
  clock: { nowMs: number; pass(ms: number): void };
  /** Milliseconds of the pauses that were asked for. */
  pauses: number[];
  /** What runs again and again until it is stopped: a drain's ticks. */
  timers: Set<() => void>;
  /** Ends this turn of the event loop, and a pause. */
  turn(): void;
  /** Nothing is to be run at the end of this turn. */
  isIdle(): boolean;
  connect(room?: number, remote?: Partial<Remote>): FakeClient;
  figures(): GatewayFigures;
};

/** The bound under which so many messages may wait, each for one audience. */
export function roomFor(messages: number, payloadBytes: number): number {
  return messages * (encodeFrame(Buffer.alloc(payloadBytes)).bytes.length + MESSAGE_BYTES + PLACE_BYTES);
}

/** Passes the time in sweeps as often as they come, so that none of it counts as a stall of ours; `each` runs before each. */
export function sweepFor({ gateway, clock }: TestGateway, ms: number, each?: () => void): void {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.pass(250);
    each?.();
    gateway.sweep();
  }
}

export function createTestGateway(
  overrides: Partial<GatewaySettings> = {},
  random: () => number = () => 0,
): TestGateway {
  const clock = {
    nowMs: 1_000,
    pass: (ms: number): void => {
      clock.nowMs += ms;
    },
  };
  const recorded: Recorded = {
    handshake: [],
    connectionClosed: [],
    messageSize: [],
    fanoutDuration: [],
    fanoutRecipients: [],
    fanoutBatch: [],
    pingRoundTrip: [],
  };
  const recorder = Object.fromEntries(
    Object.entries(recorded).map(([name, calls]) => [
      name,
      (...call: never[]) => void (calls as unknown[]).push(call),
    ]),
  ) as unknown as GatewayRecorder;
  const wanted = new Set<string>();
  const bus: TestGateway['bus'] = { answered: undefined, refused: new Set() };
  const soon: (() => void)[] = [];
  const pauses: number[] = [];
  const timers = new Set<() => void>();
  let nonces = 0;
  const gateway = new Gateway(
    {
      host: '127.0.0.1',
      origins: undefined,
      capabilities: ['test'],
      defaultChannels: ['public.>'],
      allowedChannels: ['public.>', 'private.*'],
      subscriptionsMax: 4,
      messageSizeMax: 16_384,
      slowPolicy: 'disconnect',
      bufferedMax: 2_048,
      bufferedAgeMaxMs: 10_000,
      pingIntervalMs: 25_000,
      pongTimeoutMs: 10_000,
      idleMaxMs: 0,
      ageMaxMs: 0,
      remoteAddr: 'full',
      trustedProxies: undefined,
      connectionsPerAddressMax: 0,
      receiveRate: 50,
      receiveBurst: 100,
      badMessagesMax: 10,
      flushSliceMs: 8,
      flushPacing: 0.5,
      pendingMax: 2 ** 20,
      fanoutLagMaxMs: 1_000,
      connectionLimit: 1_000,
      drainDelayMs: 0,
      drainWindowMs: 0,
      ...overrides,
    },
    {
      recorder,
      nowMs: () => clock.nowMs,
      unixMs: () => 1_700_000_000_000 + clock.nowMs,
      random,
      nonce: () => {
        nonces += 1;
        return String(nonces);
      },
      soon: (run) => void soon.push(run),
      later: (run, ms) => {
        pauses.push(ms);
        soon.push(run);
      },
      every: (run) => {
        timers.add(run);
        return () => void timers.delete(run);
      },
      channelWanted: (pattern) => void wanted.add(pattern),
      channelUnwanted: (pattern) => void wanted.delete(pattern),
      isOverloaded: () => false,
      inForce: () => bus.answered,
      isRefused: (channel) => bus.refused.has(channel),
    },
  );
  return {
    gateway,
    recorded,
    wanted,
    bus,
    pauses,
    timers,
    clock,
    turn: () => {
      for (const run of soon.splice(0)) run();
    },
    isIdle: () => soon.length === 0,
    connect: (room = Number.POSITIVE_INFINITY, remote = {}) => {
      const client = new FakeClient();
      client.room = room;
      gateway.ledger.handshakes.begun += 1;
      gateway.ledger.handshakes.active += 1;
      const connection = gateway.open(
        client,
        client,
        { address: '192.0.2.7', port: 1234, ...remote },
        clock.nowMs,
      );
      client.attach(connection, gateway.clientEvents);
      return client;
    },
    figures: () => gateway.figures({ starting: false, draining: false, bus: false, capacity: false }),
  };
}
