/** What is served where, and how: over a real server, with real requests. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import type { AppRole } from '../../../src/http/app.ts';
import type { ReadyReason } from '../../../src/readiness.ts';
import { pageOf } from '../../support/connection-rows.ts';
import { type HttpApp, parseAnswer, rawRequest, startHttpApp } from '../../support/http-app.ts';
import { readingsOf, withOneOf } from '../../support/readings.ts';
import { shapeFaults } from '../../support/shape.ts';

const apps: HttpApp[] = [];
after(() => Promise.all(apps.map((app) => app.close())));
async function start(given?: Parameters<typeof startHttpApp>[0]): Promise<HttpApp> {
  const app = await startHttpApp(given);
  apps.push(app);
  return app;
}
const app = await start();

const openPaths = ['/livez', '/readyz', '/health', '/', '/console/page.js', '/console/page.css'];
const publicPaths = ['/stats', '/metrics/enhanced', '/metrics/system'];
const reportPaths = [...publicPaths, '/metrics', '/connections', '/connections/client_1'];
const jsonPaths = ['/livez', '/readyz', '/health', ...publicPaths, '/connections', '/connections/client_1'];
const publish = { method: 'POST', body: 'x' };

test('the JSON documents are served with type, no caching and no guessing', async () => {
  for (const path of jsonPaths) {
    const response = await app.get(path);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('vary'), 'Origin');
    assert.equal(typeof (await response.json()), 'object');
  }
});

test('each answer has a date, and not the one for which Node wakes the process at the next full second', async () => {
  const faults = ['/nothing-there', '/publish/public.x', '/stats?verbose=1'];
  for (const path of [...openPaths, ...reportPaths, ...faults]) {
    const startMs = Math.floor(Date.now() / 1000) * 1000;
    const { head } = parseAnswer(await app.raw(rawRequest(`GET ${path}`)));
    const dates = head.split('\r\n').filter((line) => /^date:/i.test(line));
    assert.deepEqual(
      dates.map((line) => line.slice(0, 6)),
      ['date: '],
      path,
    );
    const ms = Date.parse(dates[0]!.slice(6));
    assert.ok(ms >= startMs && ms <= Date.now(), `${path}: ${dates[0]}`);
  }
});

test('the reports have the keys of the examples', async () => {
  const names = {
    '/stats': 'stats',
    '/metrics/enhanced': 'enhanced',
    '/metrics/system': 'system',
    '/health': 'health',
  };
  for (const [path, name] of Object.entries(names)) {
    const file = new URL(`../../catalogue/contract/${name}.json`, import.meta.url);
    const example: unknown = JSON.parse(readFileSync(file, 'utf8'));
    assert.deepEqual(shapeFaults(example, await (await app.get(path)).json()), [], path);
  }
});

test('a query parameter that a path does not know is a 400 that names it, on every path that answers in JSON', async () => {
  const asked: [path: string, init?: RequestInit][] = [
    ...[...jsonPaths, '/metrics'].map((path): [string] => [path]),
    ['/publish/public.x', publish],
    ['/drain', { method: 'POST' }],
  ];
  for (const [path, init] of asked) {
    const response = await app.get(`${path}?verbose=1`, init);
    assert.equal(response.status, 400, path);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, 'unknown_parameter', path);
    assert.match(error.message, /"verbose"/, path);
  }
});

test('the page of connections follows limit and summary', async () => {
  const page = async (query: string) => {
    const response = await app.get(`/metrics/enhanced${query}`);
    const { connections } = (await response.json()) as { connections: Record<string, unknown> };
    return [(connections.connections as unknown[]).length, connections.connections_truncated];
  };
  assert.deepEqual(await page(''), [3, false]);
  assert.deepEqual(await page('?limit=2'), [2, true]);
  assert.deepEqual(await page('?limit=3&summary=0'), [3, false]);
  assert.deepEqual(await page('?summary=1'), [0, true]);
  assert.deepEqual(await page('?summary=1&limit=2'), [0, true]);
});

test('rows and collection are taken in the same tick', async () => {
  const ticks: number[] = [];
  let tick = 0;
  const counter = setInterval(() => {
    tick += 1;
  }, 1);
  const witness = await start({
    dependencies: {
      collect: () => {
        ticks.push(tick);
        // A microtask in between would show too: it would run before the next statement of the caller.
        queueMicrotask(() => ticks.push(-1));
        return Promise.resolve(readingsOf({}));
      },
    },
    connections: {
      page: () => {
        ticks.push(tick);
        queueMicrotask(() => ticks.push(-1));
        return pageOf([]);
      },
    },
  });
  await witness.get('/metrics/enhanced');
  clearInterval(counter);
  assert.equal(ticks.length, 4);
  assert.equal(ticks[0], ticks[1]);
  assert.deepEqual(ticks.slice(2), [-1, -1]);
});

test('readyz gives the reasons with 503', async () => {
  let reasons: ReadyReason[] = [];
  const probed = await start({ dependencies: { readiness: () => reasons } });
  const ready = await probed.get('/readyz');
  assert.deepEqual([ready.status, await ready.json()], [200, { status: 'ready', reasons: [] }]);
  reasons = ['starting', 'capacity'];
  const notReady = await probed.get('/readyz');
  assert.deepEqual([notReady.status, await notReady.json()], [503, { status: 'not_ready', reasons }]);
});

test('the probes answer while no collection can be had', async () => {
  const broken = await start({ dependencies: { collect: () => Promise.reject(new Error('no collection')) } });
  assert.equal((await broken.get('/livez')).status, 200);
  assert.equal((await broken.get('/readyz')).status, 200);
  assert.equal((await broken.get('/health')).status, 500);
});

test('health is 200 while the bus is away within its grace, and 503 when not ready', async () => {
  let literal = withOneOf('tidegauge.bus.state', 'tidegauge.bus.state', 'reconnecting');
  const probed = await start({ dependencies: { collect: async () => readingsOf(literal) } });
  const degraded = await probed.get('/health');
  assert.equal(degraded.status, 200);
  assert.equal(((await degraded.json()) as { status: string }).status, 'degraded');
  literal = withOneOf('tidegauge.ready', 'tidegauge.ready.reason', 'bus');
  const unhealthy = await probed.get('/health');
  assert.equal(unhealthy.status, 503);
  assert.deepEqual(((await unhealthy.json()) as { reasons: string[] }).reasons, ['bus']);
});

test('the scrape is handed the Accept header, and its type is passed on', async () => {
  const text = await app.get('/metrics');
  assert.equal(text.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(await text.text(), '# TYPE up gauge\nup 1\n');
  const open = await app.get('/metrics', {
    headers: { accept: 'application/openmetrics-text;version=1.0.0' },
  });
  assert.match(open.headers.get('content-type')!, /^application\/openmetrics-text/);
  assert.equal(open.headers.get('vary'), 'Origin, Accept');
});

test('HEAD has the head of GET and no body, on every path that answers GET', async () => {
  for (const path of [...openPaths, ...reportPaths]) {
    const get = await app.get(path);
    const head = await app.get(path, { method: 'HEAD' });
    assert.equal(head.status, get.status, path);
    const length = Buffer.byteLength(await get.text());
    assert.equal(head.headers.get('content-length'), String(length), path);
    assert.equal(head.headers.get('content-type'), get.headers.get('content-type'));
    assert.equal(await head.text(), '');
  }
  assert.equal((await app.get('/nothing', { method: 'HEAD' })).status, 404);
});

test('an upgrade path asked as a page answers 426 and says what to do', async () => {
  const { status, head, body } = parseAnswer(await app.raw(rawRequest('GET /ws')));
  assert.equal(status, 426);
  assert.match(head, /^upgrade: websocket$/im);
  assert.equal(JSON.parse(body).error.code, 'upgrade_required');
  // With no gateway behind this server, a real handshake is an ordinary request too.
  const handshake = rawRequest('GET /ws', { connection: 'close, upgrade', upgrade: 'websocket' });
  assert.equal(parseAnswer(await app.raw(handshake)).status, 426);
});

test('an offer of another protocol is ignored, also beside a listener for upgrades', async () => {
  const upgraded: string[] = [];
  const withGateway = await start();
  withGateway.server.on('upgrade', (request, socket) => {
    upgraded.push(request.url!);
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
  });
  const offer = rawRequest('GET /livez', { connection: 'close, upgrade', upgrade: 'h2c' });
  assert.equal(parseAnswer(await withGateway.raw(offer)).status, 200);
  const handshake = rawRequest('GET /ws', { connection: 'upgrade', upgrade: 'WebSocket' });
  assert.equal(parseAnswer(await withGateway.raw(handshake)).status, 503);
  assert.deepEqual(upgraded, ['/ws']);
});

// --- roles

type Expectation = Record<string, number>;
const everything = [...openPaths, ...reportPaths, '/ws', '/publish/public.x'];

async function statuses(of: HttpApp): Promise<Expectation> {
  const answers: Expectation = {};
  for (const path of everything) {
    const response = await of.get(path, path.startsWith('/publish') ? publish : {});
    answers[path] = response.status;
    await response.arrayBuffer();
  }
  return answers;
}

function expectation(given: Expectation, otherwise: number): Expectation {
  return Object.fromEntries(everything.map((path) => [path, given[path] ?? otherwise]));
}

const ok = (paths: readonly string[], status = 200) =>
  Object.fromEntries(paths.map((path) => [path, status]));
const probes = ok(['/livez', '/readyz']);

for (const { name, role, settings, expected } of [
  {
    name: 'one port serves everything',
    role: 'all',
    settings: {},
    expected: expectation({ '/ws': 426, '/publish/public.x': 202 }, 200),
  },
  {
    name: 'the client port serves the upgrade and the probes only',
    role: 'clients',
    settings: {},
    expected: expectation({ ...probes, '/ws': 426 }, 404),
  },
  {
    name: 'the client port serves public reports too, without a token',
    role: 'clients',
    settings: { publicReports: true, adminToken: 'good-token' },
    expected: expectation({ ...probes, ...ok(publicPaths), '/ws': 426 }, 404),
  },
  {
    name: 'the admin port serves everything but the upgrade',
    role: 'admin',
    settings: {},
    expected: expectation({ '/ws': 404, '/publish/public.x': 202 }, 200),
  },
  {
    name: 'a token covers reports and actions, not the probes, the upgrade and the console files',
    role: 'all',
    settings: { adminToken: 'good-token' },
    expected: expectation({ ...ok(openPaths), '/ws': 426 }, 401),
  },
  {
    name: 'public reports need no token on a port that is also for clients',
    role: 'all',
    settings: { adminToken: 'good-token', publicReports: true },
    expected: expectation({ ...ok(openPaths), ...ok(publicPaths), '/ws': 426 }, 401),
  },
  {
    name: 'public reports do need the token on the admin port',
    role: 'admin',
    settings: { adminToken: 'good-token', publicReports: true },
    expected: expectation({ ...ok(openPaths), '/ws': 404 }, 401),
  },
] satisfies { name: string; role: AppRole; settings: object; expected: Expectation }[]) {
  test(name, async () => {
    assert.deepEqual(await statuses(await start({ role, settings })), expected);
  });
}

// --- the token

test('a missing token and a wrong one are told apart, and both say how to ask', async () => {
  const guarded = await start({ settings: { adminToken: 'good-token' } });
  const none = await guarded.get('/stats');
  assert.equal(none.status, 401);
  assert.equal(none.headers.get('www-authenticate'), 'Bearer realm="tidegauge"');
  assert.equal(((await none.json()) as { error: { code: string } }).error.code, 'unauthorized');
  const wrong = await guarded.get('/stats', { headers: { authorization: 'Bearer bad-token' } });
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers.get('www-authenticate'), 'Bearer realm="tidegauge", error="invalid_token"');
  assert.ok(!(await wrong.text()).includes('good-token'));
});

test('the right token opens reports and actions', async () => {
  const guarded = await start({ settings: { adminToken: 'good-token' } });
  const headers = { authorization: 'Bearer good-token' };
  for (const path of reportPaths) assert.equal((await guarded.get(path, { headers })).status, 200, path);
  const published = await guarded.get('/publish/public.x', { ...publish, headers });
  assert.equal(published.status, 202);
});

test('without the token, health tells its verdict and no figures', async () => {
  const guarded = await start({ settings: { adminToken: 'good-token' } });
  const keys = async (headers: Record<string, string>) =>
    Object.keys((await (await guarded.get('/health', { headers })).json()) as object);
  assert.deepEqual(await keys({}), ['status', 'timestamp', 'uptime', 'reasons']);
  assert.deepEqual(await keys({ authorization: 'Bearer bad-token' }), [
    'status',
    'timestamp',
    'uptime',
    'reasons',
  ]);
  assert.ok((await keys({ authorization: 'Bearer good-token' })).includes('system'));
});

test('a preflight needs no token, and a refusal can be read by an allowed page', async () => {
  const guarded = await start({ settings: { adminToken: 'good-token' } });
  const origin = 'http://localhost:5173';
  const preflight = await guarded.get('/stats', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
    },
  });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get('access-control-allow-headers')!, /authorization/i);
  const refused = await guarded.get('/stats', { headers: { origin } });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('access-control-allow-origin'), origin);
});

// --- CORS

test('a page on localhost can read every report, one from elsewhere none', async () => {
  for (const path of [...jsonPaths, '/metrics']) {
    for (const origin of ['http://localhost:5173', 'http://127.0.0.1:8080', 'http://localhost']) {
      const { headers } = await app.get(path, { headers: { origin } });
      assert.equal(headers.get('access-control-allow-origin'), origin, path);
      assert.equal(headers.get('access-control-allow-credentials'), null);
      assert.match(headers.get('vary')!, /^Origin/);
    }
    for (const origin of ['https://evil.example', 'http://localhost.evil.example', 'null']) {
      const { status, headers } = await app.get(path, { headers: { origin } });
      assert.equal(status, 200);
      assert.equal(headers.get('access-control-allow-origin'), null, path);
      assert.match(headers.get('vary')!, /^Origin/);
    }
  }
});

test('a preflight tells the methods of its path', async () => {
  const headers = { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' };
  const preflight = await app.get('/publish/public.x', { method: 'OPTIONS', headers });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'http://localhost:5173');
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'OPTIONS, POST');
  assert.equal(
    preflight.headers.get('access-control-allow-headers'),
    'Authorization, Content-Type, Nats-Msg-Id',
  );
  const foreign = await app.get('/publish/public.x', {
    method: 'OPTIONS',
    headers: { ...headers, origin: 'https://evil.example' },
  });
  assert.equal(foreign.status, 204);
  assert.equal(foreign.headers.get('access-control-allow-origin'), null);
  assert.equal(foreign.headers.get('access-control-allow-methods'), null);
});

test('paths are told apart by their letters: another case, or a slash more, is nothing here', async () => {
  for (const path of ['/Stats', '/STATS', '/stats/', '/metrics/Enhanced', '/Livez', '/Console/page.js'])
    assert.equal((await app.get(path)).status, 404, path);
  for (const path of ['/Publish/public.x', '/publish/public.x/'])
    assert.equal((await app.get(path, publish)).status, 404, path);
  assert.deepEqual(app.published, []);
});

test('OPTIONS tells what a path, or the server, answers', async () => {
  const plain = await app.get('/stats', { method: 'OPTIONS' });
  assert.deepEqual([plain.status, plain.headers.get('allow')], [204, 'GET, HEAD, OPTIONS']);
  const server = parseAnswer(await app.raw(rawRequest('OPTIONS *')));
  assert.equal(server.status, 204);
  assert.match(server.head, /^allow: DELETE, GET, HEAD, OPTIONS, POST$/im);
  assert.equal((await app.get('/nothing', { method: 'OPTIONS' })).status, 404);
});

test('a page of connections has a hundred where no limit is given, and a thousand at most', async () => {
  const limits: number[] = [];
  const asked = await start({
    connections: {
      page({ limit }) {
        limits.push(limit);
        return pageOf([]);
      },
    },
  });
  for (const query of ['', '?limit=1', '?limit=1000', '?summary=1', '?limit=7&summary=1'])
    assert.equal((await asked.get(`/metrics/enhanced${query}`)).status, 200, query);
  assert.deepEqual(limits, [100, 1, 1000, 0, 0]);
  for (const limit of [0, 1001]) {
    const response = await asked.get(`/metrics/enhanced?limit=${limit}`);
    assert.equal(response.status, 400, String(limit));
    assert.match(await response.text(), /a whole number from 1 to 1000/);
  }
});

test('whoever asks for the same page in one packet shares a collection', async () => {
  let pages = 0;
  const asked = await start({
    connections: {
      page() {
        pages += 1;
        return pageOf([]);
      },
    },
  });
  const line = 'GET /metrics/enhanced?summary=1 HTTP/1.1\r\nhost: x\r\n';
  const answers = await asked.raw(`${line}\r\n${line}\r\n${line}connection: close\r\n\r\n`);
  assert.equal(answers.match(/HTTP\/1\.1 200 /g)?.length, 3);
  assert.equal(pages, 1);
});

// --- the console

test('the console is served with a policy that lets nothing in from elsewhere', async () => {
  const page = await app.get('/');
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.equal(page.headers.get('cache-control'), 'no-cache');
  assert.equal(page.headers.get('x-frame-options'), 'DENY');
  const policy = page.headers.get('content-security-policy')!;
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
});

test('no page of another origin may frame the console, get hold of its window, or learn its address', async () => {
  for (const path of ['/', '/console/page.js', '/console/page.css']) {
    const { headers } = await app.get(path);
    assert.deepEqual(
      [
        'x-frame-options',
        'referrer-policy',
        'cross-origin-opener-policy',
        'cross-origin-resource-policy',
      ].map((name) => headers.get(name)),
      ['DENY', 'same-origin', 'same-origin', 'same-origin'],
      path,
    );
    const policy = headers.get('content-security-policy')!.split('; ');
    for (const directive of ['base-uri', 'form-action', 'frame-ancestors'])
      assert.ok(policy.includes(`${directive} 'none'`), directive);
  }
});

test('the page names no file that is not served here, and has no code or style inside', async () => {
  const html = await (await app.get('/')).text();
  const references = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  assert.ok(references.length >= 8);
  for (const reference of references.filter((one) => !one.startsWith('data:'))) {
    assert.equal((await app.get(`/${reference}`)).status, 200, reference);
  }
  assert.doesNotMatch(html, /<style|style=|<script>|\son\w+=/);
  const sources = [
    html,
    await (await app.get('/console/page.js')).text(),
    await (await app.get('/console/page.css')).text(),
  ];
  for (const source of sources)
    assert.doesNotMatch(source.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\/\w/);
});

test('every element that the page code looks for is in the page', async () => {
  const html = await (await app.get('/')).text();
  const script = await (await app.get('/console/page.js')).text();
  const ids = new Set([...script.matchAll(/(?:element|say)\('([\w-]+)'/g)].map((match) => match[1]!));
  for (const name of ['active', 'sent', 'received', 'heap', 'cpu', 'loop']) ids.add(name).add(`${name}-more`);
  for (const name of ['active', 'rate']) ids.add(`${name}-chart`).add(`${name}-range`);
  assert.ok(ids.size > 20);
  for (const id of ids) assert.ok(html.includes(`id="${id}"`), id);
});

test('an unchanged file is not sent again', async () => {
  for (const path of ['/', '/console/page.js', '/console/page.css']) {
    const etag = (await app.get(path)).headers.get('etag')!;
    assert.match(etag, /^"[\w-]{22}"$/);
    // By hand, for fetch asks caches not to answer as soon as it is given a condition.
    const again = parseAnswer(await app.raw(rawRequest(`GET ${path}`, { 'if-none-match': etag })));
    assert.deepEqual([again.status, again.body], [304, '']);
    assert.ok(again.head.toLowerCase().includes(`etag: ${etag.toLowerCase()}`));
    const other = await app.raw(rawRequest(`GET ${path}`, { 'if-none-match': '"another"' }));
    assert.equal(parseAnswer(other).status, 200);
  }
});
