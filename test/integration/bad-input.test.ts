/**
 * Messages that make no sense, or mean harm, and too many of them. Each is answered with its own error, counted
 * by that error, and leaves the connection as it was; nothing of it reaches the bus; nobody else notices.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { MessageError } from '../../src/gateway/protocol.ts';
import { frame, framesIn, text } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { startWatchedService, type WatchedService } from '../support/watched-service.ts';
import { connectClient, connectRaw, handshake } from '../support/ws-client.ts';

const subscribe = (...channels: unknown[]): string => JSON.stringify({ type: 'subscribe', channels });
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const malformed = {
  nothing: '',
  blanks: ' \r\n\t ',
  'no JSON': 'hello',
  'half of it': '{"type":"ping"',
  'two at once': '{"type":"ping"}{"type":"ping"}',
  'a trailing comma': '{"type":"ping",}',
  'single quotes': "{'type':'ping'}",
  'a byte order mark': '\ufeff{"type":"ping"}',
  'a NUL behind it': '{"type":"ping"}\0',
  'a control character in a string': '{"type":"pi\u0001ng"}',
  'no number': '{"type":"ping","timestamp":NaN}',
  null: 'null',
  'a number': '1e999',
  'a string': '"ping"',
  'an array': '[{"type":"ping"}]',
  'eight thousand arrays': nested(8_000),
  'a nested timestamp': `{"type":"ping","timestamp":${nested(4_000)}}`,
  'an object for a timestamp': '{"type":"ping","timestamp":{"toJSON":1}}',
  'no channels': '{"type":"subscribe"}',
  'no channel': subscribe(),
  'channels that are a string': '{"type":"subscribe","channels":"public.a"}',
  'channels that are an object': '{"type":"unsubscribe","channels":{"length":1,"0":"public.a"}}',
  'a channel that is a number': subscribe('public.a', 7),
  'a channel that is null': subscribe(null),
  'a channel that is an array': subscribe(['public.a']),
};

const unknownType = {
  'no type': '{}',
  'another type': '{"type":"publish","channels":["public.a"]}',
  'another case': '{"type":"PING"}',
  'a type that is a number': '{"type":0}',
  'a type that is an object': '{"type":{"toString":"ping"}}',
  'a type of the prototype': '{"__proto__":{"type":"ping"}}',
  'the name of a method': '{"type":"constructor"}',
  ['__proto__']: '{"type":"__proto__"}',
  'one of ours': '{"type":"connectionEstablished"}',
  'ten thousand letters': JSON.stringify({ type: 'x'.repeat(10_000) }),
  'the first of two types': '{"type":"ping","type":"pong"}',
};

const badChannels = {
  'an empty one': '',
  'a blank': 'public.a b',
  'CR LF and a command': 'public.a\r\nPUB public.b 2\r\nhi',
  'LF alone': 'public.\n',
  'a tab': 'public.\ta',
  'a NUL': 'public.\0',
  'a no-break space': 'public.\u00a0a',
  'an invisible character': 'public.a\u200b',
  'a character that turns the text round': 'public.\u202eb',
  DEL: 'public.\u007f',
  'half of a surrogate pair': 'public.\ud800',
  'the halves the wrong way round': 'public.\udc00\ud800',
  'a star within a token': 'public.a*',
  'two stars in a token': 'public.**',
  'a greater-than within a token': 'public.a>',
  'a greater-than that is not last': 'public.>.a',
  'two of them': 'public.>.>',
  'a dot before it': '.public.a',
  'a dot behind it': 'public.a.',
  'two dots': 'public..a',
  'dots alone': '...',
  'ten thousand letters': `public.${'a'.repeat(10_000)}`,
  'five thousand tokens': `public${'.a'.repeat(5_000)}`,
  'one letter too many': `public.${'a'.repeat(250)}`,
  'one token too many': `public${'.a'.repeat(32)}`,
};

const forbidden = {
  everything: '>',
  'any first token': '*.a',
  'a star': '*',
  "the server's own": '$SYS.>',
  inboxes: '_INBOX.>',
  JetStream: '$JS.API.>',
  'another name': 'private.a',
  'the name alone': 'public',
  'the name and more': 'publicity.a',
  'another case': 'PUBLIC.a',
  ['__proto__']: '__proto__',
  'a method': 'toString.a',
  'letters that look like it': 'рublic.a',
};

const allowed = [
  'public.ünïcödé.日本.🌊',
  'public.__proto__',
  'public.constructor.>',
  'public.*.*.>',
  'public.$SYS',
];

describe('a message that cannot be used', () => {
  let service: WatchedService;
  before(async () => {
    // One subscription upstream, for what every client hears; nothing else may come to be.
    service = await startWatchedService();
  });
  after(() => service.stop());

  async function errorAfter(message: string): Promise<{ code: string; heard: number }> {
    const client = await connectClient(service.wsUrl);
    client.send(message);
    const { code } = await client.heard('error');
    // It is still served, and hears what it heard before.
    service.service.bus.publish('public.still', Buffer.from('still here'));
    await until('the next message', () => client.messages.includes('still here'), { everyMs: 1 });
    client.send({ type: 'ping' });
    await client.heard('pong');
    client.socket.close(1000);
    await client.closed;
    return { code: String(code), heard: client.messages.length };
  }

  const cases: [MessageError, Record<string, string>, (one: string) => string][] = [
    ['malformed', malformed, (one) => one],
    ['unknown_type', unknownType, (one) => one],
    ['bad_channel', badChannels, (one) => subscribe(one)],
    ['bad_channel', badChannels, (one) => JSON.stringify({ type: 'unsubscribe', channels: [one] })],
    ['bad_channel', badChannels, (one) => subscribe('public.a', one, '>')],
    ['forbidden', forbidden, (one) => subscribe(one)],
    ['forbidden', forbidden, (one) => subscribe('public.a', one)],
    [
      'too_many_subscriptions',
      { 'one channel too many': '100' },
      () => subscribe(...Array.from({ length: 101 }, (_, index) => `public.${index}`)),
    ],
  ];
  for (const [error, inputs, wrap] of cases) {
    const example = wrap('...').slice(0, 60);
    test(`is answered with ${error}, for ${Object.keys(inputs).length} inputs like ${example}`, async () => {
      for (const [what, input] of Object.entries(inputs)) {
        let answer = { code: '', heard: 0 };
        const changes = await service.changesDuring(async () => {
          answer = await errorAfter(wrap(input));
        });
        assert.deepEqual(answer, { code: error, heard: 4 }, what);
        assert.deepEqual(changes, { [`refused ${error}`]: 1, 'closed normal': 1 }, what);
      }
      await service.checkUnharmed();
    });
  }

  test('is unlike one that looks odd and is right', async () => {
    const client = await connectClient(service.wsUrl);
    client.send(subscribe(...allowed));
    assert.deepEqual((await client.heard('subscribed')).channels, allowed);
    client.send('{"__proto__":null,"type":"ping","timestamp":"\\ud800","constructor":1}');
    assert.equal((await client.heard('pong')).originalTimestamp, '\ud800');
    for (const channel of ['public.ünïcödé.日本.🌊', 'public.__proto__', 'public.$SYS']) {
      service.service.bus.publish(channel, Buffer.from(channel));
      await until('it is heard', () => client.messages.at(-1) === channel);
    }
    client.socket.close(1000);
    await client.closed;
    await service.checkUnharmed();
  });
});

describe('too much', () => {
  const FLOOD = 20_000;
  let service: WatchedService;
  beforeEach(async () => {
    await service?.stop();
    // The limits of rate have tests of their own; here the rest must hold without them.
    service = await startWatchedService({
      TIDEGAUGE_RECEIVE_RATE: '1000000',
      TIDEGAUGE_RECEIVE_BURST: '1000000',
      TIDEGAUGE_BAD_MESSAGES: '1000000',
    });
  });
  after(() => service.stop());

  /** A client that writes all of it as fast as it is taken, and reads whatever comes back. */
  async function flood(bytes: Buffer): Promise<{ opcode: number; payload: Buffer }[]> {
    const client = await connectRaw(service.url);
    client.socket.write(handshake(service.port));
    client.socket.write(Buffer.concat([bytes, text('{"type":"heartbeat"}')]));
    const isOver = (): boolean => client.socket.destroyed || client.text().slice(-150).includes('"uptime"');
    await until('the end of the flood', isOver, { timeoutMs: 20_000 });
    client.socket.destroy();
    await client.ended;
    return framesIn(client.text());
  }

  test('pings are each answered or overtaken by a later one, and the last is answered', async () => {
    const pings = Array.from({ length: FLOOD }, (_, index) => frame({ opcode: 0x9, payload: `${index}` }));
    const answers = await flood(Buffer.concat(pings));
    const pongs = answers.filter(({ opcode }) => opcode === 0xa).map(({ payload }) => Number(payload));
    assert.deepEqual(
      pongs,
      [...new Set(pongs)].sort((a, b) => a - b),
    );
    assert.equal(pongs.at(-1), FLOOD - 1);
    const frames = service.service.gateway.ledger.controlFrames;
    assert.equal(frames.receive.ping, FLOOD);
    assert.equal(frames.transmit.pong, pongs.length);
    await service.checkUnharmed();
  });

  test('tiny messages are each answered', async () => {
    const changes = await service.changesDuring(async () => {
      const answers = await flood(Buffer.concat(Array.from({ length: FLOOD }, () => text('{}'))));
      const errors = answers.filter(({ payload }) => payload.includes('"unknown_type"'));
      assert.equal(errors.length, FLOOD);
    });
    assert.deepEqual(changes, { 'refused unknown_type': FLOOD, 'closed no_close_frame': 1 });
    await service.checkUnharmed();
  });

  test('fragments of nothing end the connection that sends them', async () => {
    const pieces = [frame({ fin: false, opcode: 0x1 })];
    for (let piece = 0; piece < FLOOD; piece += 1) pieces.push(frame({ fin: false, opcode: 0x0 }));
    const changes = await service.changesDuring(async () => {
      const answers = await flood(Buffer.concat(pieces));
      assert.equal(answers.at(-1)!.payload.readUInt16BE(), 1008);
    });
    assert.deepEqual(changes, { 'closed policy': 1 });
    await service.checkUnharmed();
  });

  test('subscriptions come and go without leaving anything behind', async () => {
    const pairs = Array.from({ length: 2_000 }, (_, index) => {
      const channels = [`public.${index}.>`, `public.*.${index}`];
      return [
        text(JSON.stringify({ type: 'subscribe', channels })),
        text(JSON.stringify({ type: 'unsubscribe', channels })),
      ];
    });
    const answers = await flood(Buffer.concat(pairs.flat()));
    assert.equal(answers.filter(({ payload }) => payload.includes('ubscribed"')).length, 4_000);
    const readings = await service.collect();
    assert.equal(readings.value('tidegauge.channel.active'), 1);
    assert.equal(readings.value('tidegauge.audience.active'), 1);
    await service.checkUnharmed();
  });

  test('for one that does not read its answers ends at its bound', async () => {
    const client = await connectRaw(service.url);
    client.socket.write(handshake(service.port));
    await until('the welcome', () => framesIn(client.text()).length === 1);
    client.socket.pause();
    const { gateway } = service.service;
    const calm = { starting: false, draining: false, bus: false, capacity: false };
    const many = Buffer.concat(Array.from({ length: 1_000 }, () => text('{"type":"ping"}')));
    let largest = 0;
    await until(
      'it is cut',
      () => {
        if (client.socket.writableLength === 0) client.socket.write(many);
        const { sendQueue, states } = gateway.figures(calm);
        largest = Math.max(largest, sendQueue.largestBytes);
        return states.closing > 0;
      },
      { everyMs: 1, timeoutMs: 20_000 },
    );
    assert.ok(largest > 0 && largest <= 64 * 1024, `${largest} bytes waited`);
    client.socket.destroy();
    await until('it is gone', () => gateway.ledger.closed.slow_consumer === 1);
    await service.checkUnharmed();
  });
});
