/**
 * What both adapters demand of their caller. Nothing that a client or a request says reaches a bus unchecked, so
 * a violation is a bug of ours and throws; in particular, nothing can be smuggled into the broker's protocol.
 */
import { isPattern, isSubject } from './subjects.ts';

/** @throws TypeError */
export function checkPattern(pattern: string): void {
  if (!isPattern(pattern)) throw new TypeError(`not a pattern: ${JSON.stringify(pattern)}`);
}

/** @throws TypeError */
export function checkPublish(subject: string, messageId: string | undefined): void {
  if (!isSubject(subject)) throw new TypeError(`not a subject: ${JSON.stringify(subject)}`);
  if (messageId !== undefined && !isMessageId(messageId)) {
    throw new TypeError(`not a message id: ${JSON.stringify(messageId)}`);
  }
}

/** What survives the way through a header unaltered: not empty, no control characters, no blanks at the ends. */
export function isMessageId(text: string): boolean {
  return text !== '' && text.length <= 512 && text === text.trim() && !/[\p{Cc}\p{Cs}]/u.test(text);
}
