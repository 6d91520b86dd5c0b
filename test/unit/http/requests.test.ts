/** What happens to every request, whatever its route: refusals, hostile input, and the record of it. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { pageOf } from '../../support/connection-rows.ts';
import { exchange, type HttpApp, parseAnswer, rawRequest, startHttpApp } from '../../support/http-app.ts';
import { readingsOf } from '../../support/readings.ts';

const apps: HttpApp[] = [];
after(() => Promise.all(apps.map((app) => app.close())));
async function start(given?: Parameters<typeof startHttpApp>[0]): Promise<HttpApp> {
  const app = await startHttpApp(given);
  apps.push(app);
  return app;
}
const app = await start();

/** Asserts the one shape of errors, and gives its code. */
function codeOf(answer: string): string {
  const { head, body } = parseAnswer(answer);
  assert.match(head, /^content-type: application\/json; charset=utf-8$/im);
  assert.match(head, /^cache-control: no-store$/im);
  const { error, ...rest } = JSON.parse(body);
  assert.deepEqual([Object.keys(error), rest], [['code', 'message'], {}]);
  return error.code;
}

test('an unknown path is a 404 in JSON', async () => {
  const paths = [
    '/nothing',
    '//',
    '/stats/',
    '/STATS',
    '/stats/x',
    '/publish',
    '/publish/',
    '/publish/a/b',
    '/console/',
    '/console/../index.html',
    '/..%2f..%2fetc%2fpasswd',
    '/__proto__',
    '/constructor',
  ];
  for (const path of paths) {
    const answer = await app.raw(rawRequest(`GET ${path}`));
    assert.equal(parseAnswer(answer).status, 404, path);
    assert.equal(codeOf(answer), 'not_found');
  }
});

test('a wrong method is a 405 that says which are right', async () => {
  for (const [method, path, allow] of [
    ['POST', '/stats', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/', 'GET, HEAD, OPTIONS'],
    ['PUT', '/ws', 'GET, HEAD, OPTIONS'],
    ['TRACE', '/livez', 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/metrics', 'GET, HEAD, OPTIONS'],
    ['GET', '/publish/public.x', 'OPTIONS, POST'],
    ['HEAD', '/publish/public.x', 'OPTIONS, POST'],
    ['PUT', '/publish/public.x', 'OPTIONS, POST'],
  ]) {
    const answer = await app.raw(rawRequest(`${method} ${path}`));
    assert.equal(parseAnswer(answer).status, 405, `${method} ${path}`);
    assert.match(parseAnswer(answer).head, new RegExp(`^allow: ${allow}$`, 'im'));
    if (method !== 'HEAD') assert.equal(codeOf(answer), 'method_not_allowed');
  }
});

test('an unknown parameter is refused on every path that has JSON or figures', async () => {
  for (const path of [
    '/stats',
    '/metrics/enhanced',
    '/metrics/system',
    '/metrics',
    '/health',
    '/livez',
    '/readyz',
  ]) {
    for (const query of [
      '?x=1',
      '?__proto__=1',
      '?constructor[prototype]=1',
      '?limit=1&limit=2',
      '?=',
      '?%00=1',
    ]) {
      const answer = await app.raw(rawRequest(`GET ${path}${query}`));
      assert.equal(parseAnswer(answer).status, 400, path + query);
      assert.match(codeOf(answer), /^(unknown|repeated)_parameter$/);
    }
    assert.equal(parseAnswer(await app.raw(rawRequest(`GET ${path}?`))).status, 200);
  }
});

test('a hostile target is answered, and nothing of it is a fault of ours', async () => {
  for (const target of [
    'http://[::1',
    '%',
    '/%',
    '/stats?%',
    '/%ff',
    '/publish/%c0%ae',
    '*',
    'stats',
    'ftp://x/y',
    '/stats#x',
  ]) {
    const answer = await app.raw(rawRequest(`GET ${target}`));
    assert.equal(parseAnswer(answer).status, 400, target);
    assert.match(codeOf(answer), /^bad_(target|request)$/);
  }
  assert.equal(parseAnswer(await app.raw(rawRequest('GET http://example.com/livez'))).status, 200);
  assert.deepEqual(app.errors, []);
});

test('what is not HTTP is answered or closed, and the server goes on', async () => {
  for (const text of [
    '\r\n\r\n\r\nnonsense\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01',
    'GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'POST /publish/public.x HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n',
    'POST /publish/public.x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    '\0'.repeat(100),
  ]) {
    const answer = await app.raw(text);
    assert.equal(parseAnswer(answer).status, 400, JSON.stringify(text));
    assert.equal(codeOf(answer), 'bad_request');
    assert.match(parseAnswer(answer).head, /^connection: close$/im);
  }
  // Answered by the parser's own rules, or closed without a word.
  await app.raw('CONNECT example.com:443 HTTP/1.1\r\nhost: a\r\n\r\n');
  await app.raw(rawRequest('GET /livez', { expect: 'nonsense' }));
  assert.equal((await app.get('/livez')).status, 200);
});

test('headers over the bound are a 431, in one piece or in many', async () => {
  const answer = await app.raw(rawRequest('GET /livez', { padding: 'x'.repeat(20_000) }));
  assert.equal(parseAnswer(answer).status, 431);
  assert.equal(codeOf(answer), 'headers_too_large');
  const many = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`header-${index}`, 'x']));
  assert.equal(parseAnswer(await app.raw(rawRequest('GET /livez', many))).status, 431);
  assert.equal(parseAnswer(await app.raw(rawRequest(`GET /${'x'.repeat(20_000)}`))).status, 431);
});

