/**
 * The state of a bus and those who want to know of its changes. Both adapters have one.
 *
 * Every listener hears every change, in order, even when a listener causes the next one.
 */
import type { BusState, BusStateListener } from './bus.ts';

export class BusStateHolder {
  #current: BusState = 'connecting';
  readonly #listeners = new Set<BusStateListener>();
  readonly #untold: [state: BusState, previous: BusState][] = [];
  #isTelling = false;

  get current(): BusState {
    return this.#current;
  }

  onState(listener: BusStateListener): () => void {
    // A function of its own for each call, so that one listener given twice is two.
    const own: BusStateListener = (state, previous) => listener(state, previous);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** The last state is 'closed': nothing follows it. */
  change(next: BusState): void {
    if (next === this.#current || this.#current === 'closed') return;
    this.#untold.push([next, this.#current]);
    this.#current = next;
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let change = this.#untold.shift(); change; change = this.#untold.shift()) {
      for (const listener of [...this.#listeners]) callSafely(() => listener(...change!));
    }
    this.#isTelling = false;
  }
}

/**
 * Calls what is not ours from where an exception would do harm: inside a library that would lose its place, or
 * before others were called. The exception is our bug all the same, and ends the process a moment later.
 */
export function callSafely(call: () => void): void {
  try {
    call();
  } catch (error) {
    throwLater(error);
  }
}

export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
