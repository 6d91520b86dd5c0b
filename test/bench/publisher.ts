/**
 * Publishes to a NATS server at a steady rate, each payload marked with its sending time; a process of its own.
 * It speaks the few words of NATS that it needs by itself, so that one write carries all messages of a tick. Ticks
 * that come late catch up, and while the server does not take what it has been given, messages wait here unsent:
 * what has been sent and how much of the time it was held up is in the line printed at the end.
 *
 *   node test/bench/publisher.ts --port PORT [--rate 1000] [--seconds 5] [--bytes 200]
 *     [--subject public.bench] [--subjects K]
 *
 * The payload is JSON of that many bytes: {"t":"@<mark>","n":<number>,"pad":"xxx"}. With --subjects K it goes to
 * SUBJECT.0 to SUBJECT.K-1 in turn; `n` counts up from 1 on each.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { mark } from './clock.ts';
import { channelName } from './subscriptions.ts';

/** The last line of the publisher. */
export type Published = {
  sent: number;
  seconds: number;
  ticks: number;
  lateTicks: number;
  heldUpTicks: number;
};

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4222' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
    bytes: { type: 'string', default: '200' },
    subject: { type: 'string', default: 'public.bench' },
    subjects: { type: 'string', default: '0' },
  },
});
const rate = Number(values.rate);
const payloadBytes = Number(values.bytes);
const subjectCount = Number(values.subjects);
/** Bytes in one write; what is due beyond them goes with the next tick. */
const TICK_BYTES = 4 * 1024 * 1024;
/** Bytes that may wait in the socket before a tick writes nothing. */
const UNTAKEN_BYTES_MAX = 8 * 1024 * 1024;
/** A tick is late when it has more than a tenth of a second to catch up. */
const LATE_SHARE = 0.1;

const padding = 'x'.repeat(payloadBytes);
const buffer = Buffer.allocUnsafe(TICK_BYTES + payloadBytes + 1024);
const pieceBytesMax = payloadBytes + 512;

/** Puts one message at `at`; answers where the next one goes. */
function put(at: number, sent: number): number {
  const subject = subjectCount > 0 ? channelName(values.subject, sent % subjectCount) : values.subject;
  const number = subjectCount > 0 ? Math.floor(sent / subjectCount) + 1 : sent + 1;
  const start = `{"t":"${mark()}","n":${number},"pad":"`;
  const padBytes = payloadBytes - start.length - 2;
  if (padBytes < 0) throw new Error(`a message takes at least ${start.length + 2} bytes`);
  const text = `PUB ${subject} ${payloadBytes}\r\n${start}`;
  at += buffer.write(text, at, 'latin1');
  at += buffer.write(padding, at, padBytes, 'latin1');
  return at + buffer.write('"}\r\n', at, 'latin1');
}

/** Answers the server's pings; resolves at its first pong after `flush`. */
function converse(socket: Socket): { flush(): Promise<void> } {
  const pong = Promise.withResolvers<void>();
  socket.on('data', (data) => {
    const text = data.toString('latin1');
    if (text.includes('-ERR')) pong.reject(new Error(text.trim()));
    if (text.includes('PING\r\n')) socket.write('PONG\r\n');
    if (text.includes('PONG\r\n')) pong.resolve();
  });
  socket.once('close', () => pong.reject(new Error('the NATS server closed the connection')));
  return {
    flush() {
      socket.write('PING\r\n');
      return pong.promise;
    },
  };
}

async function publish(socket: Socket): Promise<Published> {
  const seconds = Number(values.seconds);
  const startMs = performance.now();
  const published: Published = { sent: 0, seconds: 0, ticks: 0, lateTicks: 0, heldUpTicks: 0 };
  for (;;) {
    const elapsed = Math.min(seconds, (performance.now() - startMs) / 1000);
    const due = Math.floor(elapsed * rate);
    published.ticks += 1;
    if (due - published.sent > rate * LATE_SHARE) published.lateTicks += 1;
    if (socket.writableLength > UNTAKEN_BYTES_MAX) {
      published.heldUpTicks += 1;
    } else {
      let at = 0;
      while (published.sent < due && at + pieceBytesMax <= TICK_BYTES) {
        at = put(at, published.sent);
        published.sent += 1;
      }
      // The buffer is used again, and the socket may keep what it is given.
      if (at > 0) socket.write(Buffer.from(buffer.subarray(0, at)));
    }
    if (elapsed >= seconds) break;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  published.seconds = (performance.now() - startMs) / 1000;
  return published;
}

const socket = connect({ port: Number(values.port), host: '127.0.0.1', noDelay: true });
await once(socket, 'data');
const conversation = converse(socket);
socket.write('CONNECT {"verbose":false,"pedantic":false,"name":"bench publisher"}\r\n');
const published = await publish(socket);
await conversation.flush();
console.log(JSON.stringify({ event: 'published', ...published }));
socket.destroy();
process.exit(0);
