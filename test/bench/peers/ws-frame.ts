/** The ws library for the handshake and for control frames; each message is framed once, and written to each socket. */
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { Audience, channelsOf, feed, listen, subscribed } from './peer.ts';
import { textFrame } from './text-frame.ts';

const audience = new Audience<Duplex>();

await feed((subject, payload) => {
  const frame = textFrame(payload);
  audience.each(subject, (socket) => socket.write(frame));
});

await listen((server) => {
  const websockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
  server.on('upgrade', (request, socket, head) => {
    websockets.handleUpgrade(request, socket, head, (websocket) => {
      audience.join(socket);
      websocket.on('error', () => {});
      websocket.on('close', () => audience.leave(socket));
      websocket.on('message', (data: Buffer) => {
        const channels = channelsOf(data);
        if (channels === undefined) return;
        audience.subscribe(socket, channels);
        websocket.send(subscribed);
      });
    });
  });
});
