/**
 * Who gets a message: values by pattern, looked up by subject.
 *
 * On the hot path, once per message. Literals lie in one hash table, whatever their number; only patterns with
 * wildcards are searched token by token. A subject that nobody wants costs one failed look-up in each. It does
 * not merge: a value added under two patterns that both match is visited twice.
 */
import { PatternTree, type Visit } from './pattern-tree.ts';
import { isLiteral } from './subjects.ts';

export class SubjectIndex<Value> {
  readonly #literals = new Map<string, Set<Value>>();
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
      let values = this.#literals.get(pattern);
      if (!values) {
        values = new Set();
        this.#literals.set(pattern, values);
      }
      if (values.has(value)) return false;
      values.add(value);
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
      if (!values?.delete(value)) return false;
      if (values.size === 0) this.#literals.delete(pattern);
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
    this.#literals.get(subject)?.forEach(visit);
    if (this.#wildcardEntries > 0) this.#wildcards.match(subject, visit);
  }
}
