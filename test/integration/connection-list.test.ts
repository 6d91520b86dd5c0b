/** The connection list of a real gateway: what it tells of real clients, and its pages while they come and go. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { closeReasons } from '../../src/gateway/close-codes.ts';
import { startTestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient, upgradeRaw, type WsClient } from '../support/ws-client.ts';

const service = await startTestService({ TIDEGAUGE_PING_INTERVAL: '300ms', TIDEGAUGE_SLOW_POLICY: 'drop' });
after(() => service.stop());

type Row = Record<string, unknown> & { id: string };
type Listing = { summary: Record<string, number>; connections: Row[]; next: string | null };

async function ask<Answer>(path: string): Promise<Answer> {
  const answer = await fetch(service.url + path);
  assert.equal(answer.status, 200, path);
  return (await answer.json()) as Answer;
}

/** All rows, page by page, and what is to be done between two. */
async function walk(query: string, between: () => Promise<unknown> = async () => {}): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor = '';
  for (;;) {
    const { connections, next } = await ask<Listing>(`/connections?${query}${cursor}`);
    rows.push(...connections);
    if (next === null) return rows;
    cursor = `&cursor=${next}`;
    await between();
  }
}

test('a row is what the client at the other end knows of itself', async () => {
  const client = await connectClient(service.wsUrl, { headers: { 'user-agent': 'tests/1.0' } });
  client.send({ type: 'subscribe', channels: ['public.rows', 'public.more'] });
  await client.heard('subscribed');
  for (let count = 0; count < 3; count += 1)
    service.service.gateway.hub.publish('public.rows', Buffer.from('hello'));
  await until('all have come', () => client.messages.length === 5);
  await until(
    'a ping has been answered',
    async () => (await ask<Row>(`/connections/${client.id}`)).rtt_ms !== null,
  );
  const row = await ask<Row>(`/connections/${client.id}`);
  // The library keeps its socket to itself.
  const { port } = (client.socket as unknown as { _socket: { address(): AddressInfo } })._socket.address();
  const { rtt_ms, duration_sec, idle_sec, opened_at, ...rest } = row;
  assert.deepEqual(rest, {
    id: client.id,
    remote_addr: `127.0.0.1:${port}`,
    messages_sent: client.messages.length,
    messages_recv: client.sent.messages,
    bytes_sent: client.payloadBytes,
    bytes_recv: client.sent.bytes,
    state: 'open',
    user: null,
    subscriptions: 2,
    buffered_bytes: 0,
    dropped: 0,
    gaps: 0,
    user_agent: 'tests/1.0',
  });
  assert.ok((rtt_ms as number) > 0 && (rtt_ms as number) < 5_000, String(rtt_ms));
  const sinceOpen = Date.now() / 1000 - (opened_at as number);
  assert.ok((duration_sec as number) > 0 && Math.abs(sinceOpen - (duration_sec as number)) < 1);
  assert.ok((idle_sec as number) <= (duration_sec as number));
  const heard = await ask<Listing>('/connections?channel=public.more&fields=id');
  assert.deepEqual(heard.connections, [{ id: client.id }]);

  client.socket.close(1001);
  await client.closed;
  await until('it has ended', async () => (await ask<Row>(`/connections/${client.id}`)).state === 'closed');
  const ended = await ask<Row>(`/connections/${client.id}`);
  assert.deepEqual(
    [ended.close_code, ended.close_reason, ended.close_initiator, ended.buffered_at_close],
    [1001, 'going_away', 'client', 0],
  );
  assert.deepEqual(
    [ended.messages_sent, ended.bytes_sent, ended.bytes_recv, ended.subscriptions],
    [row.messages_sent, row.bytes_sent, row.bytes_recv, 2],
  );
  assert.equal((await fetch(`${service.url}/connections/${client.id}`, { method: 'DELETE' })).status, 404);
  assert.equal((await fetch(`${service.url}/connections/nobody`)).status, 404);
});

test('who is behind is found by what waits for it', async () => {
  const socket = await upgradeRaw(service.url);
  socket.pause();
  const well = await connectClient(service.wsUrl);
  const payload = Buffer.alloc(512 * 1024, 'x');
  await until('it misses some', async () => {
    service.service.gateway.hub.publish('public.much', payload);
    return (await ask<Listing>('/connections?sort=dropped&order=desc')).connections[0]!.dropped !== 0;
  });
  const { connections, summary } = await ask<Listing>('/connections?sort=buffered&order=desc');
  const [behind] = connections;
  assert.deepEqual([behind!.state, behind!.remote_addr], ['congested', `127.0.0.1:${socket.localPort}`]);
  assert.ok((behind!.buffered_bytes as number) > payload.length);
  assert.equal(summary.buffered_bytes, behind!.buffered_bytes);
  assert.equal(summary.congested, 1);
  assert.equal(connections.find(({ id }) => id === well.id)!.buffered_bytes, 0);
  socket.resetAndDestroy();
  await until('it has ended', async () => (await ask<Listing>('/connections')).summary.congested === 0);
  const [last] = (await ask<Listing>('/connections?reason=no_close_frame&limit=1')).connections;
  assert.equal(last!.id, behind!.id);
  assert.equal(last!.close_code, 1006);
  assert.ok((last!.buffered_at_close as number) > payload.length);
  assert.ok((last!.dropped as number) > (behind!.dropped as number), 'what waited was lost too');
  well.socket.close();
  await well.closed;
});

test('pages of real clients that come and go have each that stays once', async () => {
  const stay = await Promise.all(Array.from({ length: 25 }, () => connectClient(service.wsUrl)));
  const goers: WsClient[] = await Promise.all(Array.from({ length: 10 }, () => connectClient(service.wsUrl)));
  for (const sort of ['opened', 'id', 'idle', 'bytes_recv', 'rtt']) {
    const rows = await walk(`sort=${sort}&limit=7`, async () => {
      const goer = goers.shift();
      goer?.socket.close(1000);
      goers.push(await connectClient(service.wsUrl));
      for (const client of stay.slice(0, 9)) client.send({ type: 'heartbeat' });
    });
    const ids = rows.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, sort);
    const missing = stay.filter(({ id }) => !ids.includes(id));
    assert.deepEqual(missing, [], sort);
  }
  for (const { socket } of [...stay, ...goers]) socket.terminate();
  await until('all have gone', () => service.service.gateway.connections.size === 0);
});

test('the list, its sums and the counters agree', async () => {
  const { summary, connections } = await ask<
    Listing & { summary: { close_reasons: Record<string, number> } }
  >('/connections?state=all&limit=1000');
  const readings = await service.collect();
  assert.equal(summary.count, readings.value('tidegauge.connection.opened'));
  assert.equal(connections.length, summary.count);
  for (const reason of closeReasons) {
    const counted = readings
      .points('tidegauge.connection.closed')
      .find(({ attributes }) => attributes['tidegauge.close.reason'] === reason)!.value;
    assert.equal(summary.close_reasons[reason] ?? 0, counted, reason);
  }
  const sent = { 'network.io.direction': 'transmit' };
  assert.equal(summary.messages_sent, readings.value('tidegauge.messages', sent));
  assert.equal(
    summary.bytes_sent,
    readings.value('tidegauge.io', { ...sent, 'tidegauge.io.layer': 'payload' }),
  );
  assert.equal(summary.dropped, readings.sum('tidegauge.deliveries.dropped'));
  assert.equal(summary.gaps, readings.sum('tidegauge.gaps'));
});
