/**
 * The instruments of OpenTelemetry's API that we have, told to the SDK's readers as a MetricProducer, and to the reports
 * without the SDK: observable ones and histograms. Everything else that a meter makes comes from the SDK, and so do readers
 * and exporters.
 *
 * What is observed here is a total or a state of this instant, counted elsewhere: there is nothing to aggregate, and
 * each reader needs just what was observed. The SDK (sdk-metrics 3.1) aggregates it all the same, and
 *
 * - goes on telling the last value of a figure that is not observed any more, to readers of sums since the start; the
 *   specification has such a point left out, and a memory limit that is gone must not look as if it were there;
 * - notes each observation of any reader's collection for all readers, by a key that is made out of its attributes
 *   anew: two thirds of a collection's time, and nine tenths of its garbage (`npm run bench:telemetry`).
 *
 * A histogram's record costs the SDK a look-up by such a key for each reader, so that three readers cost three times as
 * much; here it costs a few additions, whoever reads.
 *
 * Here an attribute object stands for its series: hand in the same object each time, and observe it once in each
 * collection. Callbacks are synchronous. A sum's time begins when this is made, in the SDK with its first value (and here, where
 * the total is older than we are, with a first value that is no amount: see OwnMetricsOptions). Values
 * and attributes are the SDK's otherwise, and a test holds the one against the other.
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
  type HistogramMetricData,
  InstrumentType,
  type MetricData,
  type MetricProducer,
  type ScopeMetrics,
} from '@opentelemetry/sdk-metrics';
import { lastKept } from '../last-kept.ts';
import { HistogramSeries } from './histogram-series.ts';

type TemporalitySelector = (type: InstrumentType) => AggregationTemporality;

export type ReaderOptions = {
  /** Sums since the start, which is the default, or differences. */
  temporalityOf?: TemporalitySelector | undefined;
  /** It has histograms from elsewhere. */
  leavesOutHistograms?: boolean;
};

/** This object stands for the reader, and so does its place among all of them: what it was told last is noted there. */
type Reader = ReaderOptions & { readonly place: number };

/** What one reader gets at one time. */
type Collected = { readonly scopeMetrics: ScopeMetrics[]; readonly errors: unknown[] };

export type OwnMetricsOptions = {
  /** What histograms record goes to those of this provider too. */
  alsoRecordTo?: MeterProvider | undefined;
  /**
   * Whether what the counters of a scope count began at a time that nobody knows. What a reader observes of them first is
   * where it begins then, and no amount; else it would take the whole life of the machine for ours.
   */
  beganBefore?: ((scope: string) => boolean) | undefined;
};

export class OwnMetrics {
  readonly #meters = new Map<string, OwnMeter>();
  /** When counting begins, for whoever is told sums since the start. */
  readonly #startTime: HrTime = millisToHrTime(Date.now());
  readonly #options: OwnMetricsOptions;
  #readers = 0;

  constructor(options: OwnMetricsOptions = {}) {
    this.#options = options;
  }

  /** Where instruments are made: ours here, all others by the SDK's provider. */
  meterProvider(sdk: MeterProvider): MeterProvider {
    return {
      getMeter: (name, version, options) => {
        const { schemaUrl } = options ?? {};
        const scope = { name, version: version ?? '', ...(schemaUrl !== undefined && { schemaUrl }) };
        const key = JSON.stringify(scope);
        let meter = this.#meters.get(key);
        if (meter === undefined) {
          const { alsoRecordTo, beganBefore } = this.#options;
          const others = alsoRecordTo?.getMeter(name, version, options);
          const isOlder = beganBefore?.(name) ?? false;
          meter = new OwnMeter(scope, () => sdk.getMeter(name, version, options), others, isOlder);
          this.#meters.set(key, meter);
        }
        return meter;
      },
    };
  }

