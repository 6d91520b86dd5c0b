/**
 * The observable instruments of OpenTelemetry's API, told to the SDK's readers as a MetricProducer. Everything else that
 * a meter makes comes from the SDK, and so do readers, exporters and histograms.
 *
 * What is observed here is a total or a state of this instant, counted elsewhere: there is nothing to aggregate, and
 * each reader needs just what was observed. The SDK (sdk-metrics 3.1) aggregates it all the same, and
 *
 * - goes on telling the last value of a figure that is not observed any more, to readers of sums since the start; the
 *   specification has such a point left out, and a memory limit that is gone must not look as if it were there;
 * - notes each observation of any reader's collection for all readers, by a key that is made out of its attributes
 *   anew: two thirds of a collection's time, and nine tenths of its garbage (`npm run bench:telemetry`).
 *
 * Here an attribute object stands for its series: hand in the same object at each collection, and observe it once in
 * each. Callbacks are synchronous. A sum's time begins when this is made, in the SDK with its first observation. Values and
 * attributes are the SDK's otherwise, and a test holds the one against the other.
 */
import {
  type Attributes,
  type BatchObservableCallback,
  type BatchObservableResult,
  type Counter,
  type Gauge,
  type Histogram,
  type HrTime,
  type Meter,
  type MeterProvider,
  type MetricOptions,
  type Observable,
  type ObservableCallback,
  type UpDownCounter,
  ValueType,
} from '@opentelemetry/api';
import { type InstrumentationScope, millisToHrTime } from '@opentelemetry/core';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  InstrumentType,
  type MetricData,
  type MetricProducer,
  type ScopeMetrics,
} from '@opentelemetry/sdk-metrics';

type TemporalitySelector = (type: InstrumentType) => AggregationTemporality;

export class ObservedMetrics {
  readonly #meters = new Map<string, ObservedMeter>();
  /** When counting begins, for whoever is told sums since the start. */
  readonly startTime: HrTime = millisToHrTime(Date.now());

  /** Where instruments are made: observable ones here, all others by the SDK's provider. */
  meterProvider(sdk: MeterProvider): MeterProvider {
    return {
      getMeter: (name, version, options) => {
        const { schemaUrl } = options ?? {};
        const scope = { name, version: version ?? '', ...(schemaUrl !== undefined && { schemaUrl }) };
        const key = scopeKey(scope);
        const meter = this.#meters.get(key) ?? new ObservedMeter(sdk.getMeter(name, version, options), scope);
        this.#meters.set(key, meter);
        return meter;
      },
    };
  }

  /** For one reader, which gets sums as it selects them. All callbacks run before `collect` returns. */
  producer(temporalityOf: TemporalitySelector = () => AggregationTemporality.CUMULATIVE): MetricProducer {
    const told: Told = new Map();
    return {
      collect: async (): Promise<CollectionResult> => {
        const times = { startTime: this.startTime, endTime: millisToHrTime(Date.now()) };
        const collection = new Collection(times, temporalityOf, told);
        const scopeMetrics: ScopeMetrics[] = [];
        for (const meter of this.#meters.values()) {
          const metrics = meter.observe(collection);
          if (metrics.length > 0) scopeMetrics.push({ scope: meter.scope, metrics });
        }
        // The resource is the reader's matter.
        return {
          resourceMetrics: { resource: emptyResource(), scopeMetrics },
          errors: collection.errors,
        };
      },
    };
  }
}

/** A meter is its name, version and schema: of equal scopes there is one. */
export function scopeKey({ name, version = '', schemaUrl = '' }: InstrumentationScope): string {
  return JSON.stringify([name, version, schemaUrl]);
}

type Times = { startTime: HrTime; endTime: HrTime };

/** What a reader was told last of a sum, when, and since when that counts. */
type SeriesTold = Map<Attributes, Readonly<{ value: number; time: HrTime; since: HrTime }>>;
type Told = Map<ObservedInstrument, SeriesTold>;

/** One collection of one reader, while its callbacks run. */
class Collection implements BatchObservableResult {
  readonly errors: unknown[] = [];
  readonly temporalityOf: TemporalitySelector;
  readonly #times: Times;
  readonly #told: Told;
  readonly #points = new Map<Observable, DataPoint<number>[]>();

  constructor(times: Times, temporalityOf: TemporalitySelector, told: Told) {
    this.#times = times;
    this.temporalityOf = temporalityOf;
    this.#told = told;
  }

  run(callback: () => unknown): void {
    try {
      callback();
    } catch (error) {
      this.errors.push(error);
    }
  }

