/**
 * A hash table from texts to values that is asked with a part of another text, without cutting it out.
 *
 * Among 100,000 keys each object on the way to a value is a wait for the memory. A Map of the language goes through
 * a chain at each look-up and loads every key in it. Here hashes lie beside each other, so a text that is not there costs
 * one line of memory, and one that is there costs three: slot, entry and key.
 *
 * Keys come from clients, so the hash depends on numbers that nobody outside knows: who can guess them could make all
 * of his keys collide.
 */
import { randomInt } from 'node:crypto';

const SEED = randomInt(2 ** 32) | 0;
const FACTOR = randomInt(2 ** 31) * 2 + 1;

const SMALLEST = 8;
/** A table of which less than this share is still there is made anew, and smaller. */
const SPARSE = 0.25;

export class TextTable<Value> {
  /** Pairs of a hash and the number of an entry, counted from 1; 0 is a free slot. Half of them are free, at least. */
  #slots = new Int32Array(2 * SMALLEST);
  /** Key and value of each entry one behind the other; undefined twice for one that was deleted. */
  #entries: (string | Value | undefined)[] = [];
  #size = 0;
  #visits = 0;

  get size(): number {
    return this.#size;
  }

  /** The value of the key that the text is from `start` up to `end`. */
  get(text: string, start = 0, end: number = text.length): Value | undefined {
    const at = this.#find(text, start, end);
    return at === -1 ? undefined : (this.#entries[at + 1] as Value);
  }

  set(key: string, value: Value): void {
    const at = this.#find(key, 0, key.length);
    if (at !== -1) {
      this.#entries[at + 1] = value;
      return;
    }
    if (this.#entries.length * 2 >= this.#slots.length) this.#rebuild();
    this.#entries.push(key, value);
    this.#size += 1;
    this.#take(hashOf(key, 0, key.length), this.#entries.length / 2);
  }

  delete(key: string): boolean {
    const at = this.#find(key, 0, key.length);
    if (at === -1) return false;
    // Its slot stays taken, so that what was put behind it is found.
    this.#entries[at] = undefined;
    this.#entries[at + 1] = undefined;
    this.#size -= 1;
    const taken = this.#entries.length / 2;
    if (taken > 2 * SMALLEST && this.#size < taken * SPARSE && this.#visits === 0) this.#rebuild();
    return true;
  }

  /** Keys may be set and deleted meanwhile: what is deleted before its turn is not visited any more. */
  forEach(visit: (value: Value) => void): void {
    this.#visits += 1;
    try {
      for (let at = 0; at < this.#entries.length; at += 2) {
        if (this.#entries[at] !== undefined) visit(this.#entries[at + 1] as Value);
      }
    } finally {
      this.#visits -= 1;
    }
  }

  /** The index of the entry's key, or -1. */
  #find(text: string, start: number, end: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const hash = hashOf(text, start, end);
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const entry = slots[slot + 1]!;
      if (entry === 0) return -1;
      if (slots[slot] !== hash) continue;
      const at = 2 * entry - 2;
      const key = this.#entries[at] as string | undefined;
      if (key?.length === end - start && text.startsWith(key, start)) return at;
    }
  }

  #take(hash: number, entry: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash << 1) & mask;
    while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
    slots[slot] = hash;
    slots[slot + 1] = entry;
  }

  /** With room for half as much again, and without what was deleted. */
  #rebuild(): void {
    const entries = this.#entries;
    // A visit that is under way goes by the numbers of entries.
    if (this.#visits === 0) this.#entries = entries.filter((_, at) => entries[at - (at % 2)] !== undefined);
    const taken = this.#entries.length / 2;
    let capacity = SMALLEST;
    while (capacity < 3 * taken) capacity *= 2;
    this.#slots = new Int32Array(2 * capacity);
    for (let at = 0; at < this.#entries.length; at += 2) {
      const key = this.#entries[at] as string | undefined;
      if (key !== undefined) this.#take(hashOf(key, 0, key.length), at / 2 + 1);
    }
  }
}

/** Every unit of the text changes all bits: the lowest ones choose the slot. */
function hashOf(text: string, start: number, end: number): number {
  let hash = SEED;
  for (let at = start; at < end; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), FACTOR);
    hash ^= hash >>> 15;
  }
  return hash;
}
