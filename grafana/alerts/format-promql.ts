/**
 * Long PromQL broken into lines, so that a rule file can be read and its changes reviewed. It does not know the
 * language: only parentheses, quotes, and which words stand between two operands. A line that is short enough stays as
 * it is.
 */

const lineMax = 100;
const indent = '  ';

/** Weakest first; what binds more strongly is broken only if that is not enough. */
const operators = [
  [' or '],
  [' and ', ' unless '],
  [' > ', ' >= ', ' < ', ' <= ', ' == ', ' != '],
  [' + ', ' - '],
  [' * ', ' / '],
] as const;

export function formatPromql(promql: string): string[] {
  if (promql.length <= lineMax) return [promql];
  const given = splitOutside(promql, [', ']);
  if (given.length > 1) return given.flatMap(formatArgument);
  for (const level of operators) {
    const sides = splitOutside(promql, level);
    if (sides.length > 1) return sides.flatMap(formatOperand);
  }
  return breakParentheses(promql);
}

/** One of several arguments of a function, and the comma behind it. */
function formatArgument(text: string, index: number, { length }: readonly string[]): string[] {
  const lines = formatPromql(text.replace(/^, /, ''));
  if (index < length - 1) lines[lines.length - 1] += ',';
  return lines;
}

/** What follows an operator keeps it at the head of its line. */
function formatOperand(operand: string): string[] {
  return operand.length <= lineMax ? [operand] : breakParentheses(operand);
}

/**
 * `head(inside)tail` on lines of their own, the inside formatted by itself. The longest parentheses are broken, but no
 * list of labels.
 */
function breakParentheses(text: string): string[] {
  let longest: { open: number; close: number } | undefined;
  let open = 0;
  scan(text, (at, depth) => {
    if (text[at] === '(' && depth === 1) open = at;
    if (text[at] !== ')' || depth !== 0 || /\b(?:by|on) $/.test(text.slice(0, open))) return;
    if (longest === undefined || at - open > longest.close - longest.open) longest = { open, close: at };
  });
  if (longest === undefined) return [text];
  const { open: from, close: to } = longest as { open: number; close: number };
  const inside = formatPromql(text.slice(from + 1, to));
  return [text.slice(0, from + 1), ...inside.map((line) => indent + line), text.slice(to)];
}

function splitOutside(text: string, separators: readonly string[]): string[] {
  const parts: string[] = [];
  let from = 0;
  scan(text, (at, depth) => {
    if (depth > 0 || at === 0 || !separators.some((one) => text.startsWith(one, at))) return;
    parts.push(text.slice(from, at));
    // The blank before an operator goes; a comma stays, to be told apart.
    from = text[at] === ' ' ? at + 1 : at;
  });
  return [...parts, text.slice(from)];
}

/** Visits each character that is in no string, with the number of parentheses and braces open behind it. */
function scan(text: string, visit: (at: number, depth: number) => void): void {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
      continue;
    }
    if (character === '"') quoted = true;
    if ('({'.includes(character)) depth += 1;
    if (')}'.includes(character)) depth -= 1;
    visit(at, depth);
  }
}
