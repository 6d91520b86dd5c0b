/**
 * The grammar and the algebra of NATS subjects. Pure.
 *
 * A subject is a literal: tokens joined by dots. A pattern may have `*` for any one token and, as its last
 * token, `>` for one token or more. The grammar is stricter than nats-server's (which takes `a*` for a literal,
 * and most control characters), so what passes here is safe in its protocol and harmless in a log. It does not
 * judge meaning: whether a client may use `$SYS.>` or `_INBOX.>` is for the allow-list to say.
 *
 * The comparisons take their arguments as already checked. `covers` and `matches` allocate nothing.
 */

/** UTF-16 units; at most three bytes each, far below the 4 KiB that nats-server takes for a line. */
export const subjectLengthMax = 256;
export const subjectTokensMax = 32;

// No blanks of any script, no control or invisible format characters, no half of a surrogate pair.
const token = '[^\\s.*>\\p{Cc}\\p{Cf}\\p{Cs}]+';
const moreMax = subjectTokensMax - 1;
const subjectGrammar = new RegExp(`^${token}(?:\\.${token}){0,${moreMax}}$`, 'u');
const patternGrammar = new RegExp(`^(?:(?:${token}|\\*)\\.){0,${moreMax}}(?:${token}|\\*|>)$`, 'u');

const dot = 0x2e;
const star = 0x2a;
const greater = 0x3e;

/** Whether it is a literal: what one may publish to. */
export function isSubject(text: string): boolean {
  return text.length <= subjectLengthMax && subjectGrammar.test(text);
}

/** Whether it is a literal or a pattern with wildcards: what one may subscribe to. */
export function isPattern(text: string): boolean {
  return text.length <= subjectLengthMax && patternGrammar.test(text);
}

/** Whether a pattern is a literal, which matches nothing but itself. */
export function isLiteral(pattern: string): boolean {
  // Wildcards are whole tokens, so that none of their characters occurs anywhere else.
  return !pattern.includes('*') && !pattern.endsWith('>');
}

/** Whether the subject is one of the pattern's. */
export function matches(pattern: string, subject: string): boolean {
  // A literal is covered by exactly the patterns that match it.
  return covers(pattern, subject);
}

/** Whether every subject that `other` matches is matched by `pattern` too; equal patterns cover each other. */
export function covers(pattern: string, other: string): boolean {
  let p = 0;
  let o = 0;
  // Each turn begins at the first character of a token in both, and there is one in both.
  for (;;) {
    const first = pattern.charCodeAt(p);
    if (first === greater) return true;
    if (first === star) {
      if (other.charCodeAt(o) === greater) return false;
      p += 1;
      while (o < other.length && other.charCodeAt(o) !== dot) o += 1;
    } else {
      while (p < pattern.length && pattern.charCodeAt(p) !== dot) {
        if (pattern.charCodeAt(p) !== other.charCodeAt(o)) return false;
        p += 1;
        o += 1;
      }
      if (o < other.length && other.charCodeAt(o) !== dot) return false;
    }
    if (p === pattern.length || o === other.length) return p === pattern.length && o === other.length;
    p += 1;
    o += 1;
  }
}

/** Whether some subject is matched by both. */
export function overlaps(a: string, b: string): boolean {
  return intersection(a, b) !== undefined;
}

/**
 * The pattern of exactly the subjects that both match, or undefined when there are none. Wildcards stand for
 * whole tokens and `>` only at the end, hence the answer is always one pattern. It has no more tokens than the
 * longer of the two, but may have more characters than `isPattern` allows when each has long literals.
 */
export function intersection(a: string, b: string): string | undefined {
  const left = a.split('.');
  const right = b.split('.');
  const common: string[] = [];
  for (let i = 0; i < left.length && i < right.length; i += 1) {
    const l = left[i]!;
    const r = right[i]!;
    if (l === '>') return [...common, ...right.slice(i)].join('.');
    if (r === '>') return [...common, ...left.slice(i)].join('.');
    if (l !== r && l !== '*' && r !== '*') return undefined;
    common.push(l === '*' ? r : l);
  }
  return left.length === right.length ? common.join('.') : undefined;
}

/** Whether a client may subscribe to the channel: one of the allowed patterns covers the whole of it. */
export function isAllowed(channel: string, allowed: readonly string[]): boolean {
  return allowed.some((pattern) => covers(pattern, channel));
}

/**
 * The part of the patterns that lies within the allowed ones, as a set in which no pattern covers another.
 * In the order of the patterns. Costs the product of the two lengths, and the square of the result's.
 */
export function narrow(patterns: readonly string[], allowed: readonly string[]): string[] {
  const parts = new Set<string>();
  for (const pattern of patterns) {
    for (const limit of allowed) {
      const part = intersection(pattern, limit);
      if (part !== undefined) parts.add(part);
    }
  }
  return [...parts].filter((part) => {
    for (const other of parts) if (other !== part && covers(other, part)) return false;
    return true;
  });
}
