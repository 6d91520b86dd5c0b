/**
 * A gateway is used in a way that is known to the last event, while a real Prometheus looks on: clients connect, messages
 * flow, clients leave in all manners, the broker dies and comes back, one client does not keep up, some are refused, and
 * in the end the gateway drains. A second one, with few clients, stands beside it. What has happened is known from the
 * clients' side alone, so it can be held against what the figures say.
 *
 * About 40 seconds. Where a control group can be made, the first gateway runs in it, so that its container has limits.
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import WebSocket from 'ws';
import type { CloseReason } from '../../src/gateway/close-codes.ts';
import { createTempFolder } from './child.ts';
import { createControlGroup } from './control-groups.ts';
import { type DrainableGateway, startDrainableGateway } from './drainable-gateway.ts';
import { NatsPublisher } from './nats-publisher.ts';
import { startNatsServer } from './nats-server.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';
import { scrapeText } from './series.ts';
import { until } from './until.ts';
import { clientFrame, connectRaw, handshake, upgradeRaw } from './ws-client.ts';

/** What was done to the first gateway. */
export const events = {
  opened: 1_000,
  /** 400 before the drain. */
  closed: {
    normal: 150,
    going_away: 100,
    client_error: 40,
    no_close_frame: 49,
    protocol_error: 20,
    message_too_big: 20,
    policy: 20,
    slow_consumer: 1,
    drain: 600,
  } satisfies Partial<Record<CloseReason, number>>,
  refused: { forbidden_origin: 15, unsupported_version: 10 },
  /** Published on NATS; the two gateways hear each of them, and the second one alone what comes after the drain. */
  messages: { small: 49_800, bulky: 200, afterDrain: 2_000 },
  busOutages: 1,
  /** Messages of clients that are no JSON. */
  malformed: 30,
} as const;

/** Of the connections, how many hear the small messages. */
const listeners = 10;
/** Clients of the second gateway. */
export const companions = 40;
const bulkyBytes = 65_536;
const messagesPerSecond = 4_000;
/** Between two events of a kind, so that graphs have slopes. */
const pauseMs = 25;
const groupMemoryBytes = 256 * 1024 * 1024;
const job = 'tidegauge';
/** For what another process does; generous, since the machine may be busy. */
const waiting = { timeoutMs: 60_000, everyMs: 100 };

export type RecordedRun = {
  prometheus: Prometheus;
  /** Unix seconds: before the first event, and the last scrape of the first gateway after the last one. */
  startSeconds: number;
  endSeconds: number;
  /** As Prometheus calls them. */
  instance: string;
  companion: string;
  /** Whether the first gateway had a container with limits; if not, why. */
  container: true | string;
  /** From the clients' side. */
  seen: {
    /** By each of those that heard the small messages. */
    smallMessages: number[];
    /** Clients of the first gateway that were told of the outage. */
    toldOfOutage: number;
  };
  stop(): Promise<void>;
};

type Client = { socket: WebSocket; smallMessages: number; gaps: number };

