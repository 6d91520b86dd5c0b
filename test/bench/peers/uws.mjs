/**
 * uWebSockets' `publish`, C++ under a thin binding. Plain JavaScript, since the Node that a binary exists for may not
 * run TypeScript; and the binary is loaded by its name, since the package quietly falls back to a slow imitation.
 */
import { createRequire } from 'node:module';
import { connect } from '@nats-io/transport-node';

const require = createRequire(import.meta.url);
const { platform, arch, versions } = process;
const uws = require(
  `@trufflesuite/uws-js-unofficial/binaries/uws_${platform}_${arch}_${versions.modules}.node`,
);
const everything = 'everything';
/** As much as the gateway lets a client leave untaken; the library's own bound would drop at a sixteenth of it. */
const BUFFERED_MAX = 1024 * 1024;

const app = uws.App();
app.ws('/*', {
  compression: 0,
  maxBackpressure: BUFFERED_MAX,
  maxPayloadLength: 16 * 1024,
  open: (socket) => socket.subscribe(everything),
  message: (socket, data) => {
    const { type, channels } = JSON.parse(Buffer.from(data).toString());
    if (type !== 'subscribe') return;
    socket.unsubscribe(everything);
    for (const channel of channels) socket.subscribe(channel);
    socket.send('{"type":"subscribed"}', false);
  },
});

const nats = await connect({ servers: process.env.NATS_URL, maxReconnectAttempts: -1 });
nats.subscribe('public.>', {
  callback: (_error, message) => {
    app.publish(everything, message.data, false);
    app.publish(message.subject, message.data, false);
  },
});
await nats.flush();

process.once('SIGTERM', () => process.exit(0));
app.listen('127.0.0.1', 0, (token) => {
  const url = `http://127.0.0.1:${uws.us_socket_local_port(token)}`;
  console.log(JSON.stringify({ msg: 'listening', url }));
});
