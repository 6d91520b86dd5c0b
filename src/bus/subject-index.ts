/**
 * Who gets a message: values by pattern, looked up by subject.
 *
 * On the hot path, once per message. Literals lie in one hash table, whatever their number; only patterns with
 * wildcards are searched token by token. A subject that nobody wants costs one failed look-up in each. It does
 * not merge: a value added under two patterns that both match is visited twice.
 */
import { PatternTree } from './pattern-tree.ts';
import { isLiteral } from './subjects.ts';
import { TextTable } from './text-table.ts';
import { type Bag, bagHas, bagWith, bagWithout, type Visit, visitBag } from './value-bag.ts';

export class SubjectIndex<Value> {
  readonly #literals = new TextTable<Bag<Value>>();
  readonly #wildcards = new PatternTree<Value>();
  #wildcardEntries = 0;
  #entries = 0;

  /** Pairs of a pattern and a value. */
  get entries(): number {
    return this.#entries;
  }

  /** Adding a pair again does nothing and answers false. */
  add(pattern: string, value: Value): boolean {
    if (isLiteral(pattern)) {
      const values = this.#literals.get(pattern);
      if (bagHas(values, value)) return false;
      this.#literals.set(pattern, bagWith(values, value));
    } else {
      if (!this.#wildcards.add(pattern, value)) return false;
      this.#wildcardEntries += 1;
    }
    this.#entries += 1;
    return true;
  }

  /** False when the pair was not there. */
  remove(pattern: string, value: Value): boolean {
    if (isLiteral(pattern)) {
      const values = this.#literals.get(pattern);
      if (!bagHas(values, value)) return false;
      const others = bagWithout(values, value);
      if (others === undefined) this.#literals.delete(pattern);
      else this.#literals.set(pattern, others);
    } else {
      if (!this.#wildcards.remove(pattern, value)) return false;
      this.#wildcardEntries -= 1;
    }
    this.#entries -= 1;
    return true;
  }

  /**
   * Visits the values of every pattern that matches. Pairs may be added and removed meanwhile; whether an
   * added one is still visited is not promised.
   */
  match(subject: string, visit: Visit<Value>): void {
    visitBag(this.#literals.get(subject), visit);
    if (this.#wildcardEntries > 0) this.#wildcards.match(subject, visit);
  }
}
