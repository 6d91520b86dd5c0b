/** The peer of the idle bench: accepts WebSockets with the ws library, in its leanest setting, and does nothing else. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const server = createServer();
const websockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
websockets.on('connection', (socket) => socket.on('message', () => {}));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${port}` }));
});
