import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, encodeTextFrame } from '../../../src/gateway/frame.ts';

test('a frame carries the payload byte for byte behind a header of the least size', () => {
  for (const [length, header] of [
    [0, 2],
    [125, 2],
    [126, 4],
    [65_535, 4],
    [65_536, 10],
    [200_000, 10],
  ] as const) {
    const payload = Buffer.alloc(length, 'a');
    const { bytes, payloadLength } = encodeFrame(payload);
    assert.equal(payloadLength, length);
    assert.equal(bytes.length, header + length);
    assert.equal(bytes[0], 0x81);
    const declared =
      header === 2 ? bytes[1]! : header === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    assert.equal(declared, length);
    assert.ok(bytes.subarray(header).equals(payload));
  }
});

test('what is not UTF-8 goes out as a binary frame, unaltered', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (payload) => {
      const { bytes } = encodeFrame(payload);
      let isText = true;
      try {
        new TextDecoder('utf-8', { fatal: true }).decode(payload);
      } catch {
        isText = false;
      }
      assert.equal(bytes[0], isText ? 0x81 : 0x82);
      assert.ok(bytes.subarray(bytes.length - payload.length).equals(payload));
    }),
  );
});

test('our own words are counted in bytes', () => {
  assert.equal(encodeTextFrame('é').payloadLength, 2);
});
