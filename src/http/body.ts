/**
 * Reads a request's body into memory, up to a bound. What is over the bound is refused by its declared length
 * before a byte is read; a body without a length is refused at the byte that passes the bound.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpError } from './errors.ts';

/** @throws HttpError 413. Rejects with the stream's own error when the caller goes away. */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  bytesMax: number,
): Promise<Buffer> {
  // The parser has made sure that a Content-Length is a number and stands alone.
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(request, bytesMax);
  // A caller that asked first is told to go on now, when nothing speaks against its body any more.
  // HTTP/1.0 knows no such thing, and would take it for the answer.
  if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop early must not destroy the stream: the answer goes out on the same socket.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) break;
    chunks.push(chunk);
  }
  // Outside the loop, whose iterator would otherwise still hold the stream back.
  if (bytes > bytesMax) throw tooLarge(request, bytesMax);
  return Buffer.concat(chunks, bytes);
}

function tooLarge(request: IncomingMessage, bytesMax: number): HttpError {
  // The rest is taken from the wire and forgotten, for closing on a caller that still sends would reset the
  // connection and lose it the answer. The server's request timeout bounds how long that may go on.
  request.resume();
  return new HttpError(
    413,
    'too_large',
    `The body may have ${bytesMax} bytes; see TIDEGAUGE_MAX_PUBLISH_SIZE.`,
  );
}
