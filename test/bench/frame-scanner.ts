/**
 * Reads server frames out of whatever pieces TCP delivers, fast enough to be faster than any server: it looks at
 * the header and the first bytes of each frame and steps over the rest. Nothing is copied but a frame's beginning
 * that was cut in two by a read, and nothing is allocated per frame.
 *
 * Every frame is counted; latency is taken from every k-th. It is no validator: a stream that is not what a
 * server may send ends the run, since every figure after that would be nonsense.
 */
import { monotonicMs } from './clock.ts';
import type { LatencyHistogram } from './histogram.ts';

/** How the server wraps a message: as it is, or as a socket.io event. */
export type Dialect = 'plain' | 'socket.io';

/** What the scanner keeps for each connection. */
export class Stream {
  /** Published messages that arrived. */
  frames = 0;
  /** Payload bytes of the current frame that are still to come. */
  left = 0;
  /** When the current frame was sent, if it is one of those timed and has not arrived whole; else 0. */
  sentMs = 0;
  /** The beginning of a frame of which not enough has come to know what it is. */
  stash: Buffer | undefined = undefined;
  stashed = 0;
}

export type ScannerCounts = {
  /** Published messages, and their payload bytes. */
  frames: number;
  payloadBytes: number;
  textFrames: number;
  binaryFrames: number;
  /** The server's own messages, and control frames. */
  words: number;
  controlFrames: number;
};

export type ScannerEvents<One extends Stream> = {
  /** A message of the server's own, or as much of its beginning as the scanner looks at. */
  word(stream: One, start: Buffer): void;
  control(stream: One, opcode: number, payload: Buffer): void;
};

/** As much of a payload as is looked at: enough for the mark and for the type of a word. */
const LOOK_BYTES = 64;
/** The longest beginning that is needed to go on: a control frame, or a long header and a look. */
const STASH_BYTES = 128;
const MARK_DIGITS = 16;
const AT = 0x40;

const hexValues = new Uint8Array(256).fill(0xff);
for (const [value, digit] of [...'0123456789abcdef'].entries()) hexValues[digit.charCodeAt(0)] = value;

export class FrameScanner<One extends Stream> {
  readonly counts: ScannerCounts = {
    frames: 0,
    payloadBytes: 0,
    textFrames: 0,
    binaryFrames: 0,
    words: 0,
    controlFrames: 0,
  };
  readonly #events: ScannerEvents<One>;
  readonly #latency: LatencyHistogram;
  readonly #isSocketIo: boolean;
  readonly #sampleEvery: number;
  #untilSample: number;
  /** Where in the payload the mark was last found: the same place in all messages of a run. */
  #markAt = 0;
  #nowMs = 0;

  constructor(
    events: ScannerEvents<One>,
    latency: LatencyHistogram,
    { dialect = 'plain', sampleEvery = 1 }: { dialect?: Dialect; sampleEvery?: number } = {},
  ) {
    this.#events = events;
    this.#latency = latency;
    this.#isSocketIo = dialect === 'socket.io';
    this.#sampleEvery = sampleEvery;
    this.#untilSample = sampleEvery;
  }

  /** Takes what one read brought: `data` from `at` to `end`. */
  scan(stream: One, data: Buffer, at: number, end: number): void {
    this.#nowMs = monotonicMs();
    const before = this.counts.frames;
    if (stream.left > 0) at = this.#skip(stream, at, end);
    if (stream.stashed > 0) at = this.#mend(stream, data, at, end);
    while (at < end) {
      const need = beginningLength(data, at, end);
      if (at + need > end) {
        stream.stash ??= Buffer.allocUnsafeSlow(STASH_BYTES);
        stream.stashed = data.copy(stream.stash, 0, at, end);
        break;
      }
      const length = this.#take(stream, data, at);
      if (at + length > end) {
        stream.left = at + length - end;
        break;
      }
      at += length;
      if (stream.sentMs !== 0) this.#arrived(stream);
    }
    stream.frames += this.counts.frames - before;
  }