test('a request that does not arrive in time is a 408', async () => {
  const impatient = await start({
    limits: { headersTimeoutMs: 100, requestTimeoutMs: 200, checkIntervalMs: 20 },
  });
  const headers = await impatient.raw('GET /livez HTTP/1.1\r\nhost: a\r\n');
  assert.equal(parseAnswer(headers).status, 408);
  assert.equal(codeOf(headers), 'request_timeout');
  const body = await impatient.raw(rawRequest('POST /publish/public.x', { 'content-length': '10' }));
  assert.equal(parseAnswer(body).status, 408);
  await impatient.settled();
  assert.deepEqual([impatient.errors, impatient.published], [[], []]);
});

test('a connection is kept for the next request for more than a minute, and then closed', async () => {
  const ask = rawRequest('GET /livez', { connection: 'keep-alive' });
  const twice = await app.raw(ask + rawRequest('GET /livez'));
  assert.match(parseAnswer(twice).head, /^keep-alive: timeout=65$/im);
  assert.equal(twice.split('HTTP/1.1 200 OK').length, 3);
  const hasty = await start({ limits: { keepAliveTimeoutMs: 50 } });
  // Resolves when the other side has closed, which nobody has asked for.
  assert.equal(parseAnswer(await hasty.raw(ask)).status, 200);
});

test('words after an answer that is under way never land in the middle of it', async () => {
  let finish = () => {};
  const slow = await start({
    dependencies: {
      collect: () =>
        new Promise((resolve) => {
          finish = () => resolve(readingsOf({}));
        }),
    },
  });
  slow.server.once('clientError', () => finish());
  // A whole request, and nonsense behind it while the first has no answer yet.
  const answer = await exchange(
    slow.port,
    `${rawRequest('GET /stats', { connection: 'keep-alive' })}nonsense\r\n\r\n`,
  );
  assert.equal(answer, '');
});

test('a fault of ours is a 500 that tells the caller nothing and the log everything', async () => {
  const logged: { fields: { err?: Error }; message: string }[] = [];
  const broken = await start({
    dependencies: {
      collect: () => Promise.reject(new Error('secret detail')),
      scrape: () => {
        throw new TypeError('another secret');
      },
      log: { error: (fields, message) => logged.push({ fields, message }), debug: () => undefined },
    },
  });
  for (const path of ['/stats', '/metrics']) {
    const answer = await broken.raw(rawRequest(`GET ${path}`));
    assert.equal(parseAnswer(answer).status, 500);
    assert.equal(codeOf(answer), 'internal');
    assert.doesNotMatch(answer, /secret|\.ts/);
  }
  assert.deepEqual(
    logged.map(({ fields, message }) => [fields.err?.message, message]),
    [
      ['secret detail', 'request failed'],
      ['another secret', 'request failed'],
    ],
  );
});

