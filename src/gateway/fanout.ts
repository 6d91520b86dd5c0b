/** One published message on its way to all its listeners: framed once, shared by all, written to by nobody. */
import { encodeFrame, type Frame } from './frame.ts';

export type Fanout = Frame & {
  subject: string;
  /** Monotonic milliseconds at which the bus delivered it. */
  arrivedMs: number;
  /** Audiences that it is still to be written to. */
  audiences: number;
  /** Some members of an audience have it, and the others are about to: it cannot be dropped. */
  isBeingWritten: boolean;
};

export function createFanout(subject: string, payload: Uint8Array, arrivedMs: number): Fanout {
  const { bytes, payloadLength } = encodeFrame(payload);
  return { bytes, payloadLength, subject, arrivedMs, audiences: 0, isBeingWritten: false };
}

/**
 * Takes `count` messages out of a list, from `from` on. Their places are emptied before. With `splice` alone every
 * message on the hub's lists outlived the scavenges, and lived until the next mark-compact: V8 shortens a list at its
 * front by moving its beginning, and what stood before that seems still to be followed. `npm run bench` holds it, by
 * the memory at the end of a minute over that at its beginning.
 */
export function takeOut(messages: Fanout[], from: number, count: number): Fanout[] {
  const taken = messages.slice(from, from + count);
  (messages as (Fanout | undefined)[]).fill(undefined, from, from + count);
  messages.splice(from, count);
  return taken;
}

/** Bytes of the frames from `from` up to `to`. */
export function framesLength(messages: readonly Fanout[], from: number, to: number): number {
  let bytes = 0;
  for (let index = from; index < to; index += 1) bytes += messages[index]!.bytes.length;
  return bytes;
}

/** Writes those frames one behind the other, and answers with the part of `target` that they fill. */
export function joinFrames(messages: readonly Fanout[], from: number, to: number, target: Buffer): Buffer {
  let offset = 0;
  for (let index = from; index < to; index += 1) {
    const { bytes } = messages[index]!;
    target.set(bytes, offset);
    offset += bytes.length;
  }
  return target.subarray(0, offset);
}