  #skip(stream: One, at: number, end: number): number {
    if (stream.left > end - at) {
      stream.left -= end - at;
      return end;
    }
    const next = at + stream.left;
    stream.left = 0;
    if (stream.sentMs !== 0) this.#arrived(stream);
    return next;
  }

  /** Adds to a beginning that was cut in two until there is enough of it; then the frame is as any other. */
  #mend(stream: One, data: Buffer, at: number, end: number): number {
    const stash = stream.stash!;
    for (;;) {
      // What has been added may be the length that tells that more is needed.
      const missing = beginningLength(stash, 0, stream.stashed) - stream.stashed;
      if (missing <= 0) break;
      if (at === end) return end;
      const copied = data.copy(stash, stream.stashed, at, Math.min(end, at + missing));
      stream.stashed += copied;
      at += copied;
    }
    stream.left = this.#take(stream, stash, 0) - stream.stashed;
    stream.stashed = 0;
    if (stream.left > 0) return this.#skip(stream, at, end);
    if (stream.sentMs !== 0) this.#arrived(stream);
    return at;
  }

  /** Counts the frame whose beginning lies at `at`, and answers with its length, header included. */
  #take(stream: One, data: Buffer, at: number): number {
    const first = data[at]!;
    const short = data[at + 1]!;
    let payloadAt = at + 2;
    let length = short;
    if (short === 126) {
      length = (data[at + 2]! << 8) | data[at + 3]!;
      payloadAt = at + 4;
    } else if (short === 127) {
      length = data.readUInt32BE(at + 2) * 2 ** 32 + data.readUInt32BE(at + 6);
      payloadAt = at + 10;
    }
    const { counts } = this;
    if (first !== 0x81 && first !== 0x82) {
      this.#takeControl(stream, data, first, payloadAt, length);
    } else if (this.#isPublished(data, payloadAt, length)) {
      counts.frames += 1;
      counts.payloadBytes += length;
      if (first === 0x81) counts.textFrames += 1;
      else counts.binaryFrames += 1;
      this.#untilSample -= 1;
      if (this.#untilSample === 0) {
        this.#untilSample = this.#sampleEvery;
        stream.sentMs = this.#sentMs(data, payloadAt, Math.min(length, LOOK_BYTES));
      }
    } else {
      counts.words += 1;
      this.#events.word(stream, data.subarray(payloadAt, payloadAt + Math.min(length, LOOK_BYTES)));
    }
    return payloadAt - at + length;
  }

  /** The server's own words begin with {"type"; a published message of the bench never does. */
  #isPublished(data: Buffer, at: number, length: number): boolean {
    if (this.#isSocketIo) return length > 8 && data[at] === 0x34 && data[at + 4] === 0x6d;
    return length > 8 && !(data[at + 2] === 0x74 && data[at + 3] === 0x79);
  }

  #takeControl(stream: One, data: Buffer, first: number, payloadAt: number, length: number): void {
    if ((first !== 0x88 && first !== 0x89 && first !== 0x8a) || length > 125) {
      throw new Error(`not a frame that a server sends: first byte 0x${first.toString(16)}, ${length} bytes`);
    }
    this.counts.controlFrames += 1;
    this.#events.control(stream, first & 0xf, data.subarray(payloadAt, payloadAt + length));
  }

  /** The time in the mark, or 0 where there is none. */
  #sentMs(data: Buffer, from: number, length: number): number {
    let at = from + this.#markAt;
    if (data[at] !== AT) {
      at = data.indexOf(AT, from);
      if (at === -1 || at - from + MARK_DIGITS >= length) return 0;
      this.#markAt = at - from;
    }
    // Two halves of 32 bits, for 64 do not fit into a number; together they are exact for the first hundred days.
    let upper = 0;
    let lower = 0;
    let all = 0;
    for (let digit = 1; digit <= MARK_DIGITS / 2; digit += 1) {
      const ofUpper = hexValues[data[at + digit]!]!;
      const ofLower = hexValues[data[at + digit + MARK_DIGITS / 2]!]!;
      all |= ofUpper | ofLower;
      upper = upper * 16 + ofUpper;
      lower = lower * 16 + ofLower;
    }
    return all > 0xf ? 0 : (upper * 2 ** 32 + lower) / 1e6;
  }

  #arrived(stream: One): void {
    this.#latency.record(this.#nowMs - stream.sentMs);
    stream.sentMs = 0;
  }
}

/** How many bytes of the frame at `at` are needed to take it; more than there are, when that cannot be told yet. */
function beginningLength(data: Buffer, at: number, end: number): number {
  if (end - at < 2) return 2;
  const short = data[at + 1]!;
  if (short < 126) return 2 + ((data[at]! & 0x8) !== 0 || short < LOOK_BYTES ? short : LOOK_BYTES);
  if (short === 126) return 4 + LOOK_BYTES;
  if (short === 127) return 10 + LOOK_BYTES;
  throw new Error('a server must not mask its frames');
}
