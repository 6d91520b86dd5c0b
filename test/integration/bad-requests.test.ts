/**
 * What else may come over the port: handshakes with something wrong about them, odd HTTP and no HTTP at all.
 * Each is answered or closed, with its own status; a refused upgrade is counted by its reason and never touches
 * the connections; nobody else notices.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RejectionReason } from '../../src/gateway/admission.ts';
import { close, closeCodeIn, framesIn, text } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { startWatchedService, type WatchedService } from '../support/watched-service.ts';
import { connectRaw, handshake } from '../support/ws-client.ts';

const PORT = 4222;
const line = (added: string): string => handshake(PORT).replace('\r\n\r\n', `\r\n${added}\r\n\r\n`);
const target = (url: string): string => handshake(PORT, {}, url);
const chunked = { 'transfer-encoding': 'chunked' };
const key = 'sec-websocket-key';

let service: WatchedService;
before(async () => {
  service = await startWatchedService();
});
after(() => service.stop());

/** Writes it and answers with all that came back until the gateway closed. */
async function answerTo(bytes: string | Buffer): Promise<string> {
  const client = await connectRaw(service.url);
  client.socket.write(bytes);
  await client.ended;
  return client.text();
}

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);

describe('a handshake with something wrong about it is refused, and counted', () => {
  const refused: [what: string, bytes: string | Buffer, status: number, reason: RejectionReason][] = [
    ['by another method', handshake(PORT).replace('GET', 'POST'), 400, 'bad_request'],
    ['by a method that is hardly known', handshake(PORT).replace('GET', 'QUERY'), 400, 'bad_request'],
    ['without a host', handshake(PORT, { host: undefined }), 400, 'bad_request'],
    ['without a key', handshake(PORT, { [key]: undefined }), 400, 'bad_request'],
    ['with an empty key', handshake(PORT, { [key]: '' }), 400, 'bad_request'],
    ['with a key of 15 bytes', handshake(PORT, { [key]: 'AAAAAAAAAAAAAAAAAAAA' }), 400, 'bad_request'],
    ['with a key of 17 bytes', handshake(PORT, { [key]: 'AAAAAAAAAAAAAAAAAAAAAAA=' }), 400, 'bad_request'],
    ['with a key that is no base64', handshake(PORT, { [key]: '?'.repeat(22) }), 400, 'bad_request'],
    ['with two keys', line(`${key}: AAAAAAAAAAAAAAAAAAAAAA==`), 400, 'bad_request'],
    [
      'without a version',
      handshake(PORT, { 'sec-websocket-version': undefined }),
      426,
      'unsupported_version',
    ],
    ['of version 8', handshake(PORT, { 'sec-websocket-version': '8' }), 426, 'unsupported_version'],
    ['of two versions', line('sec-websocket-version: 13'), 426, 'unsupported_version'],
    ['of version 13.0', handshake(PORT, { 'sec-websocket-version': '13.0' }), 426, 'unsupported_version'],
    ['with an empty protocol', line('sec-websocket-protocol: a,,b'), 400, 'bad_request'],
    ['with a protocol named twice', line('sec-websocket-protocol: a, a'), 400, 'bad_request'],
    ['with a protocol in brackets', line('sec-websocket-protocol: (a)'), 400, 'bad_request'],
    ['of an origin of null', line('origin: null'), 403, 'forbidden_origin'],
    ['of an empty origin', line('origin:'), 403, 'forbidden_origin'],
    ['of two origins', line('origin: http://localhost\r\norigin: http://localhost'), 403, 'forbidden_origin'],
    ['of an origin with a path', line('origin: http://localhost/x'), 403, 'forbidden_origin'],
    ['of an origin that only begins well', line('origin: http://localhost.evil'), 403, 'forbidden_origin'],
    ['of an origin with a user', line('origin: http://localhost@evil'), 403, 'forbidden_origin'],
    ['for another path', target('/'), 404, 'not_found'],
    ['for a path of reports', target('/stats'), 404, 'not_found'],
    ['for a path behind it', target('/ws/'), 404, 'not_found'],
    ['for a path with two slashes', target('//ws'), 404, 'not_found'],
    ['for a path in percents', target('/%77s'), 404, 'not_found'],
    ['for a path in capitals', target('/WS'), 404, 'not_found'],
    ['for a path through another', target('/x/../ws'), 404, 'not_found'],
    ['for a fragment', target('/ws#a'), 404, 'not_found'],
    ['for a host alone', target('http://localhost'), 404, 'not_found'],
    ['for the prototype', target('/__proto__'), 404, 'not_found'],
    [
      'with 400 KB behind it',
      Buffer.concat([Buffer.from(target('/x')), Buffer.alloc(400_000)]),
      404,
      'not_found',
    ],
  ];
  for (const [what, bytes, status, reason] of refused) {
    test(`${what}: ${status}, ${reason}`, async () => {
      let answer = '';
      const changes = await service.changesDuring(async () => {
        answer = await answerTo(bytes);
      });
      assert.equal(statusOf(answer), status);
      assert.equal(JSON.parse(answer.split('\r\n\r\n')[1]!).error.code, reason);
      assert.deepEqual(changes, { [`rejected ${reason}`]: 1 });
    });
  }
  test('and the others are still served', () => service.checkUnharmed());
});

