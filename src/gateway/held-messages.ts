/**
 * What a congested connection is to hear when it can: the last message of each subject, in the order in which
 * those came. For streams of values, where only the newest is of interest.
 */
import type { Fanout } from './fanout.ts';

export class HeldMessages {
  readonly #bySubject = new Map<string, Fanout>();
  /** Whole frames. */
  bytes = 0;

  get count(): number {
    return this.#bySubject.size;
  }

  /** Bytes that holding this message would add; what it replaces goes. */
  growth(message: Fanout): number {
    return message.bytes.length - (this.#bySubject.get(message.subject)?.bytes.length ?? 0);
  }

  /** Holds a message. True when it has replaced an older one. */
  hold(message: Fanout): boolean {
    const { subject } = message;
    this.bytes += this.growth(message);
    const hasReplaced = this.#bySubject.delete(subject);
    this.#bySubject.set(subject, message.kept);
    return hasReplaced;
  }

  /** Forgets the message of a subject. False when there is none. */
  release(subject: string): boolean {
    this.bytes -= this.#bySubject.get(subject)?.bytes.length ?? 0;
    return this.#bySubject.delete(subject);
  }

  /** Hands out everything, and is empty. */
  take(): Fanout[] {
    const messages = [...this.#bySubject.values()];
    this.#bySubject.clear();
    this.bytes = 0;
    return messages;
  }
}
