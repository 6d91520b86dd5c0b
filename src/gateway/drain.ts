/**
 * Leaving: every client gets a close frame, and the gateway waits until all have gone. Those that do not
 * answer in time are ended by the WebSocket library's close time-out; hurrying ends all that are left at once.
 */
import type { Connections } from './connections.ts';

export class Drain {
  readonly #connections: Connections;
  #isDraining = false;
  #done: PromiseWithResolvers<void> | undefined;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Connections still to go; 0 when not draining. */
  get remaining(): number {
    return this.#isDraining ? this.#connections.size : 0;
  }

  /** No new connections from here on: closes all connections and resolves when the last has ended. */
  run(): Promise<void> {
    this.#isDraining = true;
    this.#done ??= Promise.withResolvers<void>();
    for (const connection of this.#connections) connection.close('drain');
    this.connectionEnded();
    return this.#done.promise;
  }

  /** Ends what is left without waiting for anybody. */
  hurry(): void {
    for (const connection of this.#connections) connection.terminate('drain');
  }

  /** To be told whenever a connection has left the table. */
  connectionEnded(): void {
    if (this.#connections.size === 0) this.#done?.resolve();
  }
}
