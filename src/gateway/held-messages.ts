/**
 * What a congested connection is to hear when it can: the last message of each subject, in the order in which
 * those came. For streams of values, where only the newest is of interest.
 *
 * An outage of the bus, or an overload, parts them in two, for the word of what was missed has its place in between. A
 * newer message still replaces one from before: what is not heard is not heard too late. The parts share no subject.
 */
import { type Fanout, framesLength } from './fanout.ts';

export class HeldMessages {
  #bySubject = new Map<string, Fanout>();
  /** From before something was missed of which the client is still to be told; undefined when there is nothing. */
  #earlier: Map<string, Fanout> | undefined;
  /** Whole frames. */
  bytes = 0;

  /** Bytes that holding this message would add; what it replaces goes. */
  growth(message: Fanout): number {
    return message.bytes.length - this.#bytesOf(message.subject);
  }

  #bytesOf(subject: string): number {
    return (this.#bySubject.get(subject) ?? this.#earlier?.get(subject))?.bytes.length ?? 0;
  }

  /** Holds a message. True when it has replaced an older one. */
  hold(message: Fanout): boolean {
    const hasReplaced = this.release(message.subject);
    this.#bySubject.set(message.subject, message.kept);
    this.bytes += message.bytes.length;
    return hasReplaced;
  }

  /** Forgets the message of a subject. False when there is none. */
  release(subject: string): boolean {
    this.bytes -= this.#bytesOf(subject);
    return this.#bySubject.delete(subject) || this.#earlier?.delete(subject) === true;
  }

  /** Something has been missed: all that is held now is from before that. Of several times the last parts them. */
  part(): void {
    const messages = this.#bySubject;
    this.#bySubject = new Map();
    if (this.#earlier === undefined) this.#earlier = messages;
    else for (const [subject, message] of messages) this.#earlier.set(subject, message);
  }

  /** Hands out what is from before that. */
  takeEarlier(): Fanout[] {
    const messages = [...(this.#earlier?.values() ?? [])];
    this.#earlier = undefined;
    this.bytes -= framesLength(messages);
    return messages;
  }

  /** Hands out everything, and is empty. */
  take(): Fanout[] {
    const messages = [...this.takeEarlier(), ...this.#bySubject.values()];
    this.#bySubject.clear();
    this.bytes = 0;
    return messages;
  }
}
