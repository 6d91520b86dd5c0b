/**
 * RFC 6455 server frames. Only whole, unmasked, uncompressed data frames are made here; control frames are
 * the WebSocket library's. A frame is made once and shared by all of its recipients, so nobody writes to it.
 */
import { isUtf8 } from 'node:buffer';

export type Frame = {
  /** Header and payload. */
  bytes: Buffer;
  payloadLength: number;
};

const FIN = 0x80;
const TEXT = 0x1;
const BINARY = 0x2;

/**
 * Frames a payload without changing a byte of it: as text where it is UTF-8, which a text frame must be
 * (section 5.6), else as binary. The one copy made here is the only one on the way to the kernel.
 */
export function encodeFrame(payload: Uint8Array): Frame {
  const length = payload.length;
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(headerLength + length);
  bytes[0] = FIN | (isUtf8(payload) ? TEXT : BINARY);
  if (headerLength === 2) {
    bytes[1] = length;
  } else if (headerLength === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    bytes.writeUInt32BE(length >>> 0, 6);
  }
  bytes.set(payload, headerLength);
  return { bytes, payloadLength: length };
}

/** A frame of our own words. */
export function encodeTextFrame(text: string): Frame {
  return encodeFrame(Buffer.from(text, 'utf8'));
}
