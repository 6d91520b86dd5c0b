/**
 * From catalogue to instruments: makes them on a given MeterProvider (never on OpenTelemetry's globals) and has
 * them observed. One callback per scope is registered, and all callbacks of a collection read one instant.
 *
 * Attribute objects are made here, once. A collection costs one walk over about 250 numbers; a figure that cannot
 * be read costs its own points and a count, never the collection.
 */
import {
  type Attributes,
  type BatchObservableResult,
  type Meter,
  type MeterProvider,
  type Observable,
  ValueType,
} from '@opentelemetry/api';
import type { Attribute } from './catalogue/declaration.ts';
import { errorSources } from './catalogue/telemetry.ts';
import { type Instrument, instruments, isWhole, type ObservedName, scopes } from './catalogue.ts';
import { scopeMeter } from './conventions.ts';
import {
  type ErrorCounts,
  type FigureSources,
  type Instant,
  InstantOfCollection,
  readInstant,
  UnreadablePart,
} from './instant.ts';
import { observations } from './observations.ts';
import { createRecorders, type Meters } from './recorders.ts';
import { defaultGridSeconds, roundToGrid } from './rounding.ts';

/** What the rest of the service calls when something happens that only a histogram can hold. */
export type { Meters } from './recorders.ts';

export function createMeters(provider: MeterProvider, sources: FigureSources): Meters {
  const errors = Object.fromEntries(errorSources.map((source) => [source, 0])) as ErrorCounts;
  const instants = new InstantOfCollection(() => readInstant(sources, errors));
  for (const scope of scopes) {
    const meter = scopeMeter(provider, scope);
    const observers = instruments
      .filter((one) => one.scope === scope && one.kind !== 'histogram')
      .map((one) => new Observer(meter, one, errors));
    meter.addBatchObservableCallback(
      (result) => {
        const instant = instants.for(scope);
        for (const observer of observers) observer.observe(result, instant);
      },
      observers.map(({ observable }) => observable),
    );
  }
  return createRecorders(provider);
}

/** One instrument: reads its figure of an instant, and observes the points of it. */
class Observer {
  readonly observable: Observable;
  readonly #read: (instant: Instant) => Figure;
  readonly #points: Points;
  readonly #grid: number | undefined;
  readonly #errors: ErrorCounts;

  constructor(meter: Meter, instrument: Instrument, errors: ErrorCounts) {
    this.observable = createObservable(meter, instrument);
    this.#read = observations[instrument.name as ObservedName] as (instant: Instant) => Figure;
    this.#points = createPoints(instrument);
    this.#grid = gridOf(instrument);
    this.#errors = errors;
  }

  observe(result: BatchObservableResult, instant: Instant): void {
    try {
      this.#observeFigure(result, this.#points, this.#read(instant));
    } catch (error) {
      // A part that could not be read was counted when it was tried.
      if (!(error instanceof UnreadablePart)) this.#errors.value += 1;
    }
  }

  #observeFigure(result: BatchObservableResult, points: Points, figure: Figure): void {
    if (figure === undefined) return;
    if ('attributes' in points) return this.#observePoint(result, figure as number, points.attributes);
    for (const [value, inner] of points.byValue)
      this.#observeFigure(result, inner, (figure as { [value: string]: Figure })[value]);
  }

  #observePoint(result: BatchObservableResult, value: number, attributes: Attributes): void {
    if (!Number.isFinite(value)) this.#errors.value += 1;
    else if (this.#grid === undefined) result.observe(this.observable, value, attributes);
    else result.observe(this.observable, roundToGrid(value, this.#grid), attributes);
  }
}

function createObservable(meter: Meter, instrument: Instrument): Observable {
  const { name, kind, unit, counts } = instrument;
  const options = {
    unit,
    description: counts,
    valueType: isWhole(instrument) ? ValueType.INT : ValueType.DOUBLE,
  };
  if (kind === 'counter') return meter.createObservableCounter(name, options);
  if (kind === 'upDownCounter') return meter.createObservableUpDownCounter(name, options);
  return meter.createObservableGauge(name, options);
}

/** Only what somebody adds up needs a grid; a gauge is handed on as it is. */
function gridOf({ kind, unit, gridSeconds }: Instrument): number | undefined {
  return unit === 's' && kind !== 'gauge' ? (gridSeconds ?? defaultGridSeconds) : undefined;
}

/** A number, or numbers by attribute value, nested once for each attribute. */
type Figure = number | { readonly [value: string]: Figure } | undefined;

/** The attributes of a point, or the points for each value of an attribute: as deep as the figure is nested. */
type Points = { attributes: Attributes } | { byValue: readonly (readonly [value: string, points: Points])[] };

function createPoints({ attributes = [], implied }: Instrument): Points {
  const given: Attributes = {};
  return nest(attributes, given, (complete) => {
    if (implied === undefined) return complete;
    const [name, , of] = implied;
    return { ...complete, [name]: of(complete[attributes[0]![0]] as never) };
  });
}

function nest(
  attributes: readonly Attribute[],
  given: Attributes,
  complete: (attributes: Attributes) => Attributes,
): Points {
  const [first, ...rest] = attributes;
  if (first === undefined) return { attributes: complete(given) };
  const [name, values] = first;
  return {
    byValue: (values as readonly string[]).map((value) => [
      value,
      nest(rest, { ...given, [name]: value }, complete),
    ]),
  };
}
