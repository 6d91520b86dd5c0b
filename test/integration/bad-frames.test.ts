/**
 * Every class of frame that RFC 6455 forbids is written to a real socket: whole, and cut in two at each byte.
 * Each ends with its own close code, is counted under its own reason, and nobody else notices.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CloseReason } from '../../src/gateway/close-codes.ts';
import { close, closeCodeIn, type FrameParts, frame, framesIn, text } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { startWatchedService, type WatchedService } from '../support/watched-service.ts';
import { connectRaw, handshake } from '../support/ws-client.ts';

type Breach = { what: string; bytes: Buffer; code: number; reason: CloseReason };

const breach = (
  what: string,
  bytes: Buffer,
  code = 1002,
  reason: CloseReason = 'protocol_error',
): Breach => ({
  what,
  bytes,
  code,
  reason,
});
const first = (payload: string | Uint8Array): Buffer => frame({ fin: false, opcode: 0x1, payload });
const next = (payload: string | Uint8Array, fin = true): Buffer => frame({ fin, opcode: 0x0, payload });
const tooBig = (what: string, parts: FrameParts): Breach =>
  breach(what, frame(parts), 1009, 'message_too_big');
const notUtf8 = (what: string, ...bytes: number[]): Breach =>
  breach(`${what} in a text`, text(Buffer.from(bytes)), 1007);

const SIZE_MAX = 16 * 1024;

const breaches: Breach[] = [
  ...[1, 2, 3, 4, 7].flatMap((reserved) => [
    breach(`reserved bits ${reserved} on a text`, frame({ reserved, opcode: 0x1, payload: 'a' })),
    breach(`reserved bits ${reserved} on a ping`, frame({ reserved, opcode: 0x9 })),
  ]),
  breach(
    'a reserved bit on a continuation',
    Buffer.concat([first('a'), frame({ reserved: 4, opcode: 0x0 })]),
  ),
  ...[0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf].map((opcode) =>
    breach(`the unknown opcode ${opcode}`, frame({ opcode, payload: 'a' })),
  ),
  ...[0x0, 0x1, 0x2, 0x8, 0x9, 0xa].map((opcode) =>
    breach(`opcode ${opcode} without a mask`, frame({ opcode, payload: 'ab', isMasked: false })),
  ),
  ...[0x8, 0x9, 0xa].flatMap((opcode) => [
    breach(`the control frame ${opcode} in fragments`, frame({ fin: false, opcode })),
    breach(`the control frame ${opcode} of 126 bytes`, frame({ opcode, payload: Buffer.alloc(126) })),
    breach(`the control frame ${opcode} of 64 KiB`, frame({ opcode, payload: Buffer.alloc(65_536) })),
    breach(`the control frame ${opcode} with a long length`, frame({ opcode, payload: 'a', lengthBits: 16 })),
  ]),
  breach('a continuation of nothing', next('a')),
  breach('a continuation of nothing, with more to come', next('a', false)),
  breach('a continuation after the end', Buffer.concat([first('{"type":'), next('"heartbeat"}'), next('a')])),
  breach('a text within a fragmented text', Buffer.concat([first('a'), text('b')])),
  breach(
    'a binary frame within a fragmented text',
    Buffer.concat([first('a'), frame({ opcode: 0x2, payload: 'b' })]),
  ),
  breach('a close payload of one byte', frame({ opcode: 0x8, payload: Buffer.from([3]) })),
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) =>
    breach(`the close code ${code}`, close(code)),
  ),
  breach('a close reason that is not UTF-8', close(1000, Buffer.from([0xc3, 0x28])), 1007),
  breach('a close reason that is cut in a character', close(1000, Buffer.from([0xe2, 0x82])), 1007),
  notUtf8('a lone continuation byte', 0x61, 0x80),
  notUtf8('an overlong slash', 0xc0, 0xaf),
  notUtf8('half of a surrogate pair', 0xed, 0xa0, 0x80),
  notUtf8('a code point beyond the last', 0xf4, 0x90, 0x80, 0x80),
  notUtf8('a character cut short', 0xe2, 0x82),
  notUtf8('a byte that is in no UTF-8', 0xff),
  breach(
    'a fragmented text that is not UTF-8',
    Buffer.concat([first(Buffer.from([0xe2, 0x82])), next('a')]),
    1007,
  ),
  tooBig('a message of one byte too many', { opcode: 0x1, payload: Buffer.alloc(SIZE_MAX + 1, 'a') }),
  tooBig('a binary message of one byte too many', { opcode: 0x2, payload: Buffer.alloc(SIZE_MAX + 1) }),
  tooBig('a claim of 64 KiB less one', { opcode: 0x1, claimedLength: 65_535n }),
  tooBig('a claim of 4 GiB', { opcode: 0x1, claimedLength: 2n ** 32n }),
  tooBig('a claim of 2^53 bytes', { opcode: 0x1, claimedLength: 2n ** 53n }),
  tooBig('a claim of 2^64 bytes less one', { opcode: 0x2, claimedLength: 2n ** 64n - 1n }),
  breach(
    'fragments that are too big together',
    Buffer.concat([first(Buffer.alloc(SIZE_MAX, 'a')), next('a')]),
    1009,
    'message_too_big',
  ),
  breach(
    'a message of seventeen fragments',
    Buffer.concat([first(''), ...Array.from({ length: 16 }, () => next('', false))]),
    1008,
    'policy',
  ),
  breach('a binary message', frame({ opcode: 0x2, payload: '{"type":"ping"}' }), 1003),
  breach('an empty binary message', frame({ opcode: 0x2 }), 1003),
  breach(
    'a fragmented binary message',
    Buffer.concat([frame({ fin: false, opcode: 0x2, payload: 'a' }), next('b')]),
    1003,
  ),
  breach('a second handshake', Buffer.from(handshake(80))),
];

describe('a frame that no client may send', () => {
  let service: WatchedService;
  before(async () => {
    service = await startWatchedService();
  });
  after(async () => {
    await service.checkUnharmed();
    await service.stop();
  });

  const received = (): number => {
    const calm = { starting: false, draining: false, bus: false, capacity: false };
    return service.service.gateway.figures(calm).wireBytes.receive;
  };

  /** Opens a connection, writes the pieces one read apart, and answers with the code of the close frame. */
  async function closeCodeAfter(...pieces: Buffer[]): Promise<number> {
    const client = await connectRaw(service.url);
    client.socket.setNoDelay();
    client.socket.write(handshake(service.port));
    await until('the welcome', () => framesIn(client.text()).length === 1, { everyMs: 1 });
    for (const piece of pieces.slice(0, -1)) {
      const expected = received() + piece.length;
      client.socket.write(piece);
      await until('it is read', () => received() >= expected, { everyMs: 1 });
    }
    client.socket.write(pieces.at(-1)!);
    // Binary data breaks our rule, not the protocol's: that connection is closed politely, and waits for an answer.
    client.socket.on('data', () => {
      if (closeCodeIn(client.text()) === 1003) client.socket.write(close(1003));
    });
    await client.ended;
    return closeCodeIn(client.text());
  }

  for (const { what, bytes, code, reason } of breaches) {
    test(`${what}: ${code}, counted as ${reason}`, async () => {
      let got = 0;
      const changes = await service.changesDuring(async () => {
        got = await closeCodeAfter(bytes);
      });
      assert.equal(got, code);
      assert.deepEqual(changes, { [`closed ${reason}`]: 1 });
      await service.checkUnharmed();
    });
  }

  const short = breaches.filter(({ bytes }) => bytes.length <= 12);
  test(`the ${short.length} short ones, cut in two at each byte`, async () => {
    const expected: Record<string, number> = {};
    const changes = await service.changesDuring(async () => {
      for (const { what, bytes, code, reason } of short) {
        for (let cut = 1; cut < bytes.length; cut += 1) {
          const got = await closeCodeAfter(bytes.subarray(0, cut), bytes.subarray(cut));
          assert.equal(got, code, `${what}, cut at ${cut}`);
          expected[`closed ${reason}`] = (expected[`closed ${reason}`] ?? 0) + 1;
        }
      }
    });
    assert.deepEqual(changes, expected);
  });

  test('byte by byte', async () => {
    // The breach is in the first two bytes of the last frame; nothing is read after them.
    const breaking = text('b').subarray(0, 2);
    const bytes = Buffer.concat([text('{"type":"heartbeat"}'), first('a'), frame({ opcode: 0x9 }), breaking]);
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    const changes = await service.changesDuring(async () => {
      assert.equal(await closeCodeAfter(...pieces), 1002);
    });
    assert.deepEqual(changes, { 'closed protocol_error': 1 });
  });

  test('is the last that is read: nothing behind it is understood', async () => {
    const changes = await service.changesDuring(async () => {
      const bad = frame({ opcode: 0x3 });
      assert.equal(
        await closeCodeAfter(Buffer.concat([bad, text('{}'), text('nonsense'), close(1000)])),
        1002,
      );
    });
    assert.deepEqual(changes, { 'closed protocol_error': 1 });
  });
});

