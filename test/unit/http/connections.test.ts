/** The connection list over HTTP: what a query means, what an answer has, and what is refused. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { ConnectionQuery } from '../../../src/reports/connections.ts';
import { bareQuery, closedRow, emptySummary, pageOf, rowWith } from '../../support/connection-rows.ts';
import { type HttpApp, startHttpApp } from '../../support/http-app.ts';

const apps: HttpApp[] = [];
after(() => Promise.all(apps.map((app) => app.close())));
async function start(given?: Parameters<typeof startHttpApp>[0]): Promise<HttpApp> {
  const app = await startHttpApp(given);
  apps.push(app);
  return app;
}

/** An app that notes what is asked of the list. */
async function startNoting() {
  const queries: ConnectionQuery[] = [];
  const closed: unknown[][] = [];
  const app = await start({
    connections: {
      page(query) {
        queries.push(query);
        return pageOf([rowWith()]);
      },
      list(query) {
        queries.push(query);
        return { ...pageOf([rowWith(), closedRow], 'more'), summary: { ...emptySummary, count: 7 } };
      },
      find: (id) => (id === 'client_2' ? closedRow : undefined),
      close(...given) {
        closed.push(given);
        return given[0] === 'client_1';
      },
    },
    dependencies: { unixMs: () => 1_703_123_456_789 },
  });
  return { app, queries, closed };
}

const row = {
  id: 'client_1',
  remote_addr: '127.0.0.1:50000',
  duration_sec: 3,
  messages_sent: 2,
  messages_recv: 1,
  bytes_sent: 200,
  bytes_recv: 10,
  idle_sec: 1,
  state: 'open',
  opened_at: 1_703_123_456.25,
  user: null,
  subscriptions: 4,
  rtt_ms: 1.5,
  buffered_bytes: 300,
  dropped: 5,
  gaps: 6,
  user_agent: 'a client/1.0',
};
const ended = {
  ...row,
  id: 'client_2',
  state: 'closed',
  buffered_bytes: 0,
  closed_at: 1_703_123_459.25,
  close_code: 4408,
  close_reason: 'slow_consumer',
  close_initiator: 'server',
  buffered_at_close: 1_048_000,
};

test('the list has a time, sums, rows and a cursor, and one connection is a row', async () => {
  const { app } = await startNoting();
  assert.deepEqual(await (await app.get('/connections')).json(), {
    timestamp: 1_703_123_456,
    summary: {
      count: 7,
      open: 0,
      congested: 0,
      closing: 0,
      closed: 0,
      messages_sent: 0,
      messages_recv: 0,
      bytes_sent: 0,
      bytes_recv: 0,
      buffered_bytes: 0,
      dropped: 0,
      gaps: 0,
      subscriptions: 0,
      close_reasons: {},
    },
    connections: [row, ended],
    next: 'more',
  });
  assert.deepEqual(await (await app.get('/connections/client_2')).json(), ended);
  const one = await app.get('/connections/client_2?fields=close_code,id');
  assert.deepEqual(await one.json(), { id: 'client_2', close_code: 4408 });
  const head = await app.get('/connections/client_2', { method: 'HEAD' });
  assert.deepEqual(
    [head.status, head.headers.get('content-length')],
    [200, String(JSON.stringify(ended).length)],
  );
  assert.equal((await app.get('/connections/client_1', { method: 'HEAD' })).status, 404);
  const some = (await (await app.get('/connections?fields=rtt_ms,id,closed_at')).json()) as {
    connections: unknown;
  };
  assert.deepEqual(some.connections, [
    { id: 'client_1', rtt_ms: 1.5 },
    { id: 'client_2', rtt_ms: 1.5, closed_at: ended.closed_at },
  ]);
  assert.deepEqual(
    ((await (await (await start()).get('/connections?limit=5')).json()) as { next: unknown }).next,
    null,
  );
});

