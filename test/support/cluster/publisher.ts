/** Publishes numbered messages at an even pace, from outside of the cluster. */

import type { NatsConnection } from '@nats-io/transport-node';

export class Publisher {
  /** Of the next message. */
  nextNumber = 0;
  readonly #nats: NatsConnection;
  readonly #subject: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(nats: NatsConnection, subject: string) {
    this.#nats = nats;
    this.#subject = subject;
  }

  start(intervalMs: number): void {
    this.#timer = setInterval(() => this.publish(), intervalMs);
  }

  publish(): void {
    this.#nats.publish(this.#subject, JSON.stringify({ number: this.nextNumber }));
    this.nextNumber += 1;
  }

  /** Resolves with the number of the last message when the server has them all. */
  async stop(): Promise<number> {
    clearInterval(this.#timer);
    await this.#nats.flush();
    return this.nextNumber - 1;
  }
}
