/**
 * A tree of patterns, one level per token, that answers which patterns stand in a relation to a given one.
 *
 * Several values may hang on one pattern. Each query visits the values of all patterns in question, in no
 * promised order, and costs the branches that it has to look into, not the size of the tree. Values may be
 * added and removed while a query runs: a removed one that was not visited yet is not visited any more.
 * Patterns are taken as already checked, and no value is undefined.
 */
import { TextTable } from './text-table.ts';
import { type Bag, bagHas, bagWith, bagWithout, type Visit, visitBag } from './value-bag.ts';

class Node<Value> {
  readonly parent: Node<Value> | undefined;
  readonly token: string;
  /** One alone has no table around it, as for values: see value-bag.ts. */
  literals: Node<Value> | TextTable<Node<Value>> | undefined = undefined;
  star: Node<Value> | undefined = undefined;
  /** Values of the pattern that ends with this node's token. */
  here: Bag<Value> = undefined;
  /** Values of the pattern that has `>` after this node's token. */
  rest: Bag<Value> = undefined;

  constructor(parent: Node<Value> | undefined, token: string) {
    this.parent = parent;
    this.token = token;
  }

  get isEmpty(): boolean {
    return this.here === undefined && this.rest === undefined && !this.star && !this.literals;
  }
}

export class PatternTree<Value> {
  readonly #root = new Node<Value>(undefined, '');

  /** False when the value was there already. */
  add(pattern: string, value: Value): boolean {
    const { tokens, end } = placeOf(pattern);
    let node = this.#root;
    for (const token of tokens) node = childFor(node, token);
    if (bagHas(node[end], value)) return false;
    node[end] = bagWith(node[end], value);
    return true;
  }

  /** False when it was not there. */
  remove(pattern: string, value: Value): boolean {
    const { tokens, end } = placeOf(pattern);
    let node: Node<Value> | undefined = this.#root;
    for (const token of tokens) {
      node = token === '*' ? node.star : literalChild(node, token);
      if (!node) return false;
    }
    if (!bagHas(node[end], value)) return false;
    node[end] = bagWithout(node[end], value);
    prune(node);
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

/** The way to the node of a pattern, and which of its bags is the pattern's. */
function placeOf(pattern: string): { tokens: string[]; end: 'here' | 'rest' } {
  const tokens = pattern.split('.');
  if (tokens.at(-1) !== '>') return { tokens, end: 'here' };
  tokens.pop();
  return { tokens, end: 'rest' };
}

function literalChild<Value>({ literals }: Node<Value>, token: string): Node<Value> | undefined {
  if (literals instanceof TextTable) return literals.get(token);
  return literals?.token === token ? literals : undefined;
}

function visitLiterals<Value>({ literals }: Node<Value>, visit: Visit<Node<Value>>): void {
  if (literals instanceof TextTable) literals.forEach(visit);
  else if (literals) visit(literals);
}

function childFor<Value>(node: Node<Value>, token: string): Node<Value> {
  if (token === '*') {
    node.star ??= new Node(node, token);
    return node.star;
  }
  const known = literalChild(node, token);
  if (known) return known;
  const child = new Node(node, token);
  const { literals } = node;
  if (literals instanceof TextTable) literals.set(token, child);
  else if (literals) node.literals = tableOf(literals, child);
  else node.literals = child;
  return child;
}

function tableOf<Value>(...nodes: Node<Value>[]): TextTable<Node<Value>> {
  const table = new TextTable<Node<Value>>();
  for (const node of nodes) table.set(node.token, node);
  return table;
}

/** Takes away the nodes that lead to nothing any more. */
function prune<Value>(leaf: Node<Value>): void {
  let node = leaf;
  while (node.parent && node.isEmpty) {
    const { parent, token } = node;
    const { literals } = parent;
    if (token === '*') parent.star = undefined;
    else if (literals === node) parent.literals = undefined;
    else if (literals instanceof TextTable && literals.delete(token) && literals.size === 0)
      parent.literals = undefined;
    node = parent;
  }
}

// In each of these, `start` or `at` is the place of a token that is there: nodes are entered before the last one only.

function visitMatching<Value>(node: Node<Value>, subject: string, start: number, visit: Visit<Value>): void {
  visitBag(node.rest, visit);
  const { star } = node;
  if (!node.literals && !star) return;
  const end = subject.indexOf('.', start);
  const literal = literalChildAt(node, subject, start, end === -1 ? subject.length : end);
  if (end === -1) {
    if (literal) visitBag(literal.here, visit);
    if (star) visitBag(star.here, visit);
  } else {
    if (literal) visitMatching(literal, subject, end + 1, visit);
    if (star) visitMatching(star, subject, end + 1, visit);
  }
}

/** The child for the token between the two places, which is cut out only where it has to be looked up. */
function literalChildAt<Value>(
  { literals }: Node<Value>,
  subject: string,
  start: number,
  end: number,
): Node<Value> | undefined {
  if (!literals) return undefined;
  if (literals instanceof TextTable) return literals.get(subject, start, end);
  return literals.token.length === end - start && subject.startsWith(literals.token, start)
    ? literals
    : undefined;
}

function visitCovering<Value>(node: Node<Value>, tokens: string[], at: number, visit: Visit<Value>): void {
  visitBag(node.rest, visit);
  const token = tokens[at]!;
  if (token === '>') return;
  // `*` is never the name of a literal child, so that only the star covers it.
  for (const child of [literalChild(node, token), node.star]) {
    if (!child) continue;
    if (at === tokens.length - 1) visitBag(child.here, visit);
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
    if (isLast) visitBag(child.here, visit);
    else visitCovered(child, tokens, at + 1, visit);
  };
  if (token === '*') {
    visitLiterals(node, enter);
    enter(node.star);
  } else {
    enter(literalChild(node, token));
  }
}

function visitOverlapping<Value>(node: Node<Value>, tokens: string[], at: number, visit: Visit<Value>): void {
  const token = tokens[at]!;
  if (token === '>') {
    visitAllBelow(node, visit);
    return;
  }
  visitBag(node.rest, visit);
  const isLast = at === tokens.length - 1;
  const enter = (child: Node<Value> | undefined): void => {
    if (!child) return;
    if (isLast) visitBag(child.here, visit);
    else visitOverlapping(child, tokens, at + 1, visit);
  };
  if (token === '*') visitLiterals(node, enter);
  else enter(literalChild(node, token));
  enter(node.star);
}

function visitAllBelow<Value>(node: Node<Value>, visit: Visit<Value>): void {
  visitBag(node.rest, visit);
  const enter = (child: Node<Value>): void => {
    visitBag(child.here, visit);
    visitAllBelow(child, visit);
  };
  visitLiterals(node, enter);
  if (node.star) enter(node.star);
}
