/**
 * A little of everything that clients do to a gateway, so that every instrument has something to show: messages
 * both ways, deliveries, errors, refusals, several ends, requests that fail. About a second. The gateway must ping
 * often (`TIDEGAUGE_PING_INTERVAL`), or there is a long wait for the first round trip.
 */
import { request } from 'node:http';
import { instruments } from '../../src/telemetry/catalogue.ts';
import { seriesName } from '../../src/telemetry/metric-names.ts';
import { scrapeText } from './series.ts';
import { until } from './until.ts';
import { clientFrame, connectClient, connectRaw, handshake, upgradeRaw, type WsClient } from './ws-client.ts';

export type Target = { url: string; adminUrl: string; wsUrl: string };

/** For the gateway that is exercised. */
export const exerciseEnv = { TIDEGAUGE_PING_INTERVAL: '200ms', TIDEGAUGE_PONG_TIMEOUT: '10s' };

/** Clients that come and go in the course of it; each hears its welcome and nothing else. */
export const passersBy = 6;

/** How long the first measurement of the bus's round trip may keep us waiting. */
const roundTripWaitMs = 25_000;

/** Answers with the clients that stay: one hears everything, one `public.tide.*`, one nothing of it. */
export async function exercise(target: Target): Promise<WsClient[]> {
  const { url, wsUrl } = target;
  const clients = await Promise.all([connectClient(wsUrl), connectClient(wsUrl), connectClient(wsUrl)]);
  const [, narrow, deaf] = clients as [WsClient, WsClient, WsClient];
  narrow.send({ type: 'subscribe', channels: ['public.tide.*'] });
  deaf.send({ type: 'subscribe', channels: ['public.nobody'] });
  await Promise.all([narrow.heard('subscribed'), deaf.heard('subscribed')]);
  for (const client of clients) client.send({ type: 'ping', timestamp: 1 });
  deaf.send('not json');
  await publish(target, 10);
  for (const code of [1000, 1001, 4999]) (await connectClient(wsUrl)).socket.close(code);
  (await upgradeRaw(url)).resetAndDestroy();
  (await upgradeRaw(url)).write(clientFrame(0x3));
  (await connectClient(wsUrl)).send('x'.repeat(20_000));
  await refuse(target, { origin: 'https://evil.example' });
  await refuse(target, { 'sec-websocket-version': '12' });
  await refuse(target, {}, '/elsewhere');
  await fetch(`${target.adminUrl}/nothing-here`).then((answer) => answer.arrayBuffer());
  await abandonRequest(target);
  await settled(target, clients.length);
  return clients;
}

/** Every histogram has a first value then: the last of them is the round trip to the bus. */
export async function allSeriesExist(target: Target): Promise<void> {
  const names = instruments
    .filter(({ kind }) => kind === 'histogram')
    .map(({ name, unit }) => `${seriesName(name, unit, 'histogram')}_count`);
  await until(
    'every histogram has a value',
    async () => {
      const text = await scrapeText(target);
      return names.every((name) => text.includes(`\n${name}`));
    },
    { timeoutMs: roundTripWaitMs, everyMs: 250 },
  );
}

let published = 0;

/** Publishes numbered messages, on `public.tide.in` and `public.other` in turn; no two have the same payload. */
export async function publish({ adminUrl }: Pick<Target, 'adminUrl'>, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 1) {
    published += 1;
    const subject = sent % 2 === 0 ? 'public.tide.in' : 'public.other';
    const answer = await fetch(`${adminUrl}/publish/${subject}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"n":${published}}`,
    });
    if (answer.status !== 202) throw new Error(`publish answered ${answer.status}`);
    await answer.arrayBuffer();
  }
}

/** How many published messages it has received: the gateway's own are not among them. */
export function deliveriesTo(client: WsClient): number {
  return client.messages.filter((text) => text.startsWith('{"n":')).length;
}

/** Resolves when the others have gone and the flush is done: from then on counters of clients stand still. */
async function settled(target: Target, connections: number): Promise<void> {
  await until('only those who stay are left', async () => {
    const text = await scrapeText(target);
    const value = (name: string): number => Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
    return (
      value('tidegauge_connection_active') === connections &&
      value('tidegauge_flush_pending') === 0 &&
      value('tidegauge_deliveries_queued') === 0 &&
      value('tidegauge_ping_duration_seconds_count') > 0
    );
  });
}

async function refuse({ url }: Target, headers: Record<string, string>, path?: string): Promise<void> {
  const { socket, ended } = await connectRaw(url);
  socket.write(handshake(Number(new URL(url).port), headers, path));
  await ended;
}

/** The caller goes away before the body is whole. */
async function abandonRequest({ adminUrl }: Target): Promise<void> {
  const abandoned = request(`${adminUrl}/publish/public.tide`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': '1000' },
  });
  abandoned.on('error', () => {});
  const closed = new Promise((resolve) => abandoned.once('close', resolve));
  await new Promise((resolve) => abandoned.write('only this', resolve));
  abandoned.destroy();
  await closed;
}
