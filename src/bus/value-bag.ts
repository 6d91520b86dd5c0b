/**
 * The values that hang on one pattern, in no promised order.
 *
 * There is one almost always, and it needs no set around it then: among 100,000 patterns each object on the way of a
 * message is a wait for the memory, and takes the place of others in the caches. A bag is a plain variable that
 * these functions read and return; undefined is the empty one.
 */

/** Several; a class of its own, so that a value may itself be a set. */
class Several<Value> extends Set<Value> {}

export type Bag<Value> = Value | Several<Value> | undefined;

export type Visit<Value> = (value: Value) => void;

export function bagHas<Value>(bag: Bag<Value>, value: Value): boolean {
  return bag instanceof Several ? bag.has(value) : bag === value;
}

export function bagWith<Value>(bag: Bag<Value>, value: Value): Bag<Value> {
  if (bag === undefined) return value;
  if (bag instanceof Several) return bag.add(value);
  return bag === value ? bag : new Several([bag, value]);
}

export function bagWithout<Value>(bag: Bag<Value>, value: Value): Bag<Value> {
  if (!(bag instanceof Several)) return bag === value ? undefined : bag;
  bag.delete(value);
  // The last one stays in its set: a visit under way must see it go.
  return bag.size === 0 ? undefined : bag;
}

/** A value that is removed before its turn is not visited any more. */
export function visitBag<Value>(bag: Bag<Value>, visit: Visit<Value>): void {
  if (bag instanceof Several) bag.forEach(visit);
  else if (bag !== undefined) visit(bag);
}
