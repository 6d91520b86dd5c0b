/**
 * What is said about an instrument where it is declared. Types only.
 *
 * An attribute of an observed instrument has a closed set of values, from the file that owns the set; so the
 * number of points is fixed before the first collection. An attribute of a histogram may instead have values
 * that only its recorder knows, up to a number.
 */

export type InstrumentKind = 'counter' | 'upDownCounter' | 'gauge' | 'histogram';

/** UCUM: seconds, bytes, a ratio, or a thing that is counted. */
export type Unit = 's' | 'By' | '1' | `{${string}}`;

/**
 * Who guarantees the name: OpenTelemetry's semantic conventions, by the state that they give it, or we. A name
 * in development may still change with the conventions; the changelog will say so.
 */
export type Stability = 'stable' | 'release candidate' | 'development' | 'ours';

export type ClosedSet = readonly string[];
export type BoundedSet = { upTo: number; what: string };
export type Attribute = readonly [name: string, values: ClosedSet | BoundedSet];

/** An attribute that follows from the first one, and therefore adds no points. */
export type ImpliedAttribute = readonly [name: string, values: ClosedSet, of: (first: never) => string];

export type Declaration = {
  kind: InstrumentKind;
  unit: Unit;
  stability: Stability;
  /** Outermost first, as the observed figures are nested. */
  attributes?: readonly Attribute[];
  implied?: ImpliedAttribute;
  /** When a point has an attribute, for those that not every point has. Histograms only. */
  onlyIf?: Readonly<Record<string, string>>;
  /** Upper bounds of a histogram's buckets. */
  boundaries?: readonly number[];
  /** Seconds: the grid that values are rounded to, a power of two; see rounding.ts. */
  gridSeconds?: number;
  /** What one reads there, for somebody who sees it for the first time at night. */
  counts: string;
  /** What one might take it for, and it is not. */
  not: string;
  source: string;
  /** The question that it answers. */
  question: string;
};

export type Declarations = Readonly<Record<string, Declaration>>;
