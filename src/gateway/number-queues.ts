/**
 * Queues of 32-bit numbers, thousands of them, in blocks of one common memory.
 *
 * Where each client has channels of its own, a message goes to the end of a hundred queues or more, and what that costs is
 * to fetch those ends: an array of the language is an object, the head of its elements, and the place behind the last of
 * them. Here an end is a block that others lie beside; what that is worth stands in ARCHITECTURE.md. An empty queue has no
 * block.
 */

/** The last place of a block holds the number of the next one. */
const PLACES = 32;
const NUMBERS = PLACES - 1;
/** A slab of 256 KiB has so many blocks: a power of two. */
const SLAB_BLOCKS = 2_048;
/** Slabs that stay when all queues are empty. */
const SLABS_KEPT = 16;
const NONE = -1;

export class BlockPool {
  readonly #slabs: Int32Array[] = [];
  /** Given back: each holds the number of the next. */
  #free = NONE;
  /** From here on no block has been in use. */
  #fresh = 0;
  #used = 0;

  /** Blocks that hold numbers. */
  get used(): number {
    return this.#used;
  }

  get bytes(): number {
    return this.#slabs.length * SLAB_BLOCKS * PLACES * Int32Array.BYTES_PER_ELEMENT;
  }

  slabOf(block: number): Int32Array {
    return this.#slabs[Math.floor(block / SLAB_BLOCKS)]!;
  }

  /** Where a block begins in its slab. */
  startOf(block: number): number {
    return (block % SLAB_BLOCKS) * PLACES;
  }

  next(block: number): number {
    return this.slabOf(block)[this.startOf(block) + NUMBERS]!;
  }

  take(): number {
    this.#used += 1;
    if (this.#free !== NONE) {
      const block = this.#free;
      this.#free = this.next(block);
      return block;
    }
    if (this.#fresh === this.#slabs.length * SLAB_BLOCKS)
      this.#slabs.push(new Int32Array(SLAB_BLOCKS * PLACES));
    this.#fresh += 1;
    return this.#fresh - 1;
  }

  giveBack(block: number): void {
    this.#used -= 1;
    if (this.#used === 0) {
      // Begins anew, in what is in the caches; and what a peak took is gone.
      this.#free = NONE;
      this.#fresh = 0;
      this.#slabs.length = Math.min(this.#slabs.length, SLABS_KEPT);
      return;
    }
    this.slabOf(block)[this.startOf(block) + NUMBERS] = this.#free;
    this.#free = block;
  }
}

const noSlab = new Int32Array(0);

export class NumberQueue {
  readonly #pool: BlockPool;
  #length = 0;
  #head = 0;
  /** Numbers that have been taken out of the first block. */
  #skip = 0;
  /** The last block's slab, and there the place for the next number and the one behind all of the block. */
  #slab: Int32Array = noSlab;
  #at = 0;
  #end = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.#length;
  }

  push(number: number): void {
    if (this.#at === this.#end) this.#extend();
    this.#slab[this.#at] = number;
    this.#at += 1;
    this.#length += 1;
  }

  #extend(): void {
    const block = this.#pool.take();
    if (this.#length === 0) this.#head = block;
    else this.#slab[this.#end] = block;
    this.#slab = this.#pool.slabOf(block);
    this.#at = this.#pool.startOf(block);
    this.#end = this.#at + NUMBERS;
  }

  /** How many from an index on, one after the other, are so. */
  countWhile(from: number, isSo: (number: number) => boolean): number {
    let left = this.#length - from;
    let block = this.#head;
    let place = this.#skip + from;
    for (; left > 0 && place >= NUMBERS; place -= NUMBERS) block = this.#pool.next(block);
    for (; left > 0; place = 0) {
      const slab = this.#pool.slabOf(block);
      const start = this.#pool.startOf(block);
      for (const end = Math.min(NUMBERS, place + left); place < end; place += 1) {
        if (!isSo(slab[start + place]!)) return this.#length - from - left;
        left -= 1;
      }
      block = slab[start + NUMBERS]!;
    }
    return this.#length - from;
  }

  /** The numbers from one index on, before another or the end. */
  slice(from: number, to: number): number[] {
    const numbers: number[] = [];
    if (to > from) this.countWhile(from, (number) => numbers.push(number) < to - from);
    return numbers;
  }

  /** Removes so many from the front; `count` is no more than there are. */
  drop(count: number): void {
    this.#length -= count;
    const isEmpty = this.#length === 0;
    // Counted from the beginning of the first block. Blocks before it are given back, and all when nothing is left.
    let place = this.#skip + count;
    while (isEmpty ? place > 0 : place >= NUMBERS) {
      const block = this.#head;
      place -= NUMBERS;
      // The last one names no next.
      if (!isEmpty || place > 0) this.#head = this.#pool.next(block);
      this.#pool.giveBack(block);
    }
    this.#skip = isEmpty ? 0 : place;
    if (!isEmpty) return;
    this.#slab = noSlab;
    this.#at = 0;
    this.#end = 0;
  }

  /** Removes so many from an index on. Those from the midst cost a copy of all. */
  remove(from: number, count: number): number[] {
    const removed = this.slice(from, from + count);
    if (from === 0) {
      this.drop(count);
      return removed;
    }
    const rest = [...this.slice(0, from), ...this.slice(from + count, this.#length)];
    this.drop(this.#length);
    for (const number of rest) this.push(number);
    return removed;
  }
}
