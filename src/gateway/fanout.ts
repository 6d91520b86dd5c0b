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

  constructor(subject: string, { bytes, payloadLength }: Frame, arrivedMs: number) {
    this.bytes = bytes;
    this.payloadLength = payloadLength;
    this.subject = subject;
    this.arrivedMs = arrivedMs;
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

/** Writes the frames one behind the other, and answers with the part of `target` that they fill. */
export function joinFrames(messages: readonly Fanout[], target: Buffer): Buffer {
  let offset = 0;
  for (const { bytes } of messages) {
    target.set(bytes, offset);
    offset += bytes.length;
  }
  return target.subarray(0, offset);
}
