/**
 * The few words of JSON Schema that the chart's values need. Every object is closed: what is not declared is an error
 * of whoever wrote it, most often a slip of the pen.
 */

export type Schema = Readonly<Record<string, unknown>>;

export const string: Schema = { type: 'string' };
export const boolean: Schema = { type: 'boolean' };
/** A whole number; Helm hands in all numbers as numbers. */
export const integer = (minimum: number, maximum = 2 ** 31 - 1): Schema => ({
  type: 'integer',
  minimum,
  maximum,
});
/** Also null, for what is computed unless it is given. */
export const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
export const oneOf = (...choices: string[]): Schema => ({ enum: choices });
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const map = (values: Schema = string): Schema => ({ type: 'object', additionalProperties: values });
/** A percentage, or a number of pods. */
export const intOrPercent: Schema = { anyOf: [integer(0), { type: 'string', pattern: '^[0-9]+%$' }] };
/** 500m, 1.5, 512Mi. */
export const quantity: Schema = {
  anyOf: [{ type: 'number' }, { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$' }],
};
/** Kubernetes' own, with a structure that only its API server knows whole, and checks. */
export const anyObject = (why: string): Schema => ({ type: 'object', $comment: `open: ${why}` });

export function object(properties: Record<string, Schema>, required: string[] = []): Schema {
  return {
    type: 'object',
    properties,
    additionalProperties: false,
    ...(required.length > 0 && { required }),
  };
}
