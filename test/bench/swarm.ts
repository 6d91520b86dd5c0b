/**
 * Many WebSocket clients in one process: dials, says what is to be said, then reads everything as fast as it can.
 * All connections read into one buffer, one after the other, so a read costs no allocation whatever its size.
 *
 * It knows just enough of the servers to be fair to each: the greeting that tells when a client is ready, the
 * answer to a ping, and socket.io's packets. A client that is slow reads its greeting and then nothing more.
 */
import { connect, type Socket } from 'node:net';
import { clientFrame, handshake } from '../support/ws-client.ts';
import { type Dialect, FrameScanner, type ScannerCounts, Stream } from './frame-scanner.ts';
import type { LatencyHistogram } from './histogram.ts';
import { channelName, drawSubscriptions } from './subscriptions.ts';

export type SwarmOptions = {
  port: number;
  connections: number;
  dialect: Dialect;
  /** Words that the server says by itself before a client is ready. */
  greetings: number;
  /** The subject under which channels lie; subscribes each client to some of them. */
  channels: { subject: string; channels: number; perClient: number } | undefined;
  /** Every k-th client never reads; 0: none. */
  slowEvery: number;
  sampleEvery: number;
};

export type SwarmEvents = {
  /** The server answered a ping of ours; `start` is how the answer begins. */
  pong(client: Client, start: Buffer): void;
};

const OPCODE = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;
const DIALS_AT_A_TIME = 200;
/** Connections from one address, well under the number of ports that the kernel gives to one. */
const CONNECTIONS_PER_ADDRESS = 20_000;
/** A read takes as much as has come, up to this; more than the second-level cache holds is no faster. */
const READ_BYTES = 256 * 1024;
const paths: Record<Dialect, string> = { plain: '/ws', 'socket.io': '/socket.io/?EIO=4&transport=websocket' };

export class Client extends Stream {
  readonly index: number;
  readonly isSlow: boolean;
  readonly socket: Socket;
  /** The answer to the upgrade as far as it has come; undefined once it is complete. */
  answer: string | undefined = '';
  /** Words to hear until this client is ready. */
  toHear: number;
  ready: () => void = () => {};
  /** The code of the server's close frame; 1006 when the connection ended without one. */
  closeCode: number | undefined = undefined;

  constructor(index: number, isSlow: boolean, toHear: number, socket: Socket) {
    super();
    this.index = index;
    this.isSlow = isSlow;
    this.toHear = toHear;
    this.socket = socket;
  }

  send(opcode: number, payload: Buffer | string): void {
    if (this.socket.writable) this.socket.write(clientFrame(opcode, payload));
  }
}

export class Swarm {
  readonly clients: Client[] = [];
  /** The server's own words by type, after the greeting. */
  readonly words: Record<string, number> = {};
  readonly #options: SwarmOptions;
  readonly #events: SwarmEvents;
  readonly #scanner: FrameScanner<Client>;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #subscriptions: number[][] | undefined;
  #isEnding = false;

