/**
 * Many clients that reconnect as clients are told to: at a `reconnect` message they get a new connection within the time
 * that it gives and then leave the old one; after a close with 1012 they come back after a moment. Everything else that
 * happens to them is a fault. What they hear is kept as the numbers of messages, to be compared with what was published.
 */

import type { IncomingMessage } from 'node:http';
import WebSocket from 'ws';
import { until } from './until.ts';

/** Numbers of messages: the first one published after the connection was there, and after it had ended. */
type Stay = { from: number; to: number | undefined };

export type RoamingOptions = {
  url: string;
  count: number;
  /** The number that the next message to be published will have. */
  nextNumber: () => number;
  /** Messages published so shortly before the end of a connection may have come too late for it. */
  lateMessages: number;
  /** How many pay no heed to `reconnect` messages, as older clients do; they are in for a gap. */
  heedless: number;
};

export type Fault = { client: number; what: string };

const dialTimeoutMs = 30_000;
const retryMsMax = 500;
/** Dials at the same time: more would only wait in the listen queue. */
const dialsAtOnce = 50;

export class RoamingClients {
  readonly faults: Fault[] = [];
  /** Each `reconnect`: when it came, how much time it gave, and when the old connection had ended, in milliseconds. */
  readonly moves: { atMs: number; afterMs: number; leftAtMs: number | undefined }[] = [];
  /** Ends of connections by their close code; our own leaving is 1000. */
  readonly closeCodes = new Map<number, number>();
  /** Dials answered with 503, which is a polite refusal. */
  politelyRefused = 0;
  readonly #clients: RoamingClient[] = [];

  static async connect(options: RoamingOptions): Promise<RoamingClients> {
    const swarm = new RoamingClients();
    for (let index = 0; index < options.count; index += 1)
      swarm.#clients.push(new RoamingClient(swarm, options, index, index >= options.heedless));
    for (let first = 0; first < options.count; first += dialsAtOnce)
      await Promise.all(swarm.#clients.slice(first, first + dialsAtOnce).map((client) => client.dial()));
    return swarm;
  }

  /** Waits until everybody has exactly one connection and nothing in mind. */
  async settled(timeoutMs = 60_000): Promise<void> {
    await until('every client has one connection', () => this.#clients.every((one) => one.isSettled), {
      timeoutMs,
      everyMs: 50,
    });
  }

  async heardAll(number: number): Promise<void> {
    const laggard = (): RoamingClient | undefined => this.#clients.find((one) => !one.heard.has(number));
    await until(`everybody has heard number ${number}`, () => laggard() === undefined, { timeoutMs: 60_000 });
  }

  /** Numbers that a client should have heard and has not, of the messages below the limit. */
  missed(below: number): { client: number; numbers: number[] }[] {
    return this.#clients
      .map((one) => ({ client: one.index, numbers: one.missed(below) }))
      .filter(({ numbers }) => numbers.length > 0);
  }

  /** Leaves politely. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((one) => one.close()));
  }

  countClose(code: number): void {
    this.closeCodes.set(code, (this.closeCodes.get(code) ?? 0) + 1);
  }
}

class RoamingClient {
  readonly index: number;
  readonly heard = new Set<number>();
  readonly #swarm: RoamingClients;
  readonly #options: RoamingOptions;
  readonly #heedsHints: boolean;
  readonly #stays: Stay[] = [];
  readonly #open = new Set<WebSocket>();
  /** Dials under way, and those that are about to be made. */
  #pending = 0;
  #isLeaving = false;

  constructor(swarm: RoamingClients, options: RoamingOptions, index: number, heedsHints: boolean) {
    this.#swarm = swarm;
    this.#options = options;
    this.index = index;
    this.#heedsHints = heedsHints;
  }

  get isSettled(): boolean {
    return this.#open.size === 1 && this.#pending === 0;
  }

  missed(below: number): number[] {
    const { lateMessages } = this.#options;
    const required = new Set<number>();
    for (const { from, to } of this.#stays) {
      const end = to === undefined ? below : Math.min(below, to - lateMessages);
      for (let number = from; number < end; number += 1) required.add(number);
    }
    return [...required].filter((number) => !this.heard.has(number)).sort((one, other) => one - other);
  }

  async close(): Promise<void> {
    this.#isLeaving = true;
    await Promise.all(
      [...this.#open].map((socket) => {
        socket.close(1000);
        return new Promise((resolve) => socket.once('close', resolve));
      }),
    );
  }

  /** Resolves with a connection that has been welcomed, or when it turned out that there is none to be had. */
  async dial(): Promise<WebSocket | undefined> {
    this.#pending += 1;
    try {
      for (;;) {
        const outcome = await this.#tryDial();
        if (outcome !== 'busy') return outcome;
        this.#swarm.politelyRefused += 1;
        await later(Math.random() * retryMsMax);
      }
    } catch (error) {
      this.#fault(`dial: ${(error as Error).message}`);
      return undefined;
    } finally {
      this.#pending -= 1;
    }
  }

  #tryDial(): Promise<WebSocket | 'busy'> {
    const { promise, resolve, reject } = Promise.withResolvers<WebSocket | 'busy'>();
    const options = { perMessageDeflate: false, handshakeTimeout: dialTimeoutMs };
    const socket = new WebSocket(this.#options.url, options);
    const stay: Stay = { from: Number.POSITIVE_INFINITY, to: undefined };
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      response.resume();
      const isPolite = response.statusCode === 503 && response.headers['retry-after'] !== undefined;
      if (isPolite) resolve('busy');
      else reject(new Error(`answered with ${response.statusCode}`));
    });
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type?: string; number?: number; afterMs?: number };
      if (message.number !== undefined) this.heard.add(message.number);
      else if (message.type === 'connectionEstablished') {
        stay.from = this.#options.nextNumber();
        this.#stays.push(stay);
        this.#open.add(socket);
        resolve(socket);
      } else if (message.type === 'reconnect') this.#onHint(socket, message.afterMs ?? 0);
    });
    socket.on('close', (code) => {
      // One that never was is told by its error.
      if (!this.#open.delete(socket)) return reject(new Error(`closed with ${code} before the welcome`));
      stay.to = this.#options.nextNumber();
      this.#swarm.countClose(code);
      if (code === 1012) this.#onRestart();
      else if (code !== 1000) this.#fault(`closed with ${code}`);
    });
    return promise;
  }

  /** The new connection first, at a moment of our own choice within the time that is left. */
  #onHint(old: WebSocket, afterMs: number): void {
    const move = { atMs: performance.now(), afterMs, leftAtMs: undefined as number | undefined };
    this.#swarm.moves.push(move);
    old.once('close', () => {
      move.leftAtMs = performance.now();
    });
    if (!this.#heedsHints || this.#isLeaving) return;
    this.#pending += 1;
    setTimeout(async () => {
      await this.dial();
      old.close(1000);
      this.#pending -= 1;
    }, Math.random() * afterMs);
  }

  #onRestart(): void {
    if (this.#isLeaving || this.#open.size > 0 || this.#pending > 0) return;
    this.#pending += 1;
    setTimeout(async () => {
      await this.dial();
      this.#pending -= 1;
    }, Math.random() * retryMsMax);
  }

  #fault(what: string): void {
    this.#swarm.faults.push({ client: this.index, what });
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