  observe(observable: Observable, observed: number, attributes: Attributes = noAttributes): void {
    if (!(observable instanceof ObservedInstrument)) return;
    const value = observable.descriptor.valueType === ValueType.INT ? Math.trunc(observed) : observed;
    const point =
      observable.type === InstrumentType.OBSERVABLE_GAUGE
        ? { attributes, ...this.#times, value }
        : this.#sum(observable, value, attributes);
    const points = this.#points.get(observable);
    if (points === undefined) this.#points.set(observable, [point]);
    else points.push(point);
  }

  pointsOf(observable: Observable): DataPoint<number>[] {
    return this.#points.get(observable) ?? [];
  }

  /** A counter that has fallen is one that somebody began to count anew, after it was told last. */
  #sum(observable: ObservedInstrument, value: number, attributes: Attributes): DataPoint<number> {
    const { startTime, endTime } = this.#times;
    const series: SeriesTold = this.#told.get(observable) ?? new Map();
    this.#told.set(observable, series);
    const before = series.get(attributes) ?? { value: 0, time: startTime, since: startTime };
    const isNew = observable.isMonotonic && value < before.value;
    const since = isNew ? before.time : before.since;
    series.set(attributes, { value, time: endTime, since });
    if (this.temporalityOf(observable.type) !== AggregationTemporality.DELTA)
      return { attributes, startTime: since, endTime, value };
    return { attributes, startTime: before.time, endTime, value: isNew ? value : value - before.value };
  }
}

const noAttributes: Attributes = {};

type ObservableType =
  | InstrumentType.OBSERVABLE_COUNTER
  | InstrumentType.OBSERVABLE_UP_DOWN_COUNTER
  | InstrumentType.OBSERVABLE_GAUGE;

class ObservedInstrument implements Observable {
  readonly type: ObservableType;
  readonly descriptor: MetricData['descriptor'];
  readonly callbacks = new Set<ObservableCallback>();

  constructor(type: ObservableType, name: string, options: MetricOptions = {}) {
    const { unit = '', description = '', valueType = ValueType.DOUBLE } = options;
    this.type = type;
    this.descriptor = { name, description, unit, valueType };
  }

  get isMonotonic(): boolean {
    return this.type === InstrumentType.OBSERVABLE_COUNTER;
  }

  addCallback(callback: ObservableCallback): void {
    this.callbacks.add(callback);
  }

  removeCallback(callback: ObservableCallback): void {
    this.callbacks.delete(callback);
  }

  data(dataPoints: DataPoint<number>[], aggregationTemporality: AggregationTemporality): MetricData {
    const { descriptor, isMonotonic } = this;
    return this.type === InstrumentType.OBSERVABLE_GAUGE
      ? { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints }
      : { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, dataPoints, isMonotonic };
  }
}

class ObservedMeter implements Meter {
  readonly scope: InstrumentationScope;
  readonly #sdk: Meter;
  readonly #instruments: ObservedInstrument[] = [];
  readonly #callbacks = new Set<BatchObservableCallback>();

  constructor(sdk: Meter, scope: InstrumentationScope) {
    this.#sdk = sdk;
    this.scope = scope;
  }

  createObservableCounter(name: string, options?: MetricOptions): Observable {
    return this.#create(InstrumentType.OBSERVABLE_COUNTER, name, options);
  }

  createObservableUpDownCounter(name: string, options?: MetricOptions): Observable {
    return this.#create(InstrumentType.OBSERVABLE_UP_DOWN_COUNTER, name, options);
  }

  createObservableGauge(name: string, options?: MetricOptions): Observable {
    return this.#create(InstrumentType.OBSERVABLE_GAUGE, name, options);
  }

  /** The instruments need not be named: whatever of this provider the callback observes is told. */
  addBatchObservableCallback(callback: BatchObservableCallback): void {
    this.#callbacks.add(callback);
  }

  removeBatchObservableCallback(callback: BatchObservableCallback): void {
    this.#callbacks.delete(callback);
  }

  createCounter(name: string, options?: MetricOptions): Counter {
    return this.#sdk.createCounter(name, options);
  }

  createUpDownCounter(name: string, options?: MetricOptions): UpDownCounter {
    return this.#sdk.createUpDownCounter(name, options);
  }

  createGauge(name: string, options?: MetricOptions): Gauge {
    return this.#sdk.createGauge(name, options);
  }

  createHistogram(name: string, options?: MetricOptions): Histogram {
    return this.#sdk.createHistogram(name, options);
  }

  /** The metrics that have points. */
  observe(collection: Collection): MetricData[] {
    for (const callback of this.#callbacks) collection.run(() => callback(collection));
    const metrics: MetricData[] = [];
    for (const instrument of this.#instruments) {
      for (const callback of instrument.callbacks) {
        const observe = (value: number, attributes?: Attributes): void =>
          collection.observe(instrument, value, attributes);
        collection.run(() => callback({ observe }));
      }
      const points = collection.pointsOf(instrument);
      if (points.length > 0) metrics.push(instrument.data(points, collection.temporalityOf(instrument.type)));
    }
    return metrics;
  }

  #create(type: ObservableType, name: string, options: MetricOptions | undefined): ObservedInstrument {
    const instrument = new ObservedInstrument(type, name, options);
    this.#instruments.push(instrument);
    return instrument;
  }
}
