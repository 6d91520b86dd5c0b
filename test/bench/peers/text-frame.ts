/** A server's text frame (RFC 6455 section 5.2), for peers that write to sockets directly. */
export function textFrame(payload: Uint8Array): Buffer {
  const length = payload.length;
  const header =
    length < 126
      ? [0x81, length]
      : length < 65_536
        ? [0x81, 126, length >> 8, length & 0xff]
        : [0x81, 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff];
  const frame = Buffer.allocUnsafe(header.length + length);
  frame.set(header);
  frame.set(payload, header.length);
  return frame;
}
