/**
 * Where log lines go: a descriptor, written to beside the event loop, so that nobody who reads slowly, or a disk that is
 * full, holds up the gateway or keeps it from ending. What cannot be written is lost, and so it is said on standard
 * error, once until lines get through again.
 *
 * pino's own output (sonic-boom 4.2) tries a write that fails at the end again for ever.
 */
import { write, writeSync } from 'node:fs';

/** Bytes, roughly, that may wait for a reader. */
const WAITING_MAX = 1024 * 1024;
/** A reader that is behind has so long until the next try. */
const RETRY_MS = 50;

export class LogOutput {
  readonly #fd: number;
  readonly #tell: (sentence: string) => void;
  #waiting = '';
  #isWriting = false;
  #isFailing = false;
  #onceWritten: (() => void)[] = [];

  constructor(fd = 1, tell: (sentence: string) => void = console.error) {
    this.#fd = fd;
    this.#tell = tell;
  }

  write(line: string): void {
    if (this.#waiting.length > WAITING_MAX) return this.#lose('nobody reads it');
    this.#waiting += line;
    if (!this.#isWriting) this.#writeWaiting();
  }

  /** Resolves when everything has been written or lost, or the time is up. */
  async flush(limitMs: number): Promise<void> {
    if (!this.#isWriting) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onceWritten.push(resolve);
    const timer = setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
  }

  /** At a crash, which waits for nothing: the lines that led to it. */
  flushAtOnce(): void {
    const waiting = this.#waiting;
    this.#waiting = '';
    try {
      writeSync(this.#fd, waiting);
    } catch {
      // Nobody takes it.
    }
  }

  #writeWaiting(): void {
    this.#isWriting = true;
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = '';
    this.#write(bytes);
  }

  #write(bytes: Buffer, isTorn = false): void {
    write(this.#fd, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#write(bytes, isTorn), RETRY_MS).unref();
      } else if (error === null && written < bytes.length) {
        this.#write(bytes.subarray(written), true);
      } else {
        if (error === null) this.#isFailing = false;
        else this.#lose(error.message);
        // The next line is not to go on where half of one has been written.
        if (error !== null && isTorn) this.#waiting = `\n${this.#waiting}`;
        this.#onWritten();
      }
    });
  }

  #onWritten(): void {
    if (this.#waiting !== '') return this.#writeWaiting();
    this.#isWriting = false;
    for (const resolve of this.#onceWritten.splice(0)) resolve();
  }

  #lose(why: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#tell(`the log cannot be written (${why}); lines are lost until it can`);
  }
}
