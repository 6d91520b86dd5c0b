/** One published message on its way to all its listeners: framed once, shared by all, written to by nobody. */
import type { Frame } from './frame.ts';

/**
 * A class and no literal: where V8 finds the objects of a literal alive after a scavenge, it makes the later ones old from
 * the beginning, and the first messages, sent by code that is still new, live that long. An old one keeps its frame, so all
 * of them waited for a mark-compact (`--no-allocation-site-pretenuring` is the proof). Objects of a class are made young.
 */
export class Fanout {
  readonly bytes: Buffer;
  readonly payloadLength: number;
  readonly subject: string;
  /** Monotonic milliseconds at which the bus delivered it. */
  readonly arrivedMs: number;
  /** Audiences that it is still to be written to. */
  audiences = 0;
  /** Some members of an audience have it, and the others are about to: it cannot be dropped. */
  isBeingWritten = false;
  #kept: Fanout | undefined;

  constructor(subject: string, { bytes, payloadLength }: Frame, arrivedMs: number) {
    this.bytes = bytes;
    this.payloadLength = payloadLength;
    this.subject = subject;
    this.arrivedMs = arrivedMs;
  }

  /** For those who keep it for long: one for all of them, whose frame holds nobody else's memory. */
  get kept(): Fanout {
    if (this.#kept === undefined) {
      const bytes = ofOwnSize(this.bytes);
      const { subject, payloadLength, arrivedMs } = this;
      this.#kept = bytes === this.bytes ? this : new Fanout(subject, { bytes, payloadLength }, arrivedMs);
    }
    return this.#kept;
  }
}

/** Bytes of their frames. */
export function framesLength(messages: readonly Fanout[]): number {
  let length = 0;
  for (const { bytes } of messages) length += bytes.length;
  return length;
}

/** Of no interest, but what is read for it is read. */
let _touched = 0;

/**
 * Has the frames fetched into the caches, for whoever is about to copy them. Where much waits, each is far from the others:
 * in a loop that does nothing else the processor fetches a dozen at a time, where copying would wait for each
 * (`npm run bench -- --only overload`).
 */
export function fetchFrames(messages: readonly Fanout[]): void {
  for (let index = 0; index < messages.length; index += 1) {
    const { bytes } = messages[index]!;
    _touched ^= bytes[0]! ^ bytes[bytes.length >> 1]!;
  }
}

/**
 * For whoever keeps them for long: the bytes, or a copy where what lies behind them is more than twice as large. A part of a
 * chunk holds all of the chunk, which no bound on what waits would see.
 */
export function ofOwnSize(bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= 2 * bytes.length) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Writes the frames one behind the other, and answers with the part of `target` that they fill. */
export function joinFrames(messages: readonly Fanout[], target: Buffer): Buffer {
  let offset = 0;
  for (const { bytes } of messages) {
    target.set(bytes, offset);
    offset += bytes.length;
  }
  return target.subarray(0, offset);
}