describe('an upgrade that is none is an ordinary request', () => {
  const body = 'x'.repeat(20);
  const ignored: [what: string, bytes: string, status: number][] = [
    ['by HTTP/1.0', handshake(PORT).replace('HTTP/1.1', 'HTTP/1.0'), 426],
    ['without Connection: upgrade', handshake(PORT, { connection: 'close' }), 426],
    ['to two protocols', handshake(PORT, { upgrade: 'websocket, h2c' }), 426],
    ['to another protocol', handshake(PORT, { upgrade: 'h2c' }), 426],
    ['with a body', handshake(PORT, { 'content-length': '20' }) + body, 426],
    ['with a body in chunks', `${handshake(PORT, chunked)}5\r\nhello\r\n0\r\n\r\n`, 426],
    ['with a body in chunks, to another path', `${handshake(PORT, chunked, '/x')}0\r\n\r\n`, 404],
  ];
  for (const [what, bytes, status] of ignored) {
    test(`${what}: ${status}`, async () => {
      let answer = '';
      const changes = await service.changesDuring(async () => {
        const client = await connectRaw(service.url);
        client.socket.write(bytes);
        await until('the answer', () => client.text().endsWith('}}'));
        client.socket.destroy();
        await client.ended;
        answer = client.text();
      });
      assert.equal(statusOf(answer), status);
      assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1);
      assert.deepEqual(changes, {});
    });
  }
  test('and the others are still served', () => service.checkUnharmed());
});

describe('a handshake that looks odd and is right is accepted', () => {
  const accepted: [what: string, bytes: string][] = [
    ['headers in other cases', handshake(PORT).replace('upgrade: websocket', 'UpGrAdE: WebSocket')],
    ['a list in Connection', handshake(PORT, { connection: 'keep-alive, Upgrade' })],
    ['a query', target('/ws?a=1&a=2&%00=%ff')],
    ['a target in absolute form', target(`http://127.0.0.1:${PORT}/ws?x`)],
    ['an offer of compression', line('sec-websocket-extensions: permessage-deflate; client_max_window_bits')],
    ['extensions that are none', line('sec-websocket-extensions: ;;=,')],
    ['protocols', line('sec-websocket-protocol: a, b')],
    ['no body, said aloud', handshake(PORT, { 'content-length': '0' })],
    ['an expectation', handshake(PORT, { expect: '100-continue' })],
    ['empty lines before it', `\r\n\r\n${handshake(PORT)}`],
  ];
  for (const [what, bytes] of accepted) {
    test(`${what}, with a message in the same packet`, async () => {
      let answer = '';
      const changes = await service.changesDuring(async () => {
        const rest = Buffer.concat([text('{"type":"ping","timestamp":"early"}'), close(1000)]);
        answer = await answerTo(Buffer.concat([Buffer.from(bytes), rest]));
      });
      assert.equal(statusOf(answer), 101);
      assert.doesNotMatch(answer, /^sec-websocket-extensions/im);
      assert.match(framesIn(answer)[1]!.payload.toString(), /"originalTimestamp":"early"/);
      assert.equal(closeCodeIn(answer), 1000);
      assert.deepEqual(changes, { 'closed normal': 1 });
    });
  }
  test('cut in two at each byte', async () => {
    const bytes = handshake(PORT);
    const changes = await service.changesDuring(async () => {
      for (let cut = 1; cut < bytes.length; cut += 1) {
        const client = await connectRaw(service.url);
        client.socket.setNoDelay();
        client.socket.write(bytes.slice(0, cut));
        // A turn of the loop later, so that the two are two reads.
        await new Promise((resolve) => setImmediate(resolve));
        client.socket.write(Buffer.concat([Buffer.from(bytes.slice(cut)), close(1001)]));
        await client.ended;
        assert.equal(closeCodeIn(client.text()), 1001, `cut at ${cut}`);
      }
    });
    assert.deepEqual(changes, { 'closed going_away': bytes.length - 1 });
    await service.checkUnharmed();
  });
});

