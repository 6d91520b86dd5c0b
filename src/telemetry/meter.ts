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
  const { drain, ...meters } = createRecorders(provider);
  const instants = new InstantOfCollection(() => {
    // Hands on, and reads nothing: done twice, or by whichever reader, it is the same.
    drain();
    return readInstant(sources, errors);
  });
  for (const scope of scopes) {
    const meter = scopeMeter(provider, scope);
    const observers = instruments
      .filter((one) => one.scope === scope && one.kind !== 'histogram')
      .map((one) => createObserver(meter, one, errors));
    meter.addBatchObservableCallback(
      (result) => {
        const instant = instants.for(scope);
        for (const { observe } of observers) observe(result, instant);
      },
      observers.map(({ observable }) => observable),
    );
  }
  return meters;
}

type Observer = { observable: Observable; observe(result: BatchObservableResult, instant: Instant): void };

function createObserver(meter: Meter, instrument: Instrument, errors: ErrorCounts): Observer {
  const observable = createObservable(meter, instrument);
  const read = observations[instrument.name as ObservedName] as (instant: Instant) => Figure;
  const points = createPoints(instrument);
  const grid = gridOf(instrument);
  const observePoint = (result: BatchObservableResult, value: number, attributes: Attributes): void => {
    if (Number.isFinite(value)) {
      result.observe(observable, grid === undefined ? value : roundToGrid(value, grid), attributes);
    } else {
      errors.value += 1;
    }
  };
  return {
    observable,
    observe(result, instant) {
      try {
        observeFigure(points, read(instant), (value, attributes) => observePoint(result, value, attributes));
      } catch (error) {
        // A part that could not be read was counted when it was tried.
        if (!(error instanceof UnreadablePart)) errors.value += 1;
      }
    },
  };
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

function observeFigure(
  points: Points,
  figure: Figure,
  observe: (value: number, attributes: Attributes) => void,
): void {
  if (figure === undefined) return;
  if ('attributes' in points) {
    observe(figure as number, points.attributes);
  } else {
    for (const [value, inner] of points.byValue) {
      observeFigure(inner, (figure as { [value: string]: Figure })[value], observe);
    }
  }
}

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
