/**
 * A range of subjects passes from old subscriptions to a new one while messages flow, and each message is to be
 * taken exactly once.
 *
 * While both are in force the broker sends two copies of a message, one after the other but with anything in
 * between: messages of other publishers, and the instant at which we change from one subscription to the other.
 * To ignore either side for the duration would lose or double the messages whose copies lie on both sides of that
 * instant, a matter of every other change under load. Copies carry no mark of their own, but they are equal: so
 * for a while before the change, each copy whose twin has not come yet is noted by subject and content, and after
 * the change the twins still missing are treated according to who had the word when the first copy came.
 *
 * Time passes in round trips: `turn` after each. A note is of use while its twin is under way and harmful
 * afterwards, when it could be taken for the twin of another message with the same content. A message that came
 * before the new subscription was in force has no twin at all, and one of which we had a copy before we began to
 * take notes has none that we know of. So a note is kept for `twinTrips` round trips at least and one more
 * at most, and the change comes another one later, when everything noted in the first two has been dropped. It costs a
 * hash of the payload per copy, for the few round trips that a hand-over takes.
 */
import { hash } from 'node:crypto';
import type { BusMessage } from './bus.ts';

/** Copies of one content that came by the new side and not yet by the old one; negative: the other way round. */
type Note = { newAhead: number; message: BusMessage };
type Notes = Map<string, Note>;

/** Round trips after which the second copy of a message may still come and be known for one. */
export const twinTrips = 5;

const generationsMax = twinTrips + 1;

export class HandOver {
  /** The youngest first. */
  #generations: Notes[] = [new Map()];
  #isChanged = false;

  /** Whether to take a copy that came by an old subscription. */
  takesOld(message: BusMessage): boolean {
    const wasNewAhead = this.#settle(message, -1);
    // Before the change every old copy counts. After it, only one whose twin was ignored before.
    return this.#isChanged ? wasNewAhead : true;
  }

  /** Whether to take a copy that came by the new subscription. */
  takesNew(message: BusMessage): boolean {
    const wasOldAhead = this.#settle(message, 1);
    return this.#isChanged ? !wasOldAhead : false;
  }

  /** Call it after each round trip before the change. Those first notes whose twins cannot come are dropped. */
  turn(): void {
    this.#generations = [new Map(), ...this.#generations].slice(0, generationsMax);
  }

  /** The new subscription has the word from here on; end the old one now. Comes after `twinTrips` + 2 turns. */
  change(): void {
    this.#isChanged = true;
  }

  /**
   * After the end of the old subscription: messages that came by the new one alone before the change, because the
   * broker was in the middle of sending both copies when the end reached it. Nobody has taken them yet.
   */
  leftovers(): BusMessage[] {
    if (!this.#isChanged) return [];
    const messages: BusMessage[] = [];
    for (const { newAhead, message } of this.#generations.flatMap((notes) => [...notes.values()])) {
      for (let i = 0; i < newAhead; i += 1) messages.push(message);
    }
    return messages;
  }

  /** Notes a copy, or strikes out the note of its twin. True in the latter case. */
  #settle(message: BusMessage, side: 1 | -1): boolean {
    const key = `${message.subject} ${hash('sha1', message.payload)}`;
    // The youngest first: of two notes alike, the older one is more likely to have no twin.
    for (const notes of this.#generations) {
      const note = notes.get(key);
      if (!note || note.newAhead * side >= 0) continue;
      note.newAhead += side;
      if (note.newAhead === 0) notes.delete(key);
      return true;
    }
    // After the change the word is clear for every new message: nothing more needs noting.
    if (this.#isChanged) return false;
    const youngest = this.#generations[0]!;
    const note = youngest.get(key);
    if (note) note.newAhead += side;
    else youngest.set(key, { newAhead: side, message });
    return false;
  }
}
