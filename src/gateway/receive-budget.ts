/**
 * What a client may still send us: a bucket of tokens that fills at a steady rate, and a budget of messages that
 * we could not use. Made with what a client first sends of its own accord, so those who only listen cost nothing.
 */

export type ReceiveLimits = {
  /** Messages per second, and how many may come at once. */
  receiveRate: number;
  receiveBurst: number;
  /** Unusable messages in a minute before the connection is closed. */
  badMessagesMax: number;
};

const BAD_MESSAGES_WINDOW_MS = 60_000;
/** What may be under way beyond the budget when a close begins. */
const LEFTOVERS_MAX = 1_000;

export class ReceiveBudget {
  readonly #limits: ReceiveLimits;
  #tokens: number;
  #filledAtMs: number;
  /** Messages beyond those, that came in at once because we had stood still. */
  #arrears = 0;
  #isWarned = false;
  #leftovers = 0;
  #bad = 0;
  #badSinceMs: number;

  constructor(limits: ReceiveLimits, nowMs: number) {
    this.#limits = limits;
    this.#tokens = limits.receiveBurst;
    this.#filledAtMs = nowMs;
    this.#badSinceMs = nowMs;
  }

  /** One message has come: to be used, to be refused with a warning, or the last straw. */
  spend(nowMs: number): 'use' | 'warn' | 'close' {
    if (this.#take(nowMs)) return 'use';
    if (this.#isWarned) return 'close';
    this.#isWarned = true;
    return 'warn';
  }

  /** One has come although a close has begun. False when the client goes on as if it had not. */
  spendClosing(nowMs: number): boolean {
    if (!this.#take(nowMs)) this.#leftovers += 1;
    return this.#leftovers <= LEFTOVERS_MAX;
  }

  #take(nowMs: number): boolean {
    const { receiveRate, receiveBurst } = this.#limits;
    const earned = ((nowMs - this.#filledAtMs) / 1000) * receiveRate;
    this.#tokens = Math.min(receiveBurst, this.#tokens + earned);
    this.#filledAtMs = nowMs;
    if (this.#tokens >= receiveBurst) this.#isWarned = false;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    if (this.#arrears >= 1) {
      this.#arrears -= 1;
      return true;
    }
    return false;
  }

  /** We did not run for so long, and what the client has sent meanwhile is still to come. */
  credit(stallMs: number): void {
    // Not the sum: working off what one stall has left behind is a row of smaller ones.
    this.#arrears = Math.max(this.#arrears, (stallMs / 1000) * this.#limits.receiveRate);
  }

  /** A message could not be used. False when that was one too many. */
  spendBad(nowMs: number): boolean {
    if (nowMs - this.#badSinceMs >= BAD_MESSAGES_WINDOW_MS) {
      this.#badSinceMs = nowMs;
      this.#bad = 0;
    }
    this.#bad += 1;
    return this.#bad <= this.#limits.badMessagesMax;
  }
}
