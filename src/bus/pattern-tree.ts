/**
 * A tree of patterns, one level per token, that answers which patterns stand in a relation to a given one.
 *
 * Several values may hang on one pattern. Each query visits the values of all patterns in question, in no
 * promised order, and costs the branches that it has to look into, not the size of the tree. Values may be
 * added and removed while a query runs: a removed one that was not visited yet is not visited any more.
 * Patterns are taken as already checked.
 */

export type Visit<Value> = (value: Value) => void;

class Node<Value> {
  readonly parent: Node<Value> | undefined;
  readonly token: string;
  literals: Map<string, Node<Value>> | undefined;
  star: Node<Value> | undefined;
  /** Values of the pattern that ends with this node's token. */
  here: Set<Value> | undefined;
  /** Values of the pattern that has `>` after this node's token. */
  rest: Set<Value> | undefined;

  constructor(parent: Node<Value> | undefined, token: string) {
    this.parent = parent;
    this.token = token;
  }

  get isEmpty(): boolean {
    return !this.here && !this.rest && !this.star && !this.literals;
  }
}

export class PatternTree<Value> {
  readonly #root = new Node<Value>(undefined, '');

  /** False when the value was there already. */
  add(pattern: string, value: Value): boolean {
    const tokens = pattern.split('.');
    const hasRest = tokens.at(-1) === '>';
    if (hasRest) tokens.pop();
    let node = this.#root;
    for (const token of tokens) node = childFor(node, token);
    if (hasRest) node.rest ??= new Set();
    else node.here ??= new Set();
    const values = (hasRest ? node.rest : node.here)!;
    if (values.has(value)) return false;
    values.add(value);
    return true;
  }

  /** False when it was not there. */
  remove(pattern: string, value: Value): boolean {
    const tokens = pattern.split('.');
    const hasRest = tokens.at(-1) === '>';
    if (hasRest) tokens.pop();
    let node: Node<Value> | undefined = this.#root;
    for (const token of tokens) {
      node = token === '*' ? node.star : node.literals?.get(token);
      if (!node) return false;
    }
    const values = hasRest ? node.rest : node.here;
    if (!values?.delete(value)) return false;
    if (values.size === 0) {
      if (hasRest) node.rest = undefined;
      else node.here = undefined;
      prune(node);
    }
    return true;
  }

  /** The patterns that match the subject. Allocates nothing but the tokens that it looks up. */
  match(subject: string, visit: Visit<Value>): void {
    visitMatching(this.#root, subject, 0, visit);
  }

  /** The patterns that cover the given one, which is among them. */
  covering(pattern: string, visit: Visit<Value>): void {
    visitCovering(this.#root, pattern.split('.'), 0, visit);
  }

  /** The patterns that the given one covers, itself among them. */
  covered(pattern: string, visit: Visit<Value>): void {
    visitCovered(this.#root, pattern.split('.'), 0, visit);
  }

  /** The patterns that match at least one subject that the given one matches too. */
  overlapping(pattern: string, visit: Visit<Value>): void {
    visitOverlapping(this.#root, pattern.split('.'), 0, visit);
  }
}

function childFor<Value>(node: Node<Value>, token: string): Node<Value> {
  if (token === '*') {
    node.star ??= new Node(node, token);
    return node.star;
  }
  node.literals ??= new Map();
  let child = node.literals.get(token);
  if (!child) {
    child = new Node(node, token);
    node.literals.set(token, child);
  }
  return child;
}

/** Takes away the nodes that lead to nothing any more. */
function prune<Value>(leaf: Node<Value>): void {
  let node = leaf;
  while (node.parent && node.isEmpty) {
    const { parent, token } = node;
    if (token === '*') parent.star = undefined;
    else if (parent.literals?.delete(token) && parent.literals.size === 0) parent.literals = undefined;
    node = parent;
  }
}

// In each of these, `start` or `at` is the place of a token that is there: nodes are entered before the last one only.

function visitMatching<Value>(node: Node<Value>, subject: string, start: number, visit: Visit<Value>): void {
  node.rest?.forEach(visit);
  const { literals, star } = node;
  if (!literals && !star) return;
  const end = subject.indexOf('.', start);
  const literal = literals?.get(end === -1 ? subject.slice(start) : subject.slice(start, end));
  if (end === -1) {
    literal?.here?.forEach(visit);
    star?.here?.forEach(visit);
  } else {
    if (literal) visitMatching(literal, subject, end + 1, visit);
    if (star) visitMatching(star, subject, end + 1, visit);
  }
}

function visitCovering<Value>(node: Node<Value>, tokens: string[], at: number, visit: Visit<Value>): void {
  node.rest?.forEach(visit);
  const token = tokens[at]!;
  if (token === '>') return;
  // `*` is never the name of a literal child, so that only the star covers it.
  for (const child of [node.literals?.get(token), node.star]) {
    if (!child) continue;
    if (at === tokens.length - 1) child.here?.forEach(visit);
    else visitCovering(child, tokens, at + 1, visit);
  }
}

function visitCovered<Value>(node: Node<Value>, tokens: string[], at: number, visit: Visit<Value>): void {
  const token = tokens[at]!;
  if (token === '>') {
    visitAllBelow(node, visit);
    return;
  }
  const isLast = at === tokens.length - 1;
  const enter = (child: Node<Value> | undefined): void => {
    if (!child) return;
    if (isLast) child.here?.forEach(visit);
    else visitCovered(child, tokens, at + 1, visit);
  };
  if (token === '*') {
    node.literals?.forEach(enter);
    enter(node.star);
  } else {
    enter(node.literals?.get(token));
  }
}

function visitOverlapping<Value>(node: Node<Value>, tokens: string[], at: number, visit: Visit<Value>): void {
  const token = tokens[at]!;
  if (token === '>') {
    visitAllBelow(node, visit);
    return;
  }
  node.rest?.forEach(visit);
  const isLast = at === tokens.length - 1;
  const enter = (child: Node<Value> | undefined): void => {
    if (!child) return;
    if (isLast) child.here?.forEach(visit);
    else visitOverlapping(child, tokens, at + 1, visit);
  };
  if (token === '*') node.literals?.forEach(enter);
  else enter(node.literals?.get(token));
  enter(node.star);
}

function visitAllBelow<Value>(node: Node<Value>, visit: Visit<Value>): void {
  node.rest?.forEach(visit);
  const enter = (child: Node<Value>): void => {
    child.here?.forEach(visit);
    visitAllBelow(child, visit);
  };
  node.literals?.forEach(enter);
  if (node.star) enter(node.star);
}
