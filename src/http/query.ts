/**
 * Query parameters by closed declaration: a route says which it takes and what each may be, and everything else
 * is a 400 that names the parameter and the remedy. A misspelt filter must not look like an empty result. Pure.
 */
import { parseDurationMs } from '../durations.ts';
import { HttpError } from './errors.ts';

export type Parameter<Value> = {
  /** Undefined: the text is not a value. */
  parse(text: string): Value | undefined;
  /** Completes the sentence "it must be ...". */
  accepts: string;
  default: Value;
};

export type Declaration = Readonly<Record<string, Parameter<unknown>>>;

export type Values<Declared extends Declaration> = {
  [Name in keyof Declared]: Declared[Name] extends Parameter<infer Value> ? Value : never;
};

export function integer(least: number, most: number, preset: number): Parameter<number> {
  return {
    parse(text) {
      const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return number >= least && number <= most ? number : undefined;
    },
    accepts: `a whole number from ${least} to ${most}`,
    default: preset,
  };
}

/** 1 or 0; 0 when it is not given. */
export function flag(): Parameter<boolean> {
  return {
    parse: (text) => (text === '1' ? true : text === '0' ? false : undefined),
    accepts: '1 or 0',
    default: false,
  };
}

/** One of a closed set. */
export function choice<const Value extends string>(values: readonly Value[]): Parameter<Value | undefined> {
  return {
    parse: (text) => values.find((value) => value === text),
    accepts: `one of ${values.join(', ')}`,
    default: undefined,
  };
}

/** Some of a closed set, joined by commas. */
export function choices<const Value extends string>(
  values: readonly Value[],
): Parameter<readonly Value[] | undefined> {
  return {
    parse(text) {
      const chosen = new Set(text.split(','));
      return chosen.isSubsetOf(new Set<string>(values))
        ? values.filter((value) => chosen.has(value))
        : undefined;
    },
    accepts: `one or more of ${values.join(', ')}, joined by commas`,
    default: undefined,
  };
}

/** Text for which the check holds. */
export function text(accepts: string, isUsable: (text: string) => boolean): Parameter<string | undefined> {
  return { parse: (given) => (isUsable(given) ? given : undefined), accepts, default: undefined };
}

/** In seconds, with or without a unit. */
export function seconds(): Parameter<number | undefined> {
  return {
    parse(given) {
      const ms = parseDurationMs(/^\d+(?:\.\d+)?$/.test(given) ? `${given}s` : given);
      return ms === undefined ? undefined : ms / 1000;
    },
    accepts: 'seconds, or a duration such as 90s or 5m',
    default: undefined,
  };
}

/** @throws HttpError 400 for an unknown parameter, a repeated one, or a bad value. */
export function parseQuery<const Declared extends Declaration>(
  querystring: string,
  declared: Declared,
): Values<Declared> {
  const given = new Map<string, unknown>();
  for (const [name, text] of pairs(querystring)) {
    // Own properties only, so that ?__proto__ and ?constructor are as unknown as any other.
    const parameter = Object.hasOwn(declared, name) ? declared[name]! : undefined;
    if (parameter === undefined) throw unknownParameter(name, Object.keys(declared));
    if (given.has(name)) {
      throw new HttpError(
        400,
        'repeated_parameter',
        `Query parameter ${quote(name)} is given more than once.`,
      );
    }
    const value = parameter.parse(text);
    if (value === undefined) {
      throw badParameter(name, text, `it must be ${parameter.accepts}`);
    }
    given.set(name, value);
  }
  const entries = Object.entries(declared).map(([name, { default: preset }]) => [
    name,
    given.get(name) ?? preset,
  ]);
  return Object.fromEntries(entries) as Values<Declared>;
}

/** For what only the route can judge. */
export function badParameter(name: string, text: string, remedy: string): HttpError {
  const fault = `Query parameter ${quote(name)} cannot be ${quote(text)}; ${remedy}.`;
  return new HttpError(400, 'bad_parameter', fault);
}

/** Most requests have none. Without the library's objects there is nothing to hold for V8's sake: see last-kept.ts. */
function pairs(querystring: string): Iterable<[string, string]> {
  return querystring === '' ? [] : new URLSearchParams(querystring);
}

function unknownParameter(name: string, known: readonly string[]): HttpError {
  const remedy = known.length === 0 ? 'this path takes none' : `this path takes ${known.join(', ')}`;
  return new HttpError(400, 'unknown_parameter', `Query parameter ${quote(name)} is not known; ${remedy}.`);
}

/** The caller's own text, cut so that an answer stays small whatever was sent. */
function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}...` : text);
}
