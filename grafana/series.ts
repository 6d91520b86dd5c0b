/**
 * From an instrument to PromQL. Nobody beside this file writes the name of a series: queries are built from the name of
 * an instrument, of its attributes and their values, all of them typed by the catalogue. What is not in the catalogue
 * does not compile, and throws where the compiler was talked out of it. The same query fits scraped and pushed figures.
 *
 * An attribute of a histogram may be absent (`error.type` of what went well); absent is written ''.
 */
import type { Attribute, ClosedSet } from '../src/telemetry/catalogue/declaration.ts';
import {
  type Catalogue,
  type HistogramName,
  type Instrument,
  type InstrumentName,
  instruments,
} from '../src/telemetry/catalogue.ts';
import { labelName, seriesName } from '../src/telemetry/metric-names.ts';
import { type Origin, type Span, type TargetLabel, Vector } from './promql.ts';

type NameOfKind<Kind> = {
  [Name in InstrumentName]: Catalogue[Name] extends { kind: Kind } ? Name : never;
}[InstrumentName];

export type CounterName = NameOfKind<'counter'>;
/** What has a value of its own at any instant: gauges and up-down counters. */
export type LevelName = NameOfKind<'gauge' | 'upDownCounter'>;

type Given<Name extends InstrumentName> =
  | (Catalogue[Name] extends { attributes: infer All extends readonly Attribute[] } ? All[number] : never)
  | (Catalogue[Name] extends {
      implied: readonly [infer Implied extends string, infer Values extends ClosedSet, unknown];
    }
      ? readonly [Implied, Values]
      : never);

export type AttributeName<Name extends InstrumentName> = Given<Name>[0];
export type AttributeValue<Name extends InstrumentName, Key extends AttributeName<Name>> =
  | (Extract<Given<Name>, readonly [Key, unknown]>[1] extends infer Values extends ClosedSet
      ? Values[number]
      : string)
  | (Name extends HistogramName ? '' : never);

/** One value, one of several, or any but those. */
export type Where<Name extends InstrumentName> = {
  readonly [Key in AttributeName<Name>]?:
    | AttributeValue<Name, Key>
    | readonly AttributeValue<Name, Key>[]
    | { readonly not: AttributeValue<Name, Key> | readonly AttributeValue<Name, Key>[] };
};

/** A bucket's upper bound, as the catalogue has it. */
export type Boundary<Name extends HistogramName> = Catalogue[Name] extends {
  boundaries: infer All extends readonly number[];
}
  ? All[number]
  : never;

/** Regular expressions, by label; a label that is left out may have any value. */
export type Target = { readonly [Label in TargetLabel]?: string };

export type OverTime = 'max' | 'min' | 'avg' | 'sum' | 'last' | 'count';

/** Queries about the targets that fit. */
export class Series {
  readonly #target: readonly string[];

  constructor(target: Target = {}) {
    this.#target = Object.entries(target).map(([label, pattern]) => `${label}=~${quote(pattern)}`);
  }

