/** Promise G1: nats-server is killed and restarted twenty times under load, and clients stay, told of each outage once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { startGateway } from '../support/gateway-process.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { connectClient, type WsClient } from '../support/ws-client.ts';

const OUTAGES = 20;
const CLIENTS = 30;
const subjects = ['public.a', 'public.b', 'private.x', 'private.y'];
/** By default, and by channels that change into each other upstream. */
const channelSets = [[], ['public.*', 'private.x'], ['private.>']];
const gap = '{"type":"gap","reason":"bus","dropped":null}';

/** What one client hears. Messages are `subject number`, counted up: between two words of a gap there is no hole. */
class Listener {
  readonly client: WsClient;
  gaps = 0;
  lost = 0;
  twice = 0;
  heard = 0;
  readonly #last = new Map<string, number>();
  readonly #sinceGap = new Set<string>();

  constructor(client: WsClient) {
    this.client = client;
    client.socket.on('message', (data) => this.#hear(String(data)));
  }

  #hear(text: string): void {
    if (text === gap) {
      this.gaps += 1;
      this.#sinceGap.clear();
    }
    if (text.startsWith('{')) return;
    const [subject = '', number] = text.split(' ');
    const before = this.#last.get(subject);
    this.heard += 1;
    if (before !== undefined && Number(number) <= before) this.twice += 1;
    else if (before !== undefined && this.#sinceGap.has(subject)) this.lost += Number(number) - before - 1;
    this.#sinceGap.add(subject);
    this.#last.set(subject, Number(number));
  }
}

test(`${OUTAGES} outages under load: nobody is cut, nothing is lost in silence, nothing is heard twice`, {
  skip: await skipWithout('nats-server'),
}, async () => {
  const nats = await startNatsServer();
  const gateway = await startGateway({
    NATS_URL: nats.url,
    TIDEGAUGE_ALLOWED_CHANNELS: 'public.>,private.>',
  });
  const reconnects = { reconnectTimeWait: 20, reconnectJitter: 10, maxReconnectAttempts: -1 };
  const publisher = await connect({ servers: nats.url, ...reconnects });
  const listeners: Listener[] = [];
  let isPublishing = true;
  const publish = async (): Promise<void> => {
    for (let number = 1; isPublishing; number += 1) {
      for (const subject of subjects) publisher.publish(subject, `${subject} ${number}`);
      await wait(5);
    }
  };
  let publishing: Promise<void> | undefined;
  try {
    await gateway.ready();
    for (let index = 0; index < CLIENTS; index += 1) {
      const client = await connectClient(gateway.wsUrl);
      const channels = channelSets[index % channelSets.length]!;
      if (channels.length > 0) client.send({ type: 'subscribe', channels });
      listeners.push(new Listener(client));
    }
    publishing = publish();
    for (let outage = 1; outage <= OUTAGES; outage += 1) {
      // The first come while overlapping subscriptions are exchanged, which takes some seconds.
      await wait(50 * outage);
      await nats.kill();
      await nats.restart();
      const areTold = (): boolean => listeners.every(({ gaps }) => gaps >= outage);
      await until(`all are told of outage ${outage}`, areTold, { timeoutMs: 30_000 });
    }
    isPublishing = false;
    await publishing;
    await publisher.flush();
    await wait(500);
    for (const { gaps, lost, twice, heard, client } of listeners) {
      assert.deepEqual({ gaps, lost, twice }, { gaps: OUTAGES, lost: 0, twice: 0 });
      assert.ok(heard > 0 && client.socket.readyState === 1);
    }
  } finally {
    isPublishing = false;
    await publishing;
    for (const { client } of listeners) client.socket.terminate();
    await publisher.close();
    await gateway.stop();
    await nats.stop();
  }
});