export async function recordRun(): Promise<RecordedRun> {
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return { ...(await record(undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function record(undo: (() => Promise<unknown> | unknown)[]): Promise<Omit<RecordedRun, 'stop'>> {
  const nats = await startNatsServer();
  undo.push(() => nats.stop());
  const group = createControlGroup(`tidegauge-recorded-${process.pid}`, {
    memoryLimitBytes: groupMemoryBytes,
    hasHalfACore: true,
  });
  if (typeof group !== 'string') undo.push(() => group.remove());
  const env = {
    NATS_URL: nats.url,
    TIDEGAUGE_SAMPLE_INTERVAL: '500ms',
    TIDEGAUGE_PING_INTERVAL: '3s',
    TIDEGAUGE_PONG_TIMEOUT: '60s',
    TIDEGAUGE_MAX_BUFFERED: '256KiB',
    TIDEGAUGE_ORIGINS: 'https://tide.example',
  };
  const [gateway, companion] = await Promise.all([
    startDrainableGateway(env, typeof group === 'string' ? undefined : group),
    startDrainableGateway(env),
  ]);
  undo.push(() => Promise.all([gateway.stop(), companion.stop()]));
  const rules = await fastRules();
  undo.push(rules.remove);
  const prometheus = await startPrometheus({
    scrapeTargets: [{ job, address: [gateway.address, companion.address] }],
    // Also the limit on one scrape, which has to last on a busy machine.
    scrapeInterval: '1s',
    extraConfig: { rule_files: [join(rules.path, '*.yaml')] },
  });
  undo.push(() => prometheus.stop());
  // Counters are to be seen at 0 before they rise.
  for (const { adminUrl, address } of [gateway, companion]) {
    await until('it is ready', async () => (await fetch(`${adminUrl}/readyz`)).ok);
    const look = (): Promise<boolean> =>
      hasValue(prometheus, `tidegauge_connection_opened_total{instance="${address}"}`, 0);
    await until('it has been scraped', look, waiting);
  }
  const startSeconds = Date.now() / 1000;

  const clients = await connectClients(gateway, events.opened - raw());
  const others = await connectClients(companion, companions);
  undo.push(() => {
    for (const { socket } of [...clients, ...others]) socket.terminate();
  });
  const listening = clients.slice(0, listeners);
  await subscribe(listening, 'public.tide.>');
  await subscribe(clients.slice(listeners), 'public.quiet');
  await subscribe(others, 'public.tide.north');
  const leaving = clients.slice(listeners);

  let publisher = await NatsPublisher.connect(nats.port);
  const half = events.messages.small / 2;
  await Promise.all([
    publishSmall(publisher, half, messagesPerSecond),
    leave(leaving, events.closed.normal, (socket) => socket.close(1000)),
    leave(leaving, events.closed.going_away, (socket) => socket.close(1001)),
  ]);
  publisher.end();

  await nats.kill();
  await saysMetrics(gateway, 'tidegauge_bus_state{tidegauge_bus_state="connected"} 0');
  await wait(2_000);
  await nats.restart();
  for (const each of [gateway, companion]) await saysMetrics(each, 'tidegauge_bus_gaps_total 1');

  // While no messages flow: who has just connected and does not subscribe would hear all of them.
  await Promise.all([
    misbehave(gateway),
    refuse(gateway, prometheus),
    leave(leaving, events.closed.client_error, (socket) => socket.close(4999)),
    talkNonsense(leaving.slice(-events.malformed)),
    leave(leaving, events.closed.message_too_big, (socket) => socket.send('x'.repeat(20_000))),
  ]);

  publisher = await NatsPublisher.connect(nats.port);
  undo.push(() => publisher.end());
  await beSlow(gateway, publisher);
  await publishSmall(publisher, half, messagesPerSecond);
  const isHeard = (): boolean =>
    listening.every(({ smallMessages }) => smallMessages >= events.messages.small);
  await until('everything has been heard', isHeard, waiting);
  // So that the figures are seen at rest before the drain.
  await saysMetrics(gateway, `tidegauge_connection_active ${events.closed.drain}`);
  const toldOfOutage = clients.filter(({ gaps }) => gaps > 0).length;
  await wait(2_000);
  await gateway.drain();
  const instance = gateway.address;
  const ended = Object.values(events.closed).reduce((sum, count) => sum + count, 0);
  const closed = `sum(tidegauge_connection_closed_total{instance="${instance}"})`;
  await until('Prometheus has seen the last close', () => hasValue(prometheus, closed, ended), waiting);
  // The other one carries on.
  await publisher.publish(
    'public.tide.north',
    events.messages.afterDrain,
    400,
    (number) => `{"n":${number}}`,
  );
  await wait(1_000);
  const [last] = await prometheus.query(`timestamp(tidegauge_connection_active{instance="${instance}"})`);
  return {
    prometheus,
    startSeconds,
    endSeconds: last!.value,
    instance,
    companion: companion.address,
    container: typeof group === 'string' ? group : true,
    seen: { smallMessages: listening.map(({ smallMessages }) => smallMessages), toldOfOutage },
  };
}

/** Connections that no WebSocket library would make. */
function raw(): number {
  const { no_close_frame, protocol_error, policy, slow_consumer } = events.closed;
  return no_close_frame + protocol_error + policy + slow_consumer;
}

/** The rules as they are, evaluated as often as it is scraped here, for a run is short. */
async function fastRules(): Promise<{ path: string; remove(): void }> {
  const folder = createTempFolder('rules');
  for (const name of ['tidegauge-recording.yaml', 'tidegauge-alerts.yaml']) {
    const text = await readFile(join(import.meta.dirname, '../../grafana/alerts', name), 'utf8');
    await writeFile(join(folder.path, name), text.replaceAll(/^(\s+interval:) .*$/gm, '$1 1s'));
  }
  return folder;
}

async function connectClients({ wsUrl }: DrainableGateway, count: number): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < count) {
    const batch = Array.from({ length: Math.min(25, count - clients.length) }, () => connectOne(wsUrl));
    clients.push(...(await Promise.all(batch)));
    await wait(3 * pauseMs);
  }
  return clients;
}

/** Keeps numbers only: there are half a million messages. */
async function connectOne(wsUrl: string): Promise<Client> {
  const socket = new WebSocket(wsUrl, { perMessageDeflate: false });
  const client: Client = { socket, smallMessages: 0, gaps: 0 };
  socket.on('message', (data: Buffer) => {
    if (data.toString('latin1', 0, 5) === '{"n":') client.smallMessages += 1;
    else if (data.toString('latin1', 0, 13) === '{"type":"gap"') client.gaps += 1;
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  return client;
}

async function subscribe(clients: Client[], channel: string): Promise<void> {
  const answered = clients.map(({ socket }) => once(socket, 'message'));
  for (const { socket } of clients) socket.send(JSON.stringify({ type: 'subscribe', channels: [channel] }));
  await Promise.all(answered);
}

function publishSmall(publisher: NatsPublisher, count: number, perSecond: number): Promise<void> {
  return publisher.publish('public.tide.south', count, perSecond, (number) => `{"n":${number},"height":1.5}`);
}

/** A few at a time, in the manner given, until so many have gone. */
async function leave(clients: Client[], count: number, end: (socket: WebSocket) => void): Promise<void> {
  for (let left = count; left > 0; ) {
    const batch = clients.splice(0, Math.min(5, left));
    const closed = batch.map(({ socket }) => once(socket, 'close'));
    for (const { socket } of batch) end(socket);
    await Promise.all(closed);
    left -= batch.length;
    await wait(3 * pauseMs);
  }
}

/** They are answered with an error, and stay. */
async function talkNonsense(clients: Client[]): Promise<void> {
  for (const { socket } of clients) {
    const answered = once(socket, 'message');
    socket.send('tide!');
    await answered;
    await wait(pauseMs);
  }
}

async function misbehave({ url }: DrainableGateway): Promise<void> {
  for (let count = 0; count < events.closed.no_close_frame; count += 1) {
    (await upgradeRaw(url)).resetAndDestroy();
    await wait(pauseMs);
  }
  for (let count = 0; count < events.closed.protocol_error; count += 1) {
    (await upgradeRaw(url)).write(clientFrame(0x3));
    await wait(pauseMs);
  }
  for (let count = 0; count < events.closed.policy; count += 1) {
    const socket = await upgradeRaw(url);
    socket.write(clientFrame(0x1, '', 0));
    for (let fragment = 0; fragment < 16; fragment += 1) socket.write(clientFrame(0x0, '', 0));
    await wait(pauseMs);
  }
}

async function refuse({ url, address }: DrainableGateway, prometheus: Prometheus): Promise<void> {
  const port = Number(new URL(url).port);
  const attempt = async (changes: Record<string, string>): Promise<void> => {
    const { socket, ended } = await connectRaw(url);
    socket.write(handshake(port, changes));
    await ended;
    await wait(pauseMs);
  };
  const forbidden = { origin: 'https://evil.example' };
  const unsupported = { 'sec-websocket-version': '12' };
  await attempt(forbidden);
  await attempt(unsupported);
  // A histogram has no series before its first event, so of what comes between two scrapes no rise would be seen.
  const seen = `count(tidegauge_handshake_duration_seconds_count{instance="${address}", error_type!=""})`;
  await until('Prometheus has seen both', () => hasValue(prometheus, seen, 2), waiting);
  for (let count = 1; count < events.refused.forbidden_origin; count += 1) await attempt(forbidden);
  for (let count = 1; count < events.refused.unsupported_version; count += 1) await attempt(unsupported);
}

/** Subscribes to what is bulky and reads nothing of it. */
async function beSlow(gateway: DrainableGateway, publisher: NatsPublisher): Promise<void> {
  const socket = await upgradeRaw(gateway.url);
  const answered = once(socket, 'data');
  socket.write(clientFrame(0x1, JSON.stringify({ type: 'subscribe', channels: ['public.bulk'] })));
  await answered;
  socket.pause();
  await publisher.publish('public.bulk', events.messages.bulky, 100, () => 'x'.repeat(bulkyBytes));
  await saysMetrics(gateway, /closed_total\{tidegauge_close_reason="slow_consumer".*\} 1$/m);
  socket.destroy();
}

/** Waits until a line of /metrics begins like this, or the text looks like this. */
async function saysMetrics(gateway: DrainableGateway, what: string | RegExp): Promise<void> {
  await until(
    `/metrics says ${what}`,
    async () => {
      const text = await scrapeText(gateway);
      return typeof what === 'string' ? text.includes(`\n${what}`) : what.test(text);
    },
    waiting,
  );
}

async function hasValue(prometheus: Prometheus, promql: string, expected: number): Promise<boolean> {
  const [found] = await prometheus.query(promql);
  return found?.value === expected;
}