test('a document that cannot be made text takes the error exit too', async () => {
  const broken = await start({
    connections: { page: () => pageOf([{ messagesSent: 1n } as never]) },
  });
  const answer = await broken.raw(rawRequest('GET /metrics/enhanced'));
  assert.equal(parseAnswer(answer).status, 500);
  assert.equal(codeOf(answer), 'internal');
});

test('each request is recorded once, with the template of its route', async () => {
  const counted = await start();
  await counted.get('/stats');
  await counted.get('/publish/public.secret', { method: 'POST', body: 'x' });
  await counted.get('/publish/public.secret', { method: 'PUT', body: 'x' });
  await counted.get('/no/such/path');
  await counted.get('/ws');
  await counted.raw(rawRequest('PROPFIND /stats'));
  await counted.raw(rawRequest('GET /%'));
  await counted.get('/livez', { method: 'HEAD' });
  await counted.settled();
  const expected: [string, string, number][] = [
    ['GET', '/stats', 200],
    ['POST', '/publish/:subject', 202],
    ['PUT', '/publish/:subject', 405],
    ['GET', '', 404],
    ['GET', '/ws', 426],
    ['_OTHER', '/stats', 405],
    ['GET', '', 400],
    ['HEAD', '/livez', 200],
  ];
  assert.deepEqual(
    counted.recorded,
    expected.map(([method, route, status]) => ({ method, route, status, scheme: 'http' })),
  );
});

test('failures of ours carry their status as the type of error', async () => {
  const failing = await start({
    dependencies: { readiness: () => ['bus'], scrape: () => Promise.reject(new Error()) },
  });
  await failing.get('/readyz');
  await failing.get('/metrics');
  await failing.settled();
  assert.deepEqual(
    failing.recorded.map(({ status, errorType }) => [status, errorType]),
    [
      [503, '503'],
      [500, '500'],
    ],
  );
});

test('durations are in seconds, and requests under way are counted', async () => {
  let nowMs = 1_000;
  const seconds: number[] = [];
  let during = 0;
  const timed = await start({
    dependencies: {
      now: () => nowMs,
      recordRequest: (duration) => seconds.push(duration),
      readiness: () => {
        nowMs += 250;
        during = timed.figures.activeRequests;
        return [];
      },
    },
  });
  await timed.get('/readyz');
  assert.equal(during, 1);
  await new Promise<void>((resolve) => {
    const ask = () => (seconds.length > 0 ? resolve() : setImmediate(ask));
    ask();
  });
  assert.deepEqual([seconds, timed.figures.activeRequests], [[0.25], 0]);
});

test('many paths and methods make no new routes in the record', async () => {
  const counted = await start();
  for (let index = 0; index < 50; index += 1) await counted.get(`/path-${index}`);
  await counted.settled();
  assert.equal(counted.recorded.length, 50);
  assert.deepEqual(new Set(counted.recorded.map(({ route }) => route)), new Set(['']));
});

test('a connection that is reset in the middle of anything is no fault', async () => {
  for (const text of [
    'GET /li',
    'POST /publish/public.x HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab',
    rawRequest('GET /stats'),
  ]) {
    await new Promise<void>((resolve) => {
      app.server.once('connection', (socket) => socket.once('close', () => resolve()));
      const socket = connect(app.port, '127.0.0.1', () => {
        socket.write(text, () => socket.resetAndDestroy());
      });
      socket.on('error', () => undefined);
    });
  }
  assert.equal((await app.get('/livez')).status, 200);
  assert.deepEqual(app.errors, []);
});

test('HTTP/1.0 needs no Host, and knows no expectations', async () => {
  const old = await start();
  for (const headers of ['', 'expect: more\r\n']) {
    const answer = await old.raw(`GET /livez HTTP/1.0\r\n${headers}\r\n`);
    assert.equal(parseAnswer(answer).status, 200, headers);
  }
});
