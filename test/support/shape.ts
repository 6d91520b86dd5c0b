/** Compares documents by shape: which of an example's keys are missing in another, or have another type. */

/** Paths of the example's keys that the document lacks or has with another type; extra keys are no fault. */
export function shapeFaults(example: unknown, document: unknown, path = '$'): string[] {
  if (kindOf(example) !== kindOf(document)) {
    return [`${path} should be ${kindOf(example)}, and is ${kindOf(document)}`];
  }
  if (Array.isArray(example)) {
    const [pattern] = example;
    if (pattern === undefined) return [];
    return (document as unknown[]).flatMap((one, index) => shapeFaults(pattern, one, `${path}[${index}]`));
  }
  if (kindOf(example) !== 'object') return [];
  return Object.entries(example as object).flatMap(([key, value]) =>
    shapeFaults(value, (document as Record<string, unknown>)[key], `${path}.${key}`),
  );
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number' && !Number.isFinite(value)) return 'a number that JSON cannot hold';
  return value === null ? 'null' : typeof value;
}
