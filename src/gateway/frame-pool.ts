/**
 * Buffers that frames are joined in, used again and again. A socket whose kernel takes everything at once keeps nothing
 * of what it was given, so after a flush nearly all of them are free; new ones for each flush would keep the garbage
 * collector busy.
 */

/** What is written to a socket at once is about this large, so that what the kernel leaves is known in small steps. */
export const CHUNK_BYTES: number = 64 * 1024;
/** So many are kept; what a rare large flush needs beyond that is let go of. */
const FREE_MAX = 32;

export class FramePool {
  readonly #free: Buffer[] = [];

  /** A buffer of CHUNK_BYTES. One that is never given back is garbage like any other. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  /** Takes back a buffer that no socket holds any more. */
  giveBack(buffer: Buffer): void {
    if (this.#free.length < FREE_MAX) this.#free.push(buffer);
  }
}