  /** A gauge or an up-down counter as it is. */
  level<Name extends LevelName>(name: Name, where?: Where<Name>): Vector<AttributeName<Name>> {
    return new Vector(this.#selector(name, '', where), true, originOf(name));
  }

  /** A gauge or an up-down counter, over a span up to each instant. */
  levelOverTime<Name extends LevelName>(
    what: OverTime,
    name: Name,
    span: Span,
    where?: Where<Name>,
  ): Vector<AttributeName<Name>> {
    const origin = what === 'count' ? originOf(name, 'events') : originOf(name);
    return new Vector(`${what}_over_time(${this.#selector(name, '', where)}[${span}])`, true, origin);
  }

  /** How often what only grows, such as an uptime, has begun anew within the span. */
  resets<Name extends LevelName>(name: Name, span: Span, where?: Where<Name>): Vector<AttributeName<Name>> {
    return new Vector(`resets(${this.#selector(name, '', where)}[${span}])`, true, originOf(name, 'events'));
  }

  /** A counter as it is: since the start of the process. Rarely what one wants. */
  total<Name extends CounterName>(name: Name, where?: Where<Name>): Vector<AttributeName<Name>> {
    return new Vector(this.#selector(name, '', where), true, originOf(name));
  }

  /** Of a counter, per second. */
  rate<Name extends CounterName>(name: Name, span: Span, where?: Where<Name>): Vector<AttributeName<Name>> {
    return new Vector(`rate(${this.#selector(name, '', where)}[${span}])`, true, originOf(name, 'perSecond'));
  }

  /** Of a counter, over the span. */
  increase<Name extends CounterName>(
    name: Name,
    span: Span,
    where?: Where<Name>,
  ): Vector<AttributeName<Name>> {
    return new Vector(`increase(${this.#selector(name, '', where)}[${span}])`, true, originOf(name));
  }

  /** Events that a histogram has recorded, per second. */
  eventRate<Name extends HistogramName>(
    name: Name,
    span: Span,
    where?: Where<Name>,
  ): Vector<AttributeName<Name>> {
    return new Vector(`rate(${this.#selector(name, '_count', where)}[${span}])`, true, eventsOf(name));
  }

  /** The values that a histogram has recorded, in sum, per second. */
  valueRate<Name extends HistogramName>(
    name: Name,
    span: Span,
    where?: Where<Name>,
  ): Vector<AttributeName<Name>> {
    return new Vector(
      `rate(${this.#selector(name, '_sum', where)}[${span}])`,
      true,
      originOf(name, 'perSecond'),
    );
  }

  /** Events whose value was at most a boundary, per second. */
  eventRateUpTo<Name extends HistogramName>(
    name: Name,
    boundary: Boundary<Name>,
    span: Span,
    where?: Where<Name>,
  ): Vector<AttributeName<Name>> {
    const bound = boundaryMatcher(find(name), boundary);
    return new Vector(
      `rate(${this.#selector(name, '_bucket', where, [bound])}[${span}])`,
      true,
      eventsOf(name),
    );
  }

  /** Rates of all buckets, by `le` and what else there is: for heat maps, and for quantiles of one's own. */
  bucketRate<Name extends HistogramName>(
    name: Name,
    span: Span,
    where?: Where<Name>,
  ): Vector<AttributeName<Name> | 'le'> {
    return new Vector(`rate(${this.#selector(name, '_bucket', where)}[${span}])`, true, eventsOf(name));
  }

  /** A quantile over the span, of all targets together, or by some of their labels and attributes. */
  quantile<Name extends HistogramName, Kept extends AttributeName<Name> | TargetLabel = never>(
    quantile: number,
    name: Name,
    span: Span,
    { by = [], where }: { by?: readonly Kept[]; where?: Where<Name> } = {},
  ): Vector<Exclude<Kept, TargetLabel>> {
    const buckets = (this.bucketRate(name, span, where) as Vector<string>).sum<string>('le', ...by);
    return new Vector(`histogram_quantile(${quantile}, ${buckets.promql})`, true, originOf(name));
  }

  /** Prometheus' own word for whether a scrape went well. Nothing of the kind exists for what is pushed. */
  up(): Vector {
    return new Vector(`up${braces(this.#target)}`, true);
  }

  /**
   * The resource: service.name, service.version and what the environment adds, by their labels. Where it was pushed it has
   * neither cluster nor namespace, for they are attributes of the points: absent ones are let pass.
   */
  targetInfo(): Vector<'service.name' | 'service.version'> {
    const mayBeAbsent = this.#target.map((matcher) => matcher.replace(/^(cluster|namespace)=~"/, '$&|'));
    return new Vector(`target_info${braces(mayBeAbsent)}`, true);
  }

  #selector<Name extends InstrumentName>(
    name: Name,
    suffix: '' | '_bucket' | '_count' | '_sum',
    where: Where<Name> | undefined,
    further: readonly string[] = [],
  ): string {
    const instrument = find(name);
    const matchers = Object.entries(where ?? {}).map(([attribute, choice]) =>
      attributeMatcher(instrument, attribute, choice as Choice),
    );
    const family = seriesName(instrument.name, instrument.unit, instrument.kind);
    return `${family}${suffix}${braces([...this.#target, ...matchers, ...further])}`;
  }
}

function originOf(name: InstrumentName, of?: 'perSecond' | 'events'): Origin {
  const { unit } = find(name);
  if (of === 'events') return { instruments: [name], unit: undefined };
  return { instruments: [name], unit: of === 'perSecond' ? `${unit}/s` : unit };
}

function eventsOf(name: HistogramName): Origin {
  return { instruments: [name], unit: '{event}/s' };
}

/** The label of an attribute, for legends and for variables. */
export function labelOf<Name extends InstrumentName>(name: Name, attribute: AttributeName<Name>): string {
  valuesOf(find(name), attribute);
  return labelName(attribute);
}

/** The instrument as the catalogue declares it: what it counts, its unit, what it is not. */
export function find(name: InstrumentName): Instrument {
  const instrument = byName.get(name);
  if (instrument === undefined) throw new Error(`there is no instrument ${name}`);
  return instrument;
}

const byName = new Map<string, Instrument>(instruments.map((one) => [one.name, one]));

type Choice = string | readonly string[] | { readonly not: string | readonly string[] };

function attributeMatcher(instrument: Instrument, attribute: string, choice: Choice): string {
  const isNegated = typeof choice === 'object' && 'not' in choice;
  const chosen = [isNegated ? choice.not : choice].flat() as string[];
  const values = valuesOf(instrument, attribute);
  for (const value of chosen) {
    const mayBeAbsent = value === '' && instrument.kind === 'histogram';
    if (!mayBeAbsent && values !== undefined && !values.includes(value)) {
      throw new Error(`${attribute} of ${instrument.name} is never ${JSON.stringify(value)}`);
    }
  }
  if (chosen.length === 0) throw new Error(`no value of ${attribute} is asked for`);
  const label = labelName(attribute);
  if (chosen.length === 1) return `${label}${isNegated ? '!=' : '='}${quote(chosen[0]!)}`;
  return `${label}${isNegated ? '!~' : '=~'}${quote(chosen.map(escapePattern).join('|'))}`;
}

/** Undefined where they are bounded in number, but not known here. */
function valuesOf({ name, attributes = [], implied }: Instrument, attribute: string): ClosedSet | undefined {
  const given = [...attributes, ...(implied === undefined ? [] : [[implied[0], implied[1]] as const])];
  const found = given.find(([known]) => known === attribute);
  if (found === undefined) throw new Error(`${name} has no attribute ${attribute}`);
  return 'upTo' in found[1] ? undefined : found[1];
}

/**
 * Prometheus keeps a scraped bound of 1 as `1.0`, and one that was pushed as `1`; both are meant. Bounds beyond
 * a million have a third spelling, and nobody needs them.
 */
function boundaryMatcher({ name, boundaries = [] }: Instrument, boundary: number): string {
  if (!boundaries.includes(boundary)) throw new Error(`${name} has no bucket up to ${boundary}`);
  if (boundary < 1e-4 || boundary >= 1e6) throw new Error(`a bound of ${boundary} has too many spellings`);
  return Number.isInteger(boundary) ? `le=~"${boundary}|${boundary}\\\\.0"` : `le="${boundary}"`;
}

function braces(matchers: readonly string[]): string {
  return matchers.length === 0 ? '' : `{${matchers.join(', ')}}`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function escapePattern(value: string): string {
  return value.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}