  constructor(options: SwarmOptions, latency: LatencyHistogram, events: SwarmEvents) {
    this.#options = options;
    this.#events = events;
    const { dialect, sampleEvery, channels, connections } = options;
    this.#subscriptions = channels && drawSubscriptions(connections, channels);
    this.#scanner = new FrameScanner(
      {
        word: (client, start) => this.#onWord(client, start),
        control: (client, opcode, payload) => this.#onControl(client, opcode, payload),
      },
      latency,
      { dialect, sampleEvery },
    );
  }

  get counts(): Readonly<ScannerCounts> {
    return this.#scanner.counts;
  }

  /** Resolves when all clients have been greeted, and have what they subscribed to. */
  async dial(): Promise<void> {
    const { connections } = this.#options;
    while (this.clients.length < connections) {
      const batch = Math.min(DIALS_AT_A_TIME, connections - this.clients.length);
      await Promise.all(Array.from({ length: batch }, () => this.#dialOne()));
    }
  }

  end(): void {
    this.#isEnding = true;
    for (const client of this.clients) client.socket.destroy();
  }

  #dialOne(): Promise<void> {
    const { port, slowEvery, greetings, dialect, channels } = this.#options;
    const index = this.clients.length;
    const isSlow = slowEvery > 0 && index % slowEvery === slowEvery - 1;
    const onread = {
      buffer: this.#buffer,
      // False stops the reading, for good.
      callback: (length: number): boolean => this.#onRead(client, length),
    };
    // An address of our own only where one has not ports enough: choosing a port before the peer is known is slow in
    // the kernel while the ports of earlier runs linger.
    const address = Math.floor(index / CONNECTIONS_PER_ADDRESS);
    const from = address === 0 ? {} : { localAddress: `127.0.0.${1 + address}` };
    const socket = connect({ port, host: '127.0.0.1', ...from, noDelay: true, onread });
    const client = new Client(index, isSlow, greetings + (channels ? 1 : 0), socket);
    this.clients.push(client);
    return new Promise((resolve, reject) => {
      client.ready = resolve;
      socket.once('connect', () => socket.write(handshake(port, {}, paths[dialect])));
      socket.on('error', reject);
      socket.once('close', () => {
        reject(new Error(`connection ${index} ended before it was ready`));
        if (!this.#isEnding) client.closeCode ??= 1006;
      });
    });
  }

  #onRead(client: Client, length: number): boolean {
    const from = client.answer === undefined ? 0 : this.#readAnswer(client, length);
    this.#scanner.scan(client, this.#buffer, from, length);
    return !client.isSlow || client.toHear > 0;
  }

  /** Reads the answer to the upgrade; tells where what follows it begins. */
  #readAnswer(client: Client, length: number): number {
    const before = client.answer!.length;
    const answer = client.answer + this.#buffer.toString('latin1', 0, length);
    const end = answer.indexOf('\r\n\r\n');
    client.answer = answer;
    if (end === -1) return length;
    if (!answer.startsWith('HTTP/1.1 101'))
      throw new Error(`the upgrade was refused: ${answer.slice(0, 60)}`);
    client.answer = undefined;
    if (this.#options.dialect === 'socket.io') client.send(OPCODE.text, '40');
    else if (client.toHear === this.#wordsToSubscribe) this.#subscribe(client);
    if (client.toHear === 0) client.ready();
    return end + 4 - before;
  }

  get #wordsToSubscribe(): number {
    return this.#subscriptions === undefined ? 0 : 1;
  }

  #subscribe(client: Client): void {
    if (this.#subscriptions === undefined) return;
    const { subject } = this.#options.channels!;
    const channels = this.#subscriptions[client.index]!.map((channel) => channelName(subject, channel));
    const text =
      this.#options.dialect === 'socket.io'
        ? `42${JSON.stringify(['subscribe', channels])}`
        : JSON.stringify({ type: 'subscribe', channels });
    client.send(OPCODE.text, text);
  }

  #onWord(client: Client, start: Buffer): void {
    // Engine.io's ping is a packet of its own, and silence is punished.
    if (this.#options.dialect === 'socket.io' && start.length === 1 && start[0] === 0x32) {
      client.send(OPCODE.text, '3');
      return;
    }
    if (client.toHear > 0) {
      client.toHear -= 1;
      if (client.toHear === 0) client.ready();
      else if (client.toHear === this.#wordsToSubscribe) this.#subscribe(client);
      return;
    }
    const text = start.toString('latin1');
    const type = /^\{"type":"(\w+)"/.exec(text)?.[1] ?? 'other';
    if (type === 'pong') this.#events.pong(client, start);
    else this.words[type] = (this.words[type] ?? 0) + 1;
  }

  #onControl(client: Client, opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) client.send(OPCODE.pong, payload);
    else if (opcode === OPCODE.pong) this.#events.pong(client, payload);
    else {
      client.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      client.send(OPCODE.close, payload.subarray(0, 2));
      client.socket.end();
    }
  }
}
