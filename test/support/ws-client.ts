/** A real WebSocket client that keeps what it hears, and a raw one for what no library would send. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import WebSocket, { type ClientOptions } from 'ws';
import { until } from './until.ts';

export type WsClient = {
  socket: WebSocket;
  /** Payloads of all data messages, in the order of arrival. */
  messages: string[];
  payloadBytes: number;
  sent: { messages: number; bytes: number };
  id: string;
  closed: Promise<{ code: number; reason: string }>;
  send(message: unknown): void;
  /** Resolves with the first message, from now on or before, that fits. */
  heard(type: string): Promise<Record<string, unknown>>;
};

export async function connectClient(url: string, options: ClientOptions = {}): Promise<WsClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false, ...options });
  const client: WsClient = {
    socket,
    messages: [],
    payloadBytes: 0,
    sent: { messages: 0, bytes: 0 },
    id: '',
    closed: new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    }),
    send: (message) => {
      const text = typeof message === 'string' ? message : JSON.stringify(message);
      client.sent.messages += 1;
      client.sent.bytes += Buffer.byteLength(text);
      socket.send(text);
    },
    heard: async (type) => {
      const find = () => client.messages.find((text) => text.startsWith(`{"type":"${type}"`));
      await until(`a message of type ${type}`, () => find() !== undefined);
      return JSON.parse(find()!) as Record<string, unknown>;
    },
  };
  socket.on('message', (data: Buffer) => {
    client.messages.push(data.toString());
    client.payloadBytes += data.length;
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  client.id = String((await client.heard('connectionEstablished')).clientId);
  return client;
}

export const handshake = (
  port: number,
  changes: Record<string, string | undefined> = {},
  target = '/ws',
): string => {
  const headers: Record<string, string | undefined> = {
    host: `127.0.0.1:${port}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    ...changes,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined);
  return `GET ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
};

/** A TCP connection with everything that came over it as text. */
export async function connectRaw(
  url: string,
): Promise<{ socket: Socket; text(): string; ended: Promise<unknown> }> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  let received = '';
  socket.on('data', (data) => (received += data.toString('latin1')));
  socket.on('error', () => {});
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  return { socket, text: () => received, ended };
}

/** A raw connection that has been upgraded, and reads nothing from then on unless resumed. */
export async function upgradeRaw(url: string): Promise<Socket> {
  const { socket, text } = await connectRaw(url);
  socket.write(handshake(Number(new URL(url).port)));
  await until('the welcome message', () => text().includes('connectionEstablished'));
  return socket;
}

/** A client frame of RFC 6455, masked with zeroes. */
export function clientFrame(opcode: number, payload: Buffer | string = '', first = 0x80): Buffer {
  const data = Buffer.from(payload);
  const length =
    data.length < 126 ? [0x80 | data.length] : [0x80 | 126, data.length >> 8, data.length & 0xff];
  return Buffer.concat([Buffer.from([first | opcode, ...length, 0, 0, 0, 0]), data]);
}
