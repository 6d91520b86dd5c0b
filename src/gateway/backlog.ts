/**
 * The messages that wait, numbered in the order of arrival, each until it has been written to all of its audiences.
 *
 * Audiences queue numbers, not messages. A message that a hundred audiences wait for would be in as many queues, and V8
 * notes each reference from something old to something young, and follows all of them in every collection.
 *
 * Numbers are of 32 bits and begin anew after the last, which a gateway that is never done with all may come to in a day.
 */
import { Fanout } from './fanout.ts';
import { BlockPool, NumberQueue } from './number-queues.ts';

/** What a message takes beside its frame, and each audience's place for it: heap and buffers together, which a test holds. */
export const MESSAGE_BYTES = 240;
export const PLACE_BYTES = 4;
/** So much that is over is forgotten together, for what is behind it has to be moved. */
export const FORGET_AT_ONCE = 1_024;

/** In the place of those that are over: their frames are not to be held until they are forgotten. */
const over = new Fanout('', { bytes: Buffer.alloc(0), payloadLength: 0 }, 0);

export class Backlog {
  /** From number `#first` on; those before `#oldest`, and some behind, have been written to all. */
  #messages: Fanout[] = [];
  #first: number;
  #oldest = 0;
  #count = 0;
  #bytes = 0;
  readonly #blocks = new BlockPool();

  constructor(firstNumber = 0) {
    this.#first = firstNumber;
  }

  /** For numbers of ours. */
  createQueue(): NumberQueue {
    return new NumberQueue(this.#blocks);
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  /** Of memory that they take: their frames, themselves, and their places in queues. */
  get bytes(): number {
    return this.#bytes;
  }

  /** That has waited longest. */
  get oldest(): Fanout | undefined {
    return this.#messages[this.#oldest];
  }

  /** Answers with its number, for those who are to have it. */
  add(message: Fanout): number {
    this.#messages.push(message);
    this.#count += 1;
    this.#bytes += memoryOf(message);
    return (this.#first + this.#messages.length - 1) | 0;
  }

  /** One more audience is to have it. It waits until it has been settled for each of them. */
  expect(message: Fanout): void {
    message.audiences += 1;
    this.#bytes += PLACE_BYTES;
  }

  /** Those that wait by these numbers. Nothing but looking up happens in the loop, as in fetchFrames. */
  all(numbers: readonly number[]): Fanout[] {
    const messages = new Array<Fanout>(numbers.length);
    for (let index = 0; index < numbers.length; index += 1)
      messages[index] = this.#messages[(numbers[index]! - this.#first) | 0]!;
    return messages;
  }

  /** It has been written to one audience, or need not be. True when it has been to all. */
  settle(message: Fanout): boolean {
    message.audiences -= 1;
    this.#bytes -= PLACE_BYTES;
    if (message.audiences > 0) return false;
    this.#count -= 1;
    this.#bytes -= memoryOf(message);
    this.#forget();
    return true;
  }

  #forget(): void {
    while (this.#oldest < this.#messages.length && this.#messages[this.#oldest]!.audiences === 0) {
      this.#messages[this.#oldest] = over;
      this.#oldest += 1;
    }
    if (this.#oldest < FORGET_AT_ONCE && this.#oldest < this.#messages.length) return;
    this.#messages.splice(0, this.#oldest);
    this.#first = (this.#first + this.#oldest) | 0;
    this.#oldest = 0;
  }

  /** Whether a message came before another, or is the same. */
  isUpTo(number: number, last: number): boolean {
    return ((last - number) | 0) >= 0;
  }

  /**
   * The number up to which the oldest must go so that no more than `bytesMax` wait. What is being written stays, and so does the
   * newest, also where it alone is more than that.
   */
  lastToDrop(bytesMax: number): number {
    let bytes = this.#bytes;
    let last = (this.#first - 1) | 0;
    for (let index = this.#oldest; index < this.#messages.length - 1 && bytes > bytesMax; index += 1) {
      const message = this.#messages[index]!;
      if (message.audiences === 0 || message.isBeingWritten) continue;
      bytes -= memoryOf(message);
      last = (this.#first + index) | 0;
    }
    return last;
  }
}

function memoryOf({ bytes, audiences }: Fanout): number {
  return bytes.length + MESSAGE_BYTES + audiences * PLACE_BYTES;
}
