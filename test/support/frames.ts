/**
 * RFC 6455 frames byte by byte: those that a client should send, those that none may, and what came back over
 * a raw connection. It checks nothing; what a frame means is for the test to say.
 */

export type FrameParts = {
  fin?: boolean;
  /** RSV1 is 4, RSV2 is 2, RSV3 is 1. */
  reserved?: number;
  opcode: number;
  payload?: Uint8Array | string;
  isMasked?: boolean;
  /** How the length is written: in 7, 16 or 64 bits. Default: in as few as it takes. */
  lengthBits?: 7 | 16 | 64;
  /** A length to claim instead of the payload's own. */
  claimedLength?: bigint;
};

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

export function frame(parts: FrameParts): Buffer {
  const { fin = true, reserved = 0, opcode, isMasked = true } = parts;
  const payload = Buffer.from(parts.payload ?? '');
  const length = parts.claimedLength ?? BigInt(payload.length);
  const bits = parts.lengthBits ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const marker = bits === 7 ? Number(length) : bits === 16 ? 126 : 127;
  const extended = Buffer.alloc(bits === 7 ? 0 : bits / 8);
  if (bits === 16) extended.writeUInt16BE(Number(length));
  if (bits === 64) extended.writeBigUInt64BE(length);
  const head = Buffer.from([
    (fin ? 0x80 : 0) | (reserved << 4) | opcode,
    (isMasked ? 0x80 : 0) | marker,
    ...extended,
  ]);
  if (!isMasked) return Buffer.concat([head, payload]);
  return Buffer.concat([head, MASK, payload.map((byte, index) => byte ^ MASK[index % 4]!)]);
}

export const text = (payload: string | Uint8Array): Buffer => frame({ opcode: 0x1, payload });

/** A close frame: a code and a reason, or these bytes as they are. */
export function close(code?: number, reason: string | Uint8Array = ''): Buffer {
  if (code === undefined) return frame({ opcode: 0x8 });
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
  return frame({ opcode: 0x8, payload });
}

export type ServerFrame = { opcode: number; payload: Buffer };

/** The whole frames after the answer to the handshake, from what `connectRaw` has received. */
export function framesIn(received: string): ServerFrame[] {
  return parseFrames(Buffer.from(received.slice(received.indexOf('\r\n\r\n') + 4), 'latin1')).frames;
}

/** The whole frames at the beginning, and how many bytes they are: what follows is not whole yet. */
export function parseFrames(bytes: Buffer): { frames: ServerFrame[]; length: number } {
  const frames: ServerFrame[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const marker = bytes[at + 1]!;
    const headLength = marker < 126 ? 2 : marker === 126 ? 4 : 10;
    if (at + headLength > bytes.length) break;
    const length =
      marker < 126
        ? marker
        : marker === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    const end = at + headLength + length;
    if (end > bytes.length) break;
    frames.push({ opcode: bytes[at]! & 0x0f, payload: bytes.subarray(at + headLength, end) });
    at = end;
  }
  return { frames, length: at };
}

/** The code of the close frame that ends them; 1005 for one without a code, 1006 when there is none. */
export function closeCodeIn(received: string): number {
  const last = framesIn(received).at(-1);
  if (last?.opcode !== 0x8) return 1006;
  return last.payload.length < 2 ? 1005 : last.payload.readUInt16BE(0);
}