describe('a frame that a client may send, odd as it is', () => {
  let service: WatchedService;
  before(async () => {
    service = await startWatchedService();
  });
  after(() => service.stop());

  /** Writes it, then a ping message; answers with what came back before the pong. */
  async function answersTo(bytes: Buffer): Promise<string[]> {
    const client = await connectRaw(service.url);
    client.socket.write(handshake(service.port));
    client.socket.write(Buffer.concat([bytes, text('{"type":"ping"}'), close(1000)]));
    await client.ended;
    return framesIn(client.text())
      .slice(1)
      .map(({ opcode, payload }) => `${opcode} ${payload.toString()}`.replace(/"timestamp".*$/, '...'));
  }

  const pong = '1 {"type":"pong",...';
  const bye = `8 ${Buffer.from([0x03, 0xe8]).toString()}`;

  test('a message in sixteen fragments with pings between them', async () => {
    const letters = [...'{"type":"ping" }'];
    const pieces = letters.map((letter, index) =>
      frame({ fin: index === 15, opcode: index === 0 ? 0x1 : 0x0, payload: letter }),
    );
    const bytes = Buffer.concat(pieces.flatMap((piece) => [frame({ opcode: 0x9, payload: 'tide' }), piece]));
    const answers = await answersTo(bytes);
    assert.deepEqual(answers, [...Array(16).fill('10 tide'), pong, pong, bye]);
  });

  test('a length in more bits than it takes', async () => {
    for (const lengthBits of [16, 64] as const) {
      assert.deepEqual(await answersTo(frame({ opcode: 0x1, payload: '{"type":"ping"}', lengthBits })), [
        pong,
        pong,
        bye,
      ]);
    }
  });

  test('pings of 0 and 125 bytes, and pongs that nobody asked for', async () => {
    const whole = 'x'.repeat(125);
    const bytes = [frame({ opcode: 0x9 }), frame({ opcode: 0x9, payload: whole }), frame({ opcode: 0xa })];
    assert.deepEqual(await answersTo(Buffer.concat(bytes)), ['10 ', `10 ${whole}`, pong, bye]);
  });

  test('every code that a client may close with, with and without a reason', async () => {
    const codes = [
      1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
    ];
    const changes = await service.changesDuring(async () => {
      for (const code of codes) {
        for (const bytes of [close(code), close(code, 'adieu ✓'), close(code, 'x'.repeat(123))]) {
          const client = await connectRaw(service.url);
          client.socket.write(Buffer.concat([Buffer.from(handshake(service.port)), bytes, text('too late')]));
          await client.ended;
          assert.equal(closeCodeIn(client.text()), code);
        }
      }
      const client = await connectRaw(service.url);
      client.socket.write(Buffer.concat([Buffer.from(handshake(service.port)), close()]));
      await client.ended;
      assert.equal(closeCodeIn(client.text()), 1005);
    });
    const others = (codes.length - 2) * 3;
    assert.deepEqual(changes, { 'closed normal': 4, 'closed going_away': 3, 'closed client_error': others });
    await service.checkUnharmed();
  });
});
