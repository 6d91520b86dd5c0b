/**
 * Orders of connections as they were when somebody began to list them, kept for the pages to come. Bounded in number of
 * entries, and in age where somebody calls `forgetOld` now and then; the one that was used longest ago goes first.
 */
import { randomBytes } from 'node:crypto';

/** Eight bytes each, beside the identifiers of those that have gone meanwhile. */
const ENTRIES_MAX = 500_000;
/** Since it was used last. */
const AGE_MAX_MS = 120_000;

type Order = { readonly ids: readonly string[]; usedAtMs: number };

export class Orders {
  readonly #nowMs: () => number;
  /** In the order of their last use. */
  readonly #kept = new Map<string, Order>();
  #entries = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Answers with its name. The newest is kept in any case. */
  keep(ids: readonly string[]): string {
    this.forgetOld();
    const name = randomBytes(6).toString('base64url');
    this.#kept.set(name, { ids, usedAtMs: this.#nowMs() });
    this.#entries += ids.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#entries <= ENTRIES_MAX || oldest === name) break;
      this.#forget(oldest);
    }
    return name;
  }

  /** Undefined when it is kept no longer. */
  get(name: string): readonly string[] | undefined {
    this.forgetOld();
    const order = this.#kept.get(name);
    if (order === undefined) return undefined;
    this.#kept.delete(name);
    this.#kept.set(name, { ...order, usedAtMs: this.#nowMs() });
    return order.ids;
  }

  forgetOld(): void {
    const fromMs = this.#nowMs() - AGE_MAX_MS;
    for (const [name, { usedAtMs }] of this.#kept) {
      if (usedAtMs >= fromMs) break;
      this.#forget(name);
    }
  }

  #forget(name: string): void {
    this.#entries -= this.#kept.get(name)!.ids.length;
    this.#kept.delete(name);
  }
}
