/** Publishes to a NATS server by the few words of its protocol, at a rate or at once. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

const tickMs = 20;

export class NatsPublisher {
  readonly #socket: Socket;
  #text = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
      if (text.includes('PING\r\n')) socket.write('PONG\r\n');
    });
    // The server is killed under it; whoever publishes then fails on the flush.
    socket.on('error', () => {});
  }

  static async connect(port: number): Promise<NatsPublisher> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const publisher = new NatsPublisher(socket);
    socket.write('CONNECT {"verbose":false,"pedantic":false,"name":"test publisher"}\r\n');
    return publisher;
  }

  /** Resolves when the server has taken all of them. Late ticks catch up, so the number is exact and the rate is not. */
  async publish(
    subject: string,
    count: number,
    perSecond: number,
    payloadOf: (number: number) => string,
  ): Promise<void> {
    const startMs = performance.now();
    for (let sent = 0; sent < count; ) {
      const due = Math.min(count, Math.ceil(((performance.now() - startMs + tickMs) / 1000) * perSecond));
      let text = '';
      for (; sent < due; sent += 1) {
        const payload = payloadOf(sent);
        text += `PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`;
      }
      this.#socket.write(text);
      await wait(tickMs);
    }
    await this.#flush();
  }

  end(): void {
    this.#socket.destroy();
  }

  async #flush(): Promise<void> {
    this.#text = '';
    this.#socket.write('PING\r\n');
    while (!this.#text.includes('PONG\r\n')) {
      if (this.#socket.destroyed) throw new Error('the NATS server closed the connection');
      await wait(5);
    }
  }
}