test('each parameter says what it is of the query, in the list and in the report', async () => {
  const { app, queries } = await startNoting();
  const asked: [query: string, means: Partial<ConnectionQuery>][] = [
    ['', {}],
    ['limit=1000', { limit: 1_000 }],
    ['summary=1', { limit: 0 }],
    ['sort=buffered&order=desc', { sort: 'buffered', order: 'desc' }],
    ['sort=idle', { sort: 'idle', order: 'asc' }],
    ['state=all', { state: 'all' }],
    // What ended last is asked for mostly.
    ['state=closed', { state: 'closed', sort: 'closed', order: 'desc' }],
    ['state=closed&order=asc', { state: 'closed', sort: 'closed', order: 'asc' }],
    ['state=closed&sort=opened', { state: 'closed', sort: 'opened', order: 'asc' }],
    ['reason=ping_timeout', { state: 'closed', sort: 'closed', order: 'desc', reason: 'ping_timeout' }],
    ['state=all&reason=admin', { state: 'all', reason: 'admin' }],
    ['cursor=WyJh', { cursor: 'WyJh' }],
    ['ip=2001:db8::7', { ip: '2001:db8::7' }],
    ['ip=fe80::1%25eth0', { ip: 'fe80::1%eth0' }],
    ['user=me', { user: 'me' }],
    ['channel=odin.trades.*', { channel: 'odin.trades.*' }],
    ['min_idle=90', { minIdleSeconds: 90 }],
    ['min_idle=1.5m', { minIdleSeconds: 90 }],
    ['fields=id', {}],
  ];
  for (const [query, means] of asked) {
    for (const path of ['/connections', '/metrics/enhanced']) {
      assert.equal((await app.get(`${path}?${query}`)).status, 200, `${path}?${query}`);
      assert.deepEqual(queries.pop(), { ...bareQuery, ...means }, `${path}?${query}`);
    }
  }
});

test('the report has the eight fields that there always were, unless others are asked for', async () => {
  const { app } = await startNoting();
  const rows = async (query: string) => {
    const answer = await app.get(`/metrics/enhanced${query}`);
    return ((await answer.json()) as { connections: { connections: object[] } }).connections.connections;
  };
  const legacy = Object.entries(row).slice(0, 8);
  assert.deepEqual(await rows(''), [Object.fromEntries(legacy)]);
  assert.deepEqual(await rows('?fields=buffered_bytes'), [{ buffered_bytes: 300 }]);
});

test('a value that is none is a 400 that names the parameter, the value and what it may be', async () => {
  const { app } = await startNoting();
  const faults: [query: string, remedy: RegExp][] = [
    ['state=opened', /"state" cannot be "opened"; it must be one of open, closed, all\./],
    ['sort=size', /"sort" .* one of id, opened, duration,/],
    ['order=up', /"order" .* one of asc, desc\./],
    ['limit=1001', /"limit" .* from 1 to 1000\./],
    ['cursor=%00', /"cursor" .* the `next` of an answer to the same query\./],
    ['ip=elsewhere', /"ip" .* an IP address\./],
    ['ip=1.2.3', /"ip" .* an IP address\./],
    ['ip=beef', /"ip" .* an IP address\./],
    ['state=closed&channel=a', /"channel" cannot be "a"; .* ask for state=open\./],
    ['reason=normal&channel=a', /"channel" cannot be "a"; .* ask for state=open\./],
    ['summary=1&cursor=abc', /"cursor" cannot be "abc"; .* leave out cursor, or summary\./],
    ['user=', /"user" .* a name\./],
    ['channel=a..b', /"channel" .* a NATS subject or pattern\./],
    ['min_idle=-1', /"min_idle" .* seconds, or a duration such as 90s or 5m\./],
    ['reason=boredom', /"reason" .* one of normal, going_away,/],
    ['state=open&reason=normal', /"reason" cannot be "normal"; .* leave out state=open\./],
    ['fields=id,size', /"fields" .* one or more of id, remote_addr,/],
    ['fields=', /"fields"/],
    ['summary=yes', /"summary" .* 1 or 0\./],
    ['page=2', /"page" is not known; this path takes state, sort, order, limit, cursor, ip,/],
  ];
  for (const [query, remedy] of faults) {
    for (const path of ['/connections', '/metrics/enhanced']) {
      const answer = await app.get(`${path}?${query}`);
      const { error } = (await answer.json()) as { error: { message: string } };
      assert.equal(answer.status, 400, query);
      assert.match(error.message, remedy);
    }
  }
});

