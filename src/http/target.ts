/**
 * The request target (RFC 9112 section 3.2), checked before anything parses it: the parsers behind koa's path
 * and query throw on some targets and bend others. After this, a path is ASCII that decodes to valid UTF-8.
 */
import { HttpError } from './errors.ts';

const absoluteForm = /^https?:\/\//i;
// Visible ASCII but for '#', which never leaves a client: whatever else is meant has to be percent-encoded.
const originFormText = /^\/[\x21\x22\x24-\x7e]*$/;

/**
 * The target in origin form, `/path?query`. A target in absolute form, as a proxy would get it, is accepted and
 * its host ignored: this server has one site.
 * @throws HttpError 400
 */
export function originForm(target: string): string {
  const text = absoluteForm.test(target) ? withoutAuthority(target) : target;
  if (!originFormText.test(text)) {
    throw badTarget('The request target must be a path that starts with / and is percent-encoded ASCII.');
  }
  try {
    decodeURIComponent(text);
  } catch {
    throw badTarget('The request target has a percent sign without two hexadecimal digits, or is not UTF-8.');
  }
  return text;
}

function withoutAuthority(target: string): string {
  if (!URL.canParse(target)) throw badTarget('The request target is not a valid URL.');
  const { pathname, search } = new URL(target);
  return pathname + search;
}

function badTarget(message: string): HttpError {
  return new HttpError(400, 'bad_target', message);
}
