/** What everybody writes: the ws library, and a `send` to each client for each message. */
import { type WebSocket, WebSocketServer } from 'ws';
import { Audience, channelsOf, feed, listen, subscribed } from './peer.ts';

const audience = new Audience<WebSocket>();

await feed((subject, payload) => {
  // A string would be encoded for each client anew.
  audience.each(subject, (socket) => socket.send(payload, { binary: false }));
});

await listen((server) => {
  const websockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
  websockets.on('connection', (socket) => {
    audience.join(socket);
    socket.on('error', () => {});
    socket.on('close', () => audience.leave(socket));
    socket.on('message', (data: Buffer) => {
      const channels = channelsOf(data);
      if (channels === undefined) return;
      audience.subscribe(socket, channels);
      socket.send(subscribed);
    });
  });
});
