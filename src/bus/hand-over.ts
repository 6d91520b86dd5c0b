/**
 * A range of subjects passes from old subscriptions to a new one while messages flow, and each message is taken
 * exactly once.
 *
 * While both are in force the broker sends a copy of a message for each. nats-server settles who gets a message when
 * it reads it from its publisher, and then sends one copy after the other. Anything may come between two copies, for
 * each publisher is served by a thread of its own; so the instant at which we change from one side to the other lies
 * between the two copies of some message at every other change under load. To ignore either side altogether would
 * lose or double that message. Copies carry no mark, but their contents are equal: before the change each copy whose
 * twin has not come is noted, and after it the twins still missing are treated by what became of the first.
 *
 * No ping proves that the copies of somebody else's message have all been sent, so it takes time: the twin time,
 * within which the broker sends all of them. It is measured in turns, `turnsPerTwinTime` of them. From the first:
 * - one twin time until nothing comes any more from before the new subscriptions, which has no twin;
 * - another until the notes of those are forgotten: see `turn`;
 * - the change: now the notes are exactly the messages of which one copy has come;
 * - another one until all their twins have come, and the old subscriptions can end.
 *
 * So a message is lost or heard twice only if the broker stops for longer than the twin time between two copies of it.
 * Of messages on one subject with the same content only the number can be told, and if there are always some between
 * their copies, it can be wrong by one. It costs a hash of the payload per copy, and a note for each publisher that is
 * between two copies. A broker that sent one side only would fill the notes: over their bound the change waits.
 */
import { hash } from 'node:crypto';
import type { BusMessage } from './bus.ts';

/** Copies with one content. */
type Note = {
  /** That came by the new side and not yet by the old one; negative: the other way round. */
  ahead: number;
  aheadAtTurn: number;
  /** Successive turns at which that was the same. */
  turns: number;
};

export const turnsPerTwinTime = 4;

/** At the last of them, what was noted within a twin time of the first has been forgotten. */
export const turnsBeforeChange = 2 * turnsPerTwinTime + 2;

/** About 170 bytes each. nats-server needs one or two for each publisher. */
export const notesMax = 10_000;

export class HandOver {
  readonly #notes = new Map<string, Note>();
  #step: 'opening' | 'noting' | 'changed' = 'opening';
  #mustStartOver = false;

  get isChanged(): boolean {
    return this.#step === 'changed';
  }

  /** Contents of which not all copies have come. */
  get notes(): number {
    return this.#notes.size;
  }

  /** Whether to take a copy that came by an old subscription. */
  takesOld(message: BusMessage): boolean {
    const wasNewAhead = this.#settle(message, -1);
    // Before the change every old copy counts. After it, only one whose twin was ignored before.
    return !this.isChanged || wasNewAhead;
  }

  /** Whether to take a copy that came by the new subscription. */
  takesNew(message: BusMessage): boolean {
    const wasOldAhead = this.#settle(message, 1);
    return this.isChanged && !wasOldAhead;
  }

  /**
   * Call it when the new subscriptions are in force, and at each turn from then on. What has been missing at each turn
   * for a twin time is no twin under way: it will not come, and counting on it would spoil a later message with the
   * same content.
   */
  turn(): void {
    this.#step = 'noting';
    for (const [content, note] of this.#notes) {
      const isSame = note.ahead === note.aheadAtTurn;
      note.turns = isSame ? note.turns + 1 : 0;
      note.aheadAtTurn = note.ahead;
      if (note.ahead === 0 || note.turns === turnsPerTwinTime) this.#notes.delete(content);
    }
  }

  /** The new side has the word from here on. False when that has to wait: start over with the turns. */
  change(): boolean {
    if (this.#mustStartOver) this.forget();
    else this.#step = 'changed';
    this.#mustStartOver = false;
    return this.isChanged;
  }

  /** Another subscription than before is the new one somewhere: what has been noted of its copies is worth nothing. */
  startOver(): void {
    this.#mustStartOver = true;
  }

  /** The link broke: nothing that is missing will come. */
  forget(): void {
    this.#notes.clear();
  }

  /** Whether the twin had come before. If not, the copy is noted. */
  #settle(message: BusMessage, side: 1 | -1): boolean {
    if (this.#step === 'opening') return false;
    const content = contentOf(message);
    const note = this.#notes.get(content);
    if (note !== undefined && note.ahead * side < 0) {
      note.ahead += side;
      // One that was there at the last turn stays until the next, to be compared.
      if (note.ahead === 0 && note.aheadAtTurn === 0) this.#notes.delete(content);
      return true;
    }
    // After the change the word is clear for every new message: nothing more needs noting.
    if (this.isChanged) return false;
    if (note !== undefined) note.ahead += side;
    else if (this.#notes.size < notesMax) this.#notes.set(content, { ahead: side, aheadAtTurn: 0, turns: 0 });
    else this.#mustStartOver = true;
    return false;
  }
}

/** The same for messages that nobody could tell apart. A subject has no blanks, and a hash has a fixed length. */
function contentOf({ subject, messageId = '', payload }: BusMessage): string {
  return `${subject} ${messageId} ${hash('sha1', payload, 'base64')}`;
}
