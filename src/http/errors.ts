/**
 * What a handler throws to refuse a request. The error exit turns it into the one shape that every error has,
 * {"error":{"code","message"}}. Anything else that is thrown is a fault of ours: logged, and told as a bare 500.
 */

export type ErrorHeaders = Readonly<Record<string, string>>;

export class HttpError extends Error {
  override name = 'HttpError';
  readonly status: number;
  /** For programs: lower case, words joined by underscores, never changed once given out. */
  readonly code: string;
  readonly headers: ErrorHeaders;

  /** @param message for people: what was wrong, and what to do about it; it goes to the caller. */
  constructor(status: number, code: string, message: string, headers: ErrorHeaders = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export type ErrorDocument = { error: { code: string; message: string } };

export function errorDocument(code: string, message: string): ErrorDocument {
  return { error: { code, message } };
}
