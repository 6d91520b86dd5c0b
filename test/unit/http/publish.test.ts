/** POST /publish/:subject over a real server: what reaches the bus, and what is refused. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BusUnansweredError } from '../../../src/bus/bus.ts';
import { type HttpApp, parseAnswer, rawRequest, startHttpApp } from '../../support/http-app.ts';

const apps: HttpApp[] = [];
after(() => Promise.all(apps.map((app) => app.close())));
async function start(given?: Parameters<typeof startHttpApp>[0]): Promise<HttpApp> {
  const app = await startHttpApp(given);
  apps.push(app);
  return app;
}

type Answer = { status: number; code: string | undefined; message: string; body: unknown };
async function post(app: HttpApp, subject: string, options: RequestInit = {}): Promise<Answer> {
  const response = await app.get(`/publish/${subject}`, { method: 'POST', body: 'hello', ...options });
  const body = (await response.json()) as { error?: { code: string; message: string } };
  return { status: response.status, code: body.error?.code, message: body.error?.message ?? '', body };
}

test('the bytes of the body reach the bus as they came', async () => {
  const payloads: Buffer[] = [];
  const app = await start({
    dependencies: {
      publish: async (_subject, payload) => {
        payloads.push(Buffer.from(payload));
        return 'taken';
      },
    },
  });
  const body = Uint8Array.from({ length: 256 }, (_, index) => index);
  const answer = await post(app, 'public.bytes', { body });
  assert.deepEqual(
    [answer.status, answer.body],
    [202, { published: { subject: 'public.bytes', bytes: 256 } }],
  );
  assert.deepEqual(payloads, [Buffer.from(body)]);
});

test('an empty body and one of exactly the bound are messages too', async () => {
  const app = await start();
  assert.equal((await post(app, 'public.empty', { body: '' })).status, 202);
  assert.equal((await post(app, 'public.full', { body: 'x'.repeat(1024) })).status, 202);
  assert.deepEqual(
    app.published.map(({ text }) => text.length),
    [0, 1024],
  );
});

test('the subject is taken from the path percent-decoded', async () => {
  const app = await start();
  assert.equal((await post(app, 'public.caf%C3%A9')).status, 202);
  assert.equal((await post(app, 'public.a%2Fb')).status, 202);
  assert.deepEqual(
    app.published.map(({ subject }) => subject),
    ['public.café', 'public.a/b'],
  );
});

test('a message id is passed on', async () => {
  const app = await start();
  assert.equal((await post(app, 'public.x', { headers: { 'nats-msg-id': 'order-17' } })).status, 202);
  assert.equal((await post(app, 'public.x')).status, 202);
  assert.deepEqual(
    app.published.map(({ messageId }) => messageId),
    ['order-17', undefined],
  );
});

test('a message id that is no single word is refused', async () => {
  const app = await start();
  for (const id of ['a b', 'caf\u00e9', 'x'.repeat(257)]) {
    const answer = await post(app, 'public.x', { headers: { 'nats-msg-id': id } });
    assert.deepEqual([answer.status, answer.code], [400, 'bad_message_id'], id);
  }
  const twice = rawRequest('POST /publish/public.x', { 'nats-msg-id': 'a\r\nnats-msg-id: b' });
  assert.equal(parseAnswer(await app.raw(twice)).status, 400);
  assert.deepEqual(app.published, []);
});

test('what is no literal subject is refused', async () => {
  const app = await start();
  const subjects = [
    'public.*',
    'public.>',
    '%3E',
    'public..x',
    '.public',
    'public.',
    'public.%20x',
    'public.%0d%0aPUB',
    'public.%00',
    'x'.repeat(300),
  ];
  for (const subject of subjects) {
    const { status, code, message } = await post(app, subject);
    assert.deepEqual([status, code], [400, 'bad_subject'], subject);
    assert.match(message, /at most 32 tokens .* 256 characters/);
  }
  assert.deepEqual(app.published, []);
});

test('a subject outside the allowed patterns is refused, and the answer names the patterns', async () => {
  const app = await start();
  for (const subject of ['private.x', 'public', 'trades.a.b', '$SYS.x', '_INBOX.x', 'PUBLIC.x']) {
    const { status, code, message } = await post(app, subject);
    assert.deepEqual([status, code], [403, 'forbidden_subject'], subject);
    assert.ok(message.includes('public.>, trades.*'), message);
  }
  assert.deepEqual(app.published, []);
});

test('a body over the bound is refused, with and without a declared length', async () => {
  const app = await start();
  const declared = await post(app, 'public.x', { body: 'x'.repeat(1025) });
  assert.deepEqual([declared.status, declared.code], [413, 'too_large']);
  assert.match(declared.message, /1024 bytes/);
  const head = rawRequest('POST /publish/public.x', { 'transfer-encoding': 'chunked' });
  const chunk = `200\r\n${'x'.repeat(512)}\r\n`;
  const chunked = parseAnswer(await app.raw(`${head}${chunk.repeat(3)}0\r\n\r\n`));
  assert.deepEqual([chunked.status, JSON.parse(chunked.body).error.code], [413, 'too_large']);
  assert.deepEqual(app.published, []);
});

test('an over-long declared length is answered before a byte of the body has come', async () => {
  const app = await start({ limits: { requestTimeoutMs: 300, headersTimeoutMs: 300, checkIntervalMs: 50 } });
  // The body never comes, so the connection ends with the request timeout, and not with a second answer.
  const answer = await app.raw(rawRequest('POST /publish/public.x', { 'content-length': '999999999999' }));
  assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1);
  assert.equal(parseAnswer(answer).status, 413);
});

test('after a refused body the connection can be used again', async () => {
  const app = await start();
  const headers = { connection: 'keep-alive' };
  // Far more than the streams on the way hold, so that it has to be taken from the wire to reach the next request.
  const body = 'x'.repeat(500_000);
  const declared = rawRequest('POST /publish/public.x', { ...headers, 'content-length': '500000' }) + body;
  const head = rawRequest('POST /publish/public.x', { ...headers, 'transfer-encoding': 'chunked' });
  const chunked = `${head}${(500_000).toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  for (const refused of [declared, chunked]) {
    const answers = await app.raw(refused + rawRequest('GET /livez'));
    assert.deepEqual(
      [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]),
      ['413', '200'],
    );
  }
});

test('a caller that asks first is told to go on only when its body is wanted', async () => {
  const app = await start({ limits: { requestTimeoutMs: 300, headersTimeoutMs: 300, checkIntervalMs: 50 } });
  const ask = (path: string, length: number) =>
    rawRequest(`POST ${path}`, { expect: '100-continue', 'content-length': String(length) });
  const wanted = await app.raw(`${ask('/publish/public.x', 5)}hello`);
  assert.match(wanted, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 202 /);
  for (const [path, length] of [
    ['/publish/public.x', 5000],
    ['/publish/private.x', 5],
    ['/publish/public.*', 5],
  ] as const) {
    assert.doesNotMatch(await app.raw(ask(path, length)), /100 Continue/, path);
  }
  // Whoever speaks HTTP/1.0 takes the first answer for the last.
  const old = ask('/publish/public.x', 5).replace('HTTP/1.1', 'HTTP/1.0');
  assert.match(await app.raw(`${old}hello`), /^HTTP\/1\.1 202 /);
});

test('without a bus nothing is accepted, nor when it leaves at the last moment', async () => {
  const app = await start();
  app.bus.state = 'reconnecting';
  const away = await post(app, 'public.x');
  assert.deepEqual([away.status, away.code], [503, 'bus_unavailable']);
  app.bus.state = 'connected';
  app.bus.isLeaving = true;
  const leaving = await post(app, 'public.x');
  assert.deepEqual([leaving.status, leaving.code], [503, 'bus_unavailable']);
  assert.deepEqual([app.published, app.errors], [[], []]);
});

test('a body within our bound but over that of the broker is refused as too large', async () => {
  const app = await start({
    dependencies: {
      publish() {
        throw new RangeError('too large for the broker');
      },
    },
  });
  const { status, code, message } = await post(app, 'public.x');
  assert.deepEqual(
    [status, code, message],
    [413, 'too_large', 'The message bus takes no message of 5 bytes.'],
  );
  assert.deepEqual(app.errors, []);
});

test('a message that the broker denies, or does not answer for, is not accepted', async () => {
  for (const { publish, expected } of [
    {
      publish: async () => 'denied' as const,
      expected: [403, 'forbidden_subject', /permissions of its user/],
    },
    {
      publish: () => Promise.reject(new BusUnansweredError('no answer')),
      expected: [503, 'bus_unanswered', /may have been published.*Nats-Msg-Id/],
    },
  ] as const) {
    const app = await start({ dependencies: { publish } });
    const { status, code, message } = await post(app, 'public.x');
    assert.deepEqual([status, code], expected.slice(0, 2));
    assert.match(message, expected[2]);
    assert.deepEqual(app.errors, []);
  }
});

test('another fault of the bus is ours: 500, logged, without a word of it to the caller', async () => {
  const app = await start({
    dependencies: {
      publish() {
        throw new Error('secret detail');
      },
    },
  });
  const { status, code, message } = await post(app, 'public.x');
  assert.deepEqual([status, code], [500, 'internal']);
  assert.doesNotMatch(message, /secret/);
  assert.deepEqual(app.errors, ['request failed']);
});

test('actions are guarded: pages of other origins and forms are refused, programs are not', async () => {
  const app = await start();
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  for (const [headers, status, code] of [
    [{}, 202, undefined],
    [form, 202, undefined],
    [{ origin: app.url, ...form }, 202, undefined],
    [{ origin: 'http://localhost:5173' }, 202, undefined],
    [{ origin: 'http://localhost:5173', ...form }, 403, 'form_post'],
    [{ origin: 'https://evil.example' }, 403, 'forbidden_origin'],
    [{ origin: 'null' }, 403, 'forbidden_origin'],
    [{ 'x-forwarded-for': '127.0.0.1' }, 403, 'not_loopback'],
  ] as const) {
    const answer = await post(app, 'public.x', { headers });
    assert.deepEqual([answer.status, answer.code], [status, code], JSON.stringify(headers));
  }
  assert.equal(app.published.length, 4);
});

test('a caller that goes away in the middle of its body publishes nothing and is no fault', async () => {
  const app = await start();
  const half = new AbortController();
  app.server.once('request', () => half.abort());
  app.abandon(`${rawRequest('POST /publish/public.x', { 'content-length': '500' })}half`, half.signal);
  await app.settled();
  assert.deepEqual([app.published, app.errors], [[], []]);
  assert.deepEqual(app.recorded, [
    { method: 'POST', route: '/publish/:subject', status: undefined, scheme: 'http', errorType: 'aborted' },
  ]);
});

test('unknown parameters are refused here too', async () => {
  const app = await start();
  const { status, message } = await post(app, 'public.x?retain=1');
  assert.equal(status, 400);
  assert.match(message, /"retain"/);
});
