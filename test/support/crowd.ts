/**
 * Thousands of clients on raw sockets, which cost a test little: each counts what it hears, and answers a close
 * frame as RFC 6455 section 5.5.1 demands. What a client does beyond that is for the test to say.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parseFrames } from './frames.ts';
import { clientFrame, handshake } from './ws-client.ts';

export type CrowdClient = {
  socket: Socket;
  /** As the gateway calls it. */
  id: string;
  /** Messages that were not the gateway's own words. */
  published: number;
  /** The gateway's own words by type. */
  words: Record<string, number>;
  hint: { afterMs: number; atMs: number } | undefined;
  /** Of the close frame; undefined before there was one. */
  closeCode: number | undefined;
  closedAtMs: number;
  /** What came after the close frame: nothing ever may. */
  afterClose: number;
  /** Resolves when the TCP connection has ended; with 1006 where no close frame had come. */
  ended: Promise<number>;
  hasEnded: boolean;
};

const DIALS_AT_A_TIME = 100;
const HEADER_END = '\r\n\r\n';

/** Resolves when all of them have been welcomed. */
export async function connectCrowd(url: string, count: number): Promise<CrowdClient[]> {
  const clients: CrowdClient[] = [];
  while (clients.length < count) {
    const batch = Math.min(DIALS_AT_A_TIME, count - clients.length);
    clients.push(...(await Promise.all(Array.from({ length: batch }, () => dial(url)))));
  }
  return clients;
}

async function dial(url: string): Promise<CrowdClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, noDelay: true });
  const client: CrowdClient = {
    socket,
    id: '',
    published: 0,
    words: {},
    hint: undefined,
    closeCode: undefined,
    closedAtMs: Number.NaN,
    afterClose: 0,
    hasEnded: false,
    ended: new Promise((resolve) => {
      socket.once('close', () => {
        client.hasEnded = true;
        resolve(client.closeCode ?? 1006);
      });
    }),
  };
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(handshake(Number(port)));
  await welcomed(client);
  return client;
}

/** Reads the answer to the upgrade, then frames from whatever pieces they come in. */
function welcomed(client: CrowdClient): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest: Buffer = Buffer.alloc(0);
    let isUpgraded = false;
    client.socket.once('close', () => reject(new Error(`refused: ${rest.toString('latin1', 0, 80)}`)));
    client.socket.on('data', (data: Buffer) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
      if (!isUpgraded) {
        const end = rest.indexOf(HEADER_END);
        if (end === -1 || !rest.subarray(0, end).includes('101 Switching Protocols')) return;
        isUpgraded = true;
        rest = rest.subarray(end + HEADER_END.length);
      }
      const { frames, length } = parseFrames(rest);
      for (const { opcode, payload } of frames) hear(client, opcode, payload);
      rest = rest.subarray(length);
      if (client.words.connectionEstablished === 1) resolve();
    });
  });
}

function hear(client: CrowdClient, opcode: number, payload: Buffer): void {
  if (client.closeCode !== undefined) {
    client.afterClose += 1;
  } else if (opcode === 0x8) {
    client.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    client.closedAtMs = performance.now();
    client.socket.write(clientFrame(0x8, payload.subarray(0, 2)));
  } else if (opcode === 0x9) {
    client.socket.write(clientFrame(0xa, payload));
  } else if (payload.toString('latin1', 0, 9) === '{"type":"') {
    const word = JSON.parse(payload.toString()) as { type: string; clientId?: string; afterMs?: number };
    if (word.type === 'connectionEstablished') client.id = word.clientId!;
    client.words[word.type] = (client.words[word.type] ?? 0) + 1;
    if (word.afterMs !== undefined) client.hint = { afterMs: word.afterMs, atMs: performance.now() };
  } else {
    client.published += 1;
  }
}
