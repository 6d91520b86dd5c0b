/**
 * What a connection is to hear when it can: the last message of each subject (policy `conflate`), and the words of what it
 * has missed, each where the last of that was missed. All in the order in which it came: a newer message takes the place of
 * the older one at the end, so what is not heard is not heard too late; a newer word takes the older one's count along.
 */
import type { Fanout } from './fanout.ts';
import type { GapReason } from './protocol.ts';

/** Missed messages of which the client has not been told; `null` where nobody can know how many. */
export type Word = { readonly reason: GapReason; messages: number | null };

/** No subject is one of these. */
const keys: Readonly<Record<GapReason, symbol>> = {
  bus: Symbol('bus'),
  slow: Symbol('slow'),
  overload: Symbol('overload'),
};

export class HeldMessages {
  readonly #entries = new Map<string | symbol, Fanout | Word>();
  /** Whole frames of the messages. */
  bytes = 0;
  hasWords = false;

  /** Bytes that holding this message would add; what it replaces goes. */
  growth(message: Fanout): number {
    return message.bytes.length - this.#bytesOf(message.subject);
  }

  #bytesOf(subject: string): number {
    return (this.#entries.get(subject) as Fanout | undefined)?.bytes.length ?? 0;
  }

  /** Holds a message. True when it has replaced an older one. */
  hold(message: Fanout): boolean {
    const hasReplaced = this.release(message.subject);
    this.#entries.set(message.subject, message.kept);
    this.bytes += message.bytes.length;
    return hasReplaced;
  }

  /** Forgets the message of a subject. False when there is none. */
  release(subject: string): boolean {
    this.bytes -= this.#bytesOf(subject);
    return this.#entries.delete(subject);
  }

  /** So many messages have been missed, behind all that is held now. */
  miss(reason: GapReason, messages: number | null): void {
    const key = keys[reason];
    const before = (this.#entries.get(key) as Word | undefined)?.messages ?? 0;
    this.#entries.delete(key);
    this.#entries.set(key, { reason, messages: messages === null ? null : before + messages });
    this.hasWords = true;
  }

  /** Hands out everything in its order, messages that follow on each other together, and is empty. */
  take(): (readonly Fanout[] | Word)[] {
    const parts: (readonly Fanout[] | Word)[] = [];
    let messages: Fanout[] = [];
    for (const entry of this.#entries.values()) {
      if ('reason' in entry) {
        if (messages.length > 0) parts.push(messages);
        parts.push(entry);
        messages = [];
      } else {
        messages.push(entry);
      }
    }
    if (messages.length > 0) parts.push(messages);
    this.#entries.clear();
    this.bytes = 0;
    this.hasWords = false;
    return parts;
  }
}
