/**
 * socket.io's broadcast, over WebSocket only, as its documentation shows it: `emit` to everybody, or to a room where
 * clients have asked for channels. The message travels as a string in an event.
 */
import { createRequire } from 'node:module';
import { feed, listen } from './peer.ts';

/** As much of socket.io as is used here; so the types are checked whether or not it is installed. */
type Socket = {
  on(event: string, listener: (channels: string[]) => void): void;
  join(room: string): void;
  leave(room: string): void;
  emit(event: string): void;
};
type Rooms = { emit(event: string, message: string): void };
type SocketIo = Rooms & {
  to(room: string): Rooms;
  on(event: 'connection', listener: (socket: Socket) => void): void;
};
type Module = { Server: new (server: unknown, options: object) => SocketIo };

const { Server } = createRequire(import.meta.url)('socket.io') as Module;
const everything = 'everything';
let hasChannels = false;

await listen((server) => {
  const io = new Server(server, { transports: ['websocket'], serveClient: false, perMessageDeflate: false });
  io.on('connection', (socket) => {
    socket.join(everything);
    socket.on('subscribe', (channels) => {
      hasChannels = true;
      socket.leave(everything);
      for (const channel of channels) socket.join(channel);
      socket.emit('subscribed');
    });
  });
  void feed((subject, payload) => {
    const message = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString();
    if (!hasChannels) return io.emit('m', message);
    io.to(everything).emit('m', message);
    io.to(subject).emit('m', message);
  });
});