test('a cursor of another query is a 400, and one of a listing that is kept no longer a 410', async () => {
  for (const [refusal, status, code] of [
    ['foreign cursor', 400, 'bad_parameter'],
    ['expired cursor', 410, 'cursor_expired'],
  ] as const) {
    const app = await start({ connections: { page: () => refusal, list: () => refusal } });
    for (const path of ['/connections', '/metrics/enhanced']) {
      const answer = await app.get(`${path}?cursor=abc`);
      assert.equal(answer.status, status);
      assert.equal(((await answer.json()) as { error: { code: string } }).error.code, code);
    }
  }
});

test('DELETE closes with the code and the text that are asked for', async () => {
  const { app, closed } = await startNoting();
  const ask = async (query: string, id = 'client_1') =>
    (await app.get(`/connections/${id}${query}`, { method: 'DELETE' })).status;
  for (const query of [
    '',
    '?code=1000',
    '?code=4999',
    '?code=1013&reason=too%20much',
    `?reason=${'%C3%A9'.repeat(61)}`,
  ])
    assert.equal(await ask(query), 202, query);
  assert.deepEqual(closed, [
    ['client_1', undefined, undefined],
    ['client_1', 1000, undefined],
    ['client_1', 4999, undefined],
    ['client_1', 1013, 'too much'],
    ['client_1', undefined, 'é'.repeat(61)],
  ]);
  assert.equal(await ask('', 'client_2'), 404);
  const bad = ['999', '1004', '1005', '1006', '1010', '1014', '1015', '2000', '5000', 'x', ''].map(
    (code) => `?code=${code}`,
  );
  for (const query of [...bad, '?reason=', `?reason=${'%C3%A9'.repeat(62)}`, '?why=1'])
    assert.equal(await ask(query), 400, query);
  assert.equal(closed.length, 6);
});

test('closing is an action, and reading a report', async () => {
  const { app, closed } = await startNoting();
  const from = (origin: string) => ({ method: 'DELETE', headers: { origin } });
  assert.equal((await app.get('/connections/client_1', from('https://evil.example'))).status, 403);
  assert.deepEqual(closed, []);
  assert.equal((await app.get('/connections/client_1', from('http://localhost:5173'))).status, 202);
  const preflight = await app.get('/connections/client_1', {
    method: 'OPTIONS',
    headers: { origin: 'http://localhost:5173', 'access-control-request-method': 'DELETE' },
  });
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'DELETE, GET, HEAD, OPTIONS');
  const guarded = await start({ settings: { adminToken: 'a-token-of-some-length' } });
  for (const [path, method] of [
    ['/connections', 'GET'],
    ['/connections/client_1', 'GET'],
    ['/connections/client_1', 'DELETE'],
  ] as const) {
    assert.equal((await guarded.get(path, { method })).status, 401);
    const headers = { authorization: 'Bearer a-token-of-some-length' };
    assert.ok((await guarded.get(path, { method, headers })).ok, path);
  }
  const silent = await start({ settings: { remoteAddr: 'off' } });
  assert.match(
    await (await silent.get('/connections?ip=::1')).text(),
    /not shown here; see TIDEGAUGE_REMOTE_ADDR/,
  );
  const clients = await start({ role: 'clients', settings: { publicReports: true } });
  const open = await (await clients.get('/metrics/enhanced?limit=2')).json();
  assert.partialDeepStrictEqual(open, {
    connections: { connections_truncated: true, connections_next: null },
  });
  assert.equal((await clients.get('/metrics/enhanced?limit=2&summary=1')).status, 200);
  const costly = await clients.get('/metrics/enhanced?sort=idle');
  assert.match(await costly.text(), /"sort\\" is not known; this path takes limit, summary/);
  assert.equal((await clients.get('/connections')).status, 404, 'not on the port for clients');
});