  /** For one reader of the SDK. All callbacks run before `collect` returns. */
  producer(options: ReaderOptions = {}): MetricProducer {
    const collect = this.collector(options);
    return {
      collect: async (): Promise<CollectionResult> => {
        const { scopeMetrics, errors } = collect();
        // The resource is the reader's matter.
        return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors };
      },
    };
  }

  /** For one reader, with or without an SDK: what it does at each collection. */
  collector(options: ReaderOptions = {}): () => Collected {
    const reader: Reader = { ...options, place: this.#readers };
    this.#readers += 1;
    let beforeTime = this.#startTime;
    const keep = lastKept<Collection>();
    return () => {
      const endTime = millisToHrTime(Date.now());
      // The clock may have been set back since.
      const startTime = earlier(this.#startTime, endTime);
      const collection = keep(new Collection(reader, startTime, earlier(beforeTime, endTime), endTime));
      beforeTime = endTime;
      const meters = [...this.#meters.values()];
      // One may observe instruments of another.
      for (const meter of meters) meter.observe(collection);
      for (const meter of meters) {
        const metrics = meter.take(collection);
        if (metrics.length > 0) collection.scopeMetrics.push({ scope: meter.scope, metrics });
      }
      return collection;
    };
  }
}

/** One collection of one reader: what its callbacks observe to, and then what has come of it. */
class Collection implements BatchObservableResult, Collected {
  readonly reader: Reader;
  readonly startTime: HrTime;
  /** Of the reader's collection before this one. */
  readonly beforeTime: HrTime;
  readonly endTime: HrTime;
  readonly scopeMetrics: ScopeMetrics[] = [];
  readonly errors: unknown[] = [];

  constructor(reader: Reader, startTime: HrTime, beforeTime: HrTime, endTime: HrTime) {
    this.reader = reader;
    this.startTime = startTime;
    this.beforeTime = beforeTime;
    this.endTime = endTime;
  }

  temporalityOf(type: InstrumentType): AggregationTemporality {
    return this.reader.temporalityOf?.(type) ?? AggregationTemporality.CUMULATIVE;
  }

  run(callback: () => unknown): void {
    try {
      callback();
    } catch (error) {
      this.errors.push(error);
    }
  }

  observe(observable: Observable, value: number, attributes: Attributes = noAttributes): void {
    if (observable instanceof ObservedInstrument) observable.observe(value, attributes, this);
  }
}

const noAttributes: Attributes = {};

function earlier(one: HrTime, other: HrTime): HrTime {
  return one[0] < other[0] || (one[0] === other[0] && one[1] <= other[1]) ? one : other;
}

function descriptorOf(name: string, options: MetricOptions = {}): MetricData['descriptor'] {
  const { unit = '', description = '', valueType = ValueType.DOUBLE } = options;
  return { name, description, unit, valueType };
}

type ObservableType =
  | InstrumentType.OBSERVABLE_COUNTER
  | InstrumentType.OBSERVABLE_UP_DOWN_COUNTER
  | InstrumentType.OBSERVABLE_GAUGE;

/** What a reader was told last of a sum, when, and since when that counts. */
type SumTold = { readonly attributes: Attributes; value: number; time: HrTime; since: HrTime };

/** What has been counted by now is nothing to tell; what comes after is. */
function begin(told: SumTold, value: number, time: HrTime): void {
  told.value = value;
  told.time = time;
  told.since = time;
}

class ObservedInstrument implements Observable {
  readonly #type: ObservableType;
  readonly #isGauge: boolean;
  readonly #isMonotonic: boolean;
  /** Counted since before us. */
  readonly #isOlder: boolean;
  readonly #descriptor: MetricData['descriptor'];
  readonly #isWhole: boolean;
  readonly callbacks = new Set<ObservableCallback>();
  /** By reader, the series in the order in which they came first. */
  readonly #toldTo: SumTold[][] = [];
  /** Of the collection that is under way, once it has observed something: mostly one, for which an array of one is made. */
  #points: DataPoint<number>[] | undefined;

  constructor(type: ObservableType, name: string, options: MetricOptions | undefined, isOlder: boolean) {
    this.#type = type;
    this.#isOlder = isOlder;
    this.#isGauge = type === InstrumentType.OBSERVABLE_GAUGE;
    this.#isMonotonic = type === InstrumentType.OBSERVABLE_COUNTER;
    this.#descriptor = descriptorOf(name, options);
    this.#isWhole = this.#descriptor.valueType === ValueType.INT;
  }

  addCallback(callback: ObservableCallback): void {
    this.callbacks.add(callback);
  }

  removeCallback(callback: ObservableCallback): void {
    this.callbacks.delete(callback);
  }

  observe(observed: number, attributes: Attributes, collection: Collection): void {
    const value = this.#isWhole ? Math.trunc(observed) : observed;
    const point = this.#isGauge
      ? { attributes, startTime: collection.startTime, endTime: collection.endTime, value }
      : this.#sum(value, attributes, collection);
    if (this.#points === undefined) this.#points = [point];
    else this.#points.push(point);
  }

  /** A counter that has fallen is one that somebody began to count anew, after it was told last. */
  #sum(value: number, attributes: Attributes, collection: Collection): DataPoint<number> {
    const { startTime, endTime } = collection;
    const isDifference = collection.temporalityOf(this.#type) === AggregationTemporality.DELTA;
    // What may fall counts since the start whatever was told before.
    if (!isDifference && !this.#isMonotonic) return { attributes, startTime, endTime, value };
    const told = this.#toldOf(attributes, value, collection);
    const isFallen = this.#isMonotonic && value < told.value;
    const isNew = isFallen && !this.#isOlder;
    told.time = earlier(told.time, endTime);
    told.since = earlier(told.since, endTime);
    if (isNew) told.since = told.time;
    else if (isFallen) begin(told, value, endTime);
    const point = isDifference
      ? { attributes, startTime: told.time, endTime, value: isNew ? value : value - told.value }
      : { attributes, startTime: told.since, endTime, value };
    told.value = value;
    told.time = endTime;
    return point;
  }

  /** Series are observed in the same order each time, as a rule, so that there is nothing to look for. */
  #toldOf(attributes: Attributes, value: number, { reader, startTime, endTime }: Collection): SumTold {
    this.#toldTo[reader.place] ??= [];
    const series = this.#toldTo[reader.place]!;
    const expected = series[this.#points?.length ?? 0];
    if (expected?.attributes === attributes) return expected;
    const found = series.find((one) => one.attributes === attributes);
    if (found !== undefined) return found;
    const first = { attributes, value: 0, time: startTime, since: startTime };
    if (this.#isOlder && this.#isMonotonic) begin(first, value, endTime);
    series.push(first);
    return first;
  }

  /** What has been observed in this collection; undefined when that is nothing. */
  take(collection: Collection): MetricData | undefined {
    const dataPoints = this.#points;
    if (dataPoints === undefined) return undefined;
    this.#points = undefined;
    const descriptor = this.#descriptor;
    const aggregationTemporality = collection.temporalityOf(this.#type);
    if (this.#isGauge)
      return { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
    const isMonotonic = this.#isMonotonic;
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic, dataPoints };
  }
}

/** As the specification has them for whoever names none. */
const defaultBoundaries = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];

class OwnHistogram implements Histogram {
  readonly #descriptor: MetricData['descriptor'];
  readonly #isWhole: boolean;
  readonly #boundaries: number[];
  readonly #series = new Map<Attributes, HistogramSeries>();
  readonly #other: Histogram | undefined;

  constructor(name: string, options: MetricOptions | undefined, other: Histogram | undefined) {
    this.#descriptor = descriptorOf(name, options);
    this.#isWhole = this.#descriptor.valueType === ValueType.INT;
    this.#boundaries = options?.advice?.explicitBucketBoundaries ?? defaultBoundaries;
    this.#other = other;
  }

  /** What is negative, or no number, is not recorded: a sum must not fall. */
  record(recorded: number, attributes: Attributes = noAttributes): void {
    if (!(recorded >= 0)) return;
    const value = this.#isWhole ? Math.trunc(recorded) : recorded;
    let series = this.#series.get(attributes);
    if (series === undefined) {
      series = new HistogramSeries(this.#boundaries);
      this.#series.set(attributes, series);
    }
    series.record(value);
    this.#other?.record(value, attributes);
  }

  /** Undefined when there is nothing to tell. */
  take(collection: Collection): HistogramMetricData | undefined {
    const { reader, endTime } = collection;
    if (reader.leavesOutHistograms === true) return undefined;
    const aggregationTemporality = collection.temporalityOf(InstrumentType.HISTOGRAM);
    const isDifference = aggregationTemporality === AggregationTemporality.DELTA;
    const startTime = isDifference ? collection.beforeTime : collection.startTime;
    const dataPoints: HistogramMetricData['dataPoints'] = [];
    for (const [attributes, series] of this.#series) {
      const value = isDifference ? series.difference(reader) : series.total();
      if (value !== undefined) dataPoints.push({ attributes, startTime, endTime, value });
    }
    if (dataPoints.length === 0) return undefined;
    const descriptor = this.#descriptor;
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
}

class OwnMeter implements Meter {
  readonly scope: InstrumentationScope;
  /** Asked only for what is not ours: the SDK looks into each meter that it has made, at each collection. */
  readonly #sdk: () => Meter;
  /** Where histograms record too. */
  readonly #others: Meter | undefined;
  readonly #observed: ObservedInstrument[] = [];
  readonly #isOlder: boolean;
  readonly #histograms: OwnHistogram[] = [];
  readonly #callbacks = new Set<BatchObservableCallback>();

  constructor(scope: InstrumentationScope, sdk: () => Meter, others: Meter | undefined, isOlder: boolean) {
    this.scope = scope;
    this.#isOlder = isOlder;
    this.#sdk = sdk;
    this.#others = others;
  }

  createObservableCounter(name: string, options?: MetricOptions): Observable {
    return this.#observable(InstrumentType.OBSERVABLE_COUNTER, name, options);
  }

  createObservableUpDownCounter(name: string, options?: MetricOptions): Observable {
    return this.#observable(InstrumentType.OBSERVABLE_UP_DOWN_COUNTER, name, options);
  }

  createObservableGauge(name: string, options?: MetricOptions): Observable {
    return this.#observable(InstrumentType.OBSERVABLE_GAUGE, name, options);
  }

  #observable(type: ObservableType, name: string, options: MetricOptions | undefined): ObservedInstrument {
    const instrument = new ObservedInstrument(type, name, options, this.#isOlder);
    this.#observed.push(instrument);
    return instrument;
  }

  createHistogram(name: string, options?: MetricOptions): Histogram {
    const histogram = new OwnHistogram(name, options, this.#others?.createHistogram(name, options));
    this.#histograms.push(histogram);
    return histogram;
  }

  /** The instruments need not be named: whatever of this provider the callback observes is told. */
  addBatchObservableCallback(callback: BatchObservableCallback): void {
    this.#callbacks.add(callback);
  }

  removeBatchObservableCallback(callback: BatchObservableCallback): void {
    this.#callbacks.delete(callback);
  }

  createCounter(name: string, options?: MetricOptions): Counter {
    return this.#sdk().createCounter(name, options);
  }

  createUpDownCounter(name: string, options?: MetricOptions): UpDownCounter {
    return this.#sdk().createUpDownCounter(name, options);
  }

  createGauge(name: string, options?: MetricOptions): Gauge {
    return this.#sdk().createGauge(name, options);
  }

  observe(collection: Collection): void {
    for (const callback of this.#callbacks) collection.run(() => callback(collection));
    for (const instrument of this.#observed) {
      for (const callback of instrument.callbacks) {
        const observe = (value: number, attributes = noAttributes): void =>
          instrument.observe(value, attributes, collection);
        collection.run(() => callback({ observe }));
      }
    }
  }

  /** The metrics that have points. */
  take(collection: Collection): MetricData[] {
    const metrics: MetricData[] = [];
    for (const instrument of this.#observed) {
      const metric = instrument.take(collection);
      if (metric !== undefined) metrics.push(metric);
    }
    for (const histogram of this.#histograms) {
      const metric = histogram.take(collection);
      if (metric !== undefined) metrics.push(metric);
    }
    return metrics;
  }
}
