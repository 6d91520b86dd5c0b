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

/** Whole frames as one buffer; of a single frame, the frame itself. */
export function joinFrames(messages: readonly Fanout[]): Buffer {
  if (messages.length === 1) return messages[0]!.bytes;
  let bytes = 0;
  for (const message of messages) bytes += message.bytes.length;
  const joined = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const message of messages) {
    joined.set(message.bytes, offset);
    offset += message.bytes.length;
  }
  return joined;
}
