/** The load client's reader, on streams of every kind of frame, cut wherever TCP might cut them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeFrame } from '../../../src/gateway/frame.ts';
import { mark } from '../../bench/clock.ts';
import { type Dialect, FrameScanner, Stream } from '../../bench/frame-scanner.ts';
import { LatencyHistogram } from '../../bench/histogram.ts';

type Seen = { words: string[]; controls: [number, string][] };

function createScanner(dialect: Dialect = 'plain', sampleEvery = 1) {
  const seen: Seen = { words: [], controls: [] };
  const latency = new LatencyHistogram();
  const scanner = new FrameScanner<Stream>(
    {
      word: (_stream, start) => seen.words.push(start.toString()),
      control: (_stream, opcode, payload) => seen.controls.push([opcode, payload.toString()]),
    },
    latency,
    { dialect, sampleEvery },
  );
  return { scanner, seen, latency, stream: new Stream() };
}

const text = (payload: string): Buffer => encodeFrame(Buffer.from(payload)).bytes;
const control = (opcode: number, payload: string): Buffer =>
  Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), Buffer.from(payload)]);
const message = (bytes: number): string =>
  `{"t":"${mark()}","n":1,"pad":"`.padEnd(bytes - 2, 'x').concat('"}');

const sizes = [40, 125, 126, 200, 65_535, 65_536, 70_000];
const frames = [
  text('{"type":"connectionEstablished"}'),
  ...sizes.map((size) => text(message(size))),
  control(9, ''),
  control(9, 'p'.repeat(125)),
  text(message(50)),
  encodeFrame(Buffer.alloc(300, 0xff)).bytes,
  control(10, '7'),
  text('{"type":"gap","reason":"slow","dropped":1}'),
  control(8, '\u0003'),
];
const bytes = Buffer.concat(frames);
const published = sizes.length + 2;

function checkAll(made: ReturnType<typeof createScanner>): void {
  const { scanner, seen, latency, stream } = made;
  assert.equal(stream.frames, published);
  assert.deepEqual(scanner.counts, {
    frames: published,
    payloadBytes: sizes.reduce((sum, size) => sum + size, 0) + 50 + 300,
    textFrames: published - 1,
    binaryFrames: 1,
    words: 2,
    controlFrames: 4,
  });
  assert.deepEqual(seen.words, [
    '{"type":"connectionEstablished"}',
    '{"type":"gap","reason":"slow","dropped":1}',
  ]);
  assert.deepEqual(seen.controls, [
    [9, ''],
    [9, 'p'.repeat(125)],
    [10, '7'],
    [8, '\u0003'],
  ]);
  // All but the binary one carry a mark.
  assert.equal(latency.summary().samples, published - 1);
}

describe('the frame scanner', () => {
  test('counts every frame of a stream that comes in one piece', () => {
    const made = createScanner();
    made.scanner.scan(made.stream, bytes, 0, bytes.length);
    checkAll(made);
  });

  test('counts the same wherever a stream is cut in two', () => {
    // Long payloads are alike in their middle, so cuts within a hundred bytes of a frame's ends are all there are.
    let start = 0;
    for (const frame of frames) {
      for (let offset = 0; offset < frame.length; offset += 1) {
        if (offset > 100 && offset < frame.length - 100) continue;
        const made = createScanner();
        const cut = start + offset;
        made.scanner.scan(made.stream, bytes, 0, cut);
        made.scanner.scan(made.stream, bytes, cut, bytes.length);
        checkAll(made);
      }
      start += frame.length;
    }
  });

  test('counts the same when a stream comes byte by byte, in a buffer that is used again', () => {
    const made = createScanner();
    const one = Buffer.alloc(1);
    for (const byte of bytes) {
      one[0] = byte;
      made.scanner.scan(made.stream, one, 0, 1);
    }
    checkAll(made);
  });

  test('keeps the streams of two connections apart', () => {
    const { scanner, latency } = createScanner();
    const [left, right] = [new Stream(), new Stream()];
    const frame = text(message(200));
    for (let at = 0; at < frame.length; at += 7) {
      const end = Math.min(frame.length, at + 7);
      scanner.scan(left, frame, at, end);
      scanner.scan(right, frame, at, end);
    }
    assert.deepEqual([left.frames, right.frames], [1, 1]);
    assert.equal(latency.summary().samples, 2);
  });

  test('takes the latency of every k-th message, and counts all', () => {
    const { scanner, latency, stream } = createScanner('plain', 3);
    const frame = text(message(200));
    for (let sent = 0; sent < 10; sent += 1) scanner.scan(stream, frame, 0, frame.length);
    assert.equal(stream.frames, 10);
    assert.equal(latency.summary().samples, 3);
  });

  test('reads the time of sending from the mark', () => {
    const { scanner, latency, stream } = createScanner();
    // The clock counts from the start of the machine, which may have been a minute ago.
    const sent = process.hrtime.bigint() / 2n;
    const frame = text(`{"t":"@${sent.toString(16).padStart(16, '0')}","n":1}`);
    scanner.scan(stream, frame, 0, frame.length);
    const { maxMs } = latency.summary();
    const sinceMs = Number(process.hrtime.bigint() - sent) / 1e6;
    assert.ok(maxMs > sinceMs - 5_000 && maxMs <= sinceMs, `${maxMs} of ${sinceMs} ms`);
  });

  test('tells socket.io messages from its packets', () => {
    const { scanner, seen, latency, stream } = createScanner('socket.io');
    const packets = ['0{"sid":"a"}', '40{"sid":"b"}', '2', `42["m",${JSON.stringify(message(100))}]`];
    const all = Buffer.concat(packets.map(text));
    scanner.scan(stream, all, 0, all.length);
    assert.equal(stream.frames, 1);
    assert.deepEqual(seen.words, packets.slice(0, 3));
    assert.equal(latency.summary().samples, 1);
  });

  for (const [what, first, second] of [
    ['a reserved bit', 0xc1, 20],
    ['a fragment', 0x01, 20],
    ['a reserved opcode', 0x83, 20],
    ['a masked frame', 0x81, 0x80 | 20],
  ] as const) {
    test(`refuses a stream with ${what}`, () => {
      const { scanner, stream } = createScanner();
      const frame = Buffer.concat([Buffer.from([first, second]), Buffer.alloc(20, 'x')]);
      assert.throws(() => scanner.scan(stream, frame, 0, frame.length));
    });
  }
});