describe('what is not HTTP is told so or cut off', () => {
  const get = (rest: string): string => `GET /livez HTTP/1.1\r\n${rest}`;
  const others: [what: string, bytes: string | Buffer, status: number][] = [
    ['a TLS greeting', Buffer.from('16030100c8010000c40303', 'hex'), 400],
    ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['zeroes', Buffer.alloc(100), 400],
    ['bytes beyond ASCII', Buffer.alloc(100, 0xff), 400],
    ['a frame before any handshake', text('{"type":"ping"}'), 400],
    ['line feeds alone', handshake(PORT).replaceAll('\r\n', '\n'), 400],
    ['a folded header', get('host: x\r\nx: a\r\n b\r\n\r\n'), 400],
    ['a blank in a header name', get('host: x\r\nx y: z\r\n\r\n'), 400],
    ['a NUL in a target', handshake(PORT, {}, '/ws\0'), 400],
    ['a NUL in a header', get('host: x\r\nx: \0\r\n\r\n'), 400],
    ['two lengths', `${get('host: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n')}`, 400],
    ['a length and chunks', get('host: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n'), 400],
    ['a length below nought', get('host: x\r\ncontent-length: -1\r\n\r\n'), 400],
    ['headers of 9 KB', get(`host: x\r\nx: ${'y'.repeat(9_000)}\r\n\r\n`), 431],
    ['a target of 9 KB', `GET /${'y'.repeat(9_000)} HTTP/1.1\r\n`, 431],
    ['no host', get('connection: close\r\n\r\n'), 400],
    ['two hosts', get('host: x\r\nhost: x\r\n\r\n'), 400],
    ['a tunnel through us', 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n', 501],
    ['a tunnel to a path', 'CONNECT /ws HTTP/1.1\r\nhost: x\r\n\r\n', 501],
  ];
  for (const [what, bytes, status] of others) {
    test(`${what}: ${status}`, async () => {
      let answer = '';
      const changes = await service.changesDuring(async () => {
        answer = await answerTo(bytes);
      });
      assert.equal(statusOf(answer), status);
      assert.deepEqual(changes, {});
    });
  }

  test('what never gets to a route: the answer has a body as all refusals have', async () => {
    for (const [bytes, status, code] of [
      [get('\r\n'), 400, 'bad_request'],
      [get('host: x\r\nexpect: more\r\n\r\n'), 417, 'unknown_expectation'],
      ['CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n', 501, 'not_implemented'],
    ] as const) {
      const answer = await answerTo(bytes);
      assert.equal(statusOf(answer), status);
      assert.match(answer, /^content-type: application\/json; charset=utf-8\r$/m);
      assert.equal(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).error.code, code);
    }
  });

  test('what is a request, and refused for its headers, counts among the requests', async () => {
    const refused = async (): Promise<number[]> => {
      const page = await (await fetch(`${service.url}/metrics`)).text();
      return [400, 417].map((status) => {
        const series = new RegExp(
          `^http_server_request_duration_seconds_count\\{.*status_code="${status}".*\\} (\\d+)$`,
          'gm',
        );
        return [...page.matchAll(series)].reduce((sum, [, count]) => sum + Number(count), 0);
      });
    };
    const before = await refused();
    await answerTo(get('\r\n'));
    await answerTo(get('host: x\r\nexpect: more\r\n\r\n'));
    assert.deepEqual(
      await refused(),
      before.map((count) => count + 1),
    );
  });

  test('and the others are still served', () => service.checkUnharmed());
});

describe('a report that is asked for in a wrong way', () => {
  const asked: [what: string, path: string, init: RequestInit, status: number, code: string][] = [
    ['an unknown parameter', '/stats?verbose=1', {}, 400, 'unknown_parameter'],
    ['a parameter of the prototype', '/stats?__proto__=1', {}, 400, 'unknown_parameter'],
    ['a number that is none', '/metrics/enhanced?limit=many', {}, 400, 'bad_parameter'],
    ['a number below the least', '/metrics/enhanced?limit=0', {}, 400, 'bad_parameter'],
    ['a parameter twice', '/metrics/enhanced?limit=1&limit=2', {}, 400, 'repeated_parameter'],
    ['half of a percent sign', '/metrics/enhanced?limit=%e0%a4%a', {}, 400, 'bad_target'],
    ['an unknown path', '/metrics/nothing', {}, 404, 'not_found'],
    ['a path behind one', '/stats/', {}, 404, 'not_found'],
    ['a wrong method', '/stats', { method: 'DELETE' }, 405, 'method_not_allowed'],
    ['a wrong method on what publishes', '/publish/public.a', {}, 405, 'method_not_allowed'],
    ['a subject with wildcards', '/publish/public.*', { method: 'POST' }, 400, 'bad_subject'],
    ['a subject with CR LF', '/publish/public.%0d%0aPUB', { method: 'POST' }, 400, 'bad_subject'],
    ['a subject elsewhere', '/publish/$SYS.a', { method: 'POST' }, 403, 'forbidden_subject'],
    [
      'a body over the bound',
      '/publish/public.a',
      { method: 'POST', body: 'x'.repeat(2 ** 20 + 1) },
      413,
      'too_large',
    ],
    ['a handshake without an upgrade', '/ws', {}, 426, 'upgrade_required'],
  ];
  for (const [what, path, init, status, code] of asked) {
    test(`${what}: ${status} ${code}`, async () => {
      const heard = service.witness.messages.length;
      const answer = await service.getJson(path, init);
      assert.equal(answer.status, status);
      assert.equal((answer.body as { error: { code: string } }).error.code, code);
      await service.checkUnharmed();
      assert.equal(service.witness.messages.length, heard + 1);
    });
  }
});
