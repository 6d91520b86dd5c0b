/**
 * Every instrument, declared once: name, kind, unit, attributes with their values, and what somebody must know
 * who reads it at night. Observations, recorders, series names and the page of instruments follow from here.
 *
 * Names that OpenTelemetry's semantic conventions define are used unaltered; ours begin with `tidegauge.`. No
 * unit and no `total` is in a name, because the way to Prometheus adds them. No attribute ever has an identifier
 * for a value.
 */
import { busInstruments } from './catalogue/bus.ts';
import { containerInstruments } from './catalogue/container.ts';
import type { Attribute, ClosedSet, Declaration } from './catalogue/declaration.ts';
import { gatewayInstruments } from './catalogue/gateway.ts';
import { hostInstruments } from './catalogue/host.ts';
import { httpInstruments } from './catalogue/http.ts';
import { processInstruments } from './catalogue/process.ts';
import { runtimeInstruments } from './catalogue/runtime.ts';
import { telemetryInstruments } from './catalogue/telemetry.ts';

/** By instrumentation scope, in the order of the documents. */
const byScope = {
  'tidegauge/gateway': gatewayInstruments,
  'tidegauge/bus': busInstruments,
  'tidegauge/http': httpInstruments,
  'tidegauge/process': processInstruments,
  'tidegauge/runtime': runtimeInstruments,
  'tidegauge/container': containerInstruments,
  'tidegauge/host': hostInstruments,
  'tidegauge/telemetry': telemetryInstruments,
} as const;

export type Scope = keyof typeof byScope;
export const scopes = Object.keys(byScope) as Scope[];
/** Whose totals somebody has counted since before we were there, nobody knows since when. */
const olderScopes: ReadonlySet<string> = new Set<Scope>(['tidegauge/container', 'tidegauge/host']);
export const beganBeforeUs = (scope: string): boolean => olderScopes.has(scope);

export type Catalogue = typeof gatewayInstruments &
  typeof busInstruments &
  typeof httpInstruments &
  typeof processInstruments &
  typeof runtimeInstruments &
  typeof containerInstruments &
  typeof hostInstruments &
  typeof telemetryInstruments;

export type InstrumentName = keyof Catalogue;
export type HistogramName = {
  [Name in InstrumentName]: Catalogue[Name] extends { kind: 'histogram' } ? Name : never;
}[InstrumentName];
export type ObservedName = Exclude<InstrumentName, HistogramName>;

type Attributes<Name extends InstrumentName> =
  | (Catalogue[Name] extends { attributes: infer Given extends readonly Attribute[] }
      ? Given[number][0]
      : never)
  | (Catalogue[Name] extends { implied: readonly [infer Implied extends string, ...unknown[]] }
      ? Implied
      : never);

/** The attributes that the semantic conventions do not have. */
export type OwnAttribute = Extract<
  { [Name in InstrumentName]: Attributes<Name> }[InstrumentName],
  `tidegauge.${string}`
>;

export type Instrument = Declaration & { name: InstrumentName; scope: Scope };

export const instruments: readonly Instrument[] = scopes.flatMap((scope) =>
  Object.entries<Declaration>(byScope[scope]).map(([name, declaration]) => ({
    ...declaration,
    name: name as InstrumentName,
    scope,
  })),
);

/** Whether an instrument has whole numbers only: bytes and things that are counted, but CPUs may be fractions. */
export function isWhole({ unit }: Pick<Instrument, 'unit'>): boolean {
  return unit !== 's' && unit !== '1' && unit !== '{cpu}';
}

/**
 * What an observation must answer, by the attributes of its instrument: a number; for one attribute, a number by
 * value; for two, nested. What is undefined is not observed.
 */
export type Observed<Name extends ObservedName> = Nested<
  Catalogue[Name] extends { attributes: infer Given extends readonly Attribute[] } ? Given : []
>;

type Nested<Given extends readonly Attribute[]> = Given extends readonly [
  readonly [string, infer Values extends ClosedSet],
  ...infer Rest extends readonly Attribute[],
]
  ? { readonly [Value in Values[number]]?: Nested<Rest> } | undefined
  : number | undefined;
