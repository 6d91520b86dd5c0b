/**
 * Waiting for a fact about something outside this process, with a bound.
 *
 * For what this process can be told (an event, a promise) wait for that instead. What another process does can
 * only be asked for, so the condition is asked again and again, at most for the time given. A condition that
 * throws counts as "not yet", and its last error becomes the cause when time runs out.
 */

import { setTimeout as wait } from 'node:timers/promises';

export type UntilOptions = {
  /** Real time; the bound of the wait. */
  timeoutMs?: number;
  /** How long to leave it between two questions. */
  everyMs?: number;
};

/** An answer that ends the wait. */
export type Found<Answer> = Exclude<Answer, false | null | undefined>;

/** Resolves to the first answer that is neither false, null nor undefined. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | Promise<Answer>,
  { timeoutMs = 10_000, everyMs = 10 }: UntilOptions = {},
): Promise<Found<Answer>> {
  const deadlineMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== null && answer !== undefined) {
        return answer as Found<Answer>;
      }
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadlineMs) {
      throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause });
    }
    await wait(everyMs);
  }
}
