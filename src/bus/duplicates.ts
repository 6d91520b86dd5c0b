/**
 * Suppresses messages that were seen a moment ago: publishers send again when they are not sure, and a bus
 * that retries delivers again.
 *
 * Two messages are the same when subject and message id agree, or, where configured, subject and the string
 * `nonce` at the top level of a JSON payload. A message with neither is never a duplicate. It remembers within
 * two bounds, time since the first one and number, and forgets the oldest first; what is older or pushed out
 * comes through again. An id costs one look-up in a hash table, a nonce the parsing of the whole payload. An entry takes
 * 400 bytes at most, however long the id or the nonce is that a publisher makes up.
 */
import { hash } from 'node:crypto';
import type { BusMessage } from './bus.ts';

export type DuplicateWindowOptions = {
  /** 0: off. */
  windowMs: number;
  /** 0: off. */
  entriesMax: number;
  byNonce: boolean;
  /** Milliseconds on a clock that never goes back. */
  now: () => number;
};

export class DuplicateWindow {
  readonly #windowMs: number;
  readonly #entriesMax: number;
  readonly #byNonce: boolean;
  readonly #now: () => number;
  /** By key, when it was first seen; in that order. */
  readonly #seenAtMs = new Map<string, number>();
  /** Only ever added to. */
  suppressed = 0;

  constructor({ windowMs, entriesMax, byNonce, now }: DuplicateWindowOptions) {
    this.#windowMs = windowMs;
    this.#entriesMax = entriesMax;
    this.#byNonce = byNonce;
    this.#now = now;
  }

  /** Keys remembered now; a message with both an id and a nonce has two. */
  get entries(): number {
    // Without traffic nothing else would notice that their time is over.
    this.#forget(this.#now());
    return this.#seenAtMs.size;
  }

  /** Whether it has been seen within the bounds. If not, it is remembered. */
  isDuplicate(message: BusMessage): boolean {
    if (this.#windowMs === 0 || this.#entriesMax === 0) return false;
    const { subject, messageId } = message;
    const nonce = this.#byNonce ? nonceOf(message.payload) : undefined;
    if (messageId === undefined && nonce === undefined) return false;
    const idKey = messageId === undefined ? undefined : keyOf('id', subject, messageId);
    const nonceKey = nonce === undefined ? undefined : keyOf('nonce', subject, nonce);
    const nowMs = this.#now();
    this.#forget(nowMs);
    if (this.#has(idKey) || this.#has(nonceKey)) {
      this.suppressed += 1;
      return true;
    }
    this.#remember(idKey, nowMs);
    this.#remember(nonceKey, nowMs);
    return false;
  }

  #has(key: string | undefined): boolean {
    return key !== undefined && this.#seenAtMs.has(key);
  }

  #remember(key: string | undefined, nowMs: number): void {
    if (key === undefined) return;
    this.#seenAtMs.set(key, nowMs);
    if (this.#seenAtMs.size > this.#entriesMax) this.#forgetOldest();
  }

  #forget(nowMs: number): void {
    for (const seenAtMs of this.#seenAtMs.values()) {
      if (nowMs - seenAtMs < this.#windowMs) return;
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    const { value: oldest } = this.#seenAtMs.keys().next();
    if (oldest !== undefined) this.#seenAtMs.delete(oldest);
  }
}

const plainKeyLengthMax = 128;

/** A subject has no blanks, so that no id or nonce can make two keys look alike; a hashed one has a blank less. */
function keyOf(kind: 'id' | 'nonce', subject: string, text: string): string {
  const key = `${kind} ${subject} ${text}`;
  if (key.length <= plainKeyLengthMax) return key;
  // Not as UTF-8, in which halves of surrogate pairs are all the same.
  return `${kind} ${hash('sha256', Buffer.from(key, 'utf16le'))}`;
}

const openingBrace = 0x7b;

/** The string `nonce` of a JSON object; undefined for everything else, and for an empty one. */
function nonceOf(payload: Uint8Array): string | undefined {
  if (!beginsLikeAnObject(payload)) return undefined;
  try {
    const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
    const parsed = JSON.parse(text) as { nonce?: unknown };
    const nonce = Object.hasOwn(parsed, 'nonce') ? parsed.nonce : undefined;
    return typeof nonce === 'string' && nonce !== '' ? nonce : undefined;
  } catch {
    // Not JSON after all, which is nobody's fault.
    return undefined;
  }
}

/** Spares other payloads the parser. JSON's blanks are all at or below the space. */
function beginsLikeAnObject(payload: Uint8Array): boolean {
  for (const byte of payload) if (byte > 0x20) return byte === openingBrace;
  return false;
}
