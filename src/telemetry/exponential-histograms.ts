/**
 * Histograms with buckets of exponential width, for an OTLP export that asks for them: a provider of the SDK's, whose
 * only reader is the producer of that export. It is there only then, for it makes each record cost several times as much.
 */
import type { HrTime } from '@opentelemetry/api';
import { millisToHrTime } from '@opentelemetry/core';
import {
  AggregationTemporality,
  AggregationType,
  type CollectionResult,
  type InstrumentType,
  MeterProvider,
  type MetricData,
  type MetricProducer,
  MetricReader,
} from '@opentelemetry/sdk-metrics';

export class ExponentialHistograms extends MetricReader implements MetricProducer {
  /** Where the histograms are made. */
  readonly provider: MeterProvider;
  readonly #startTime: HrTime = millisToHrTime(Date.now());
  /** Up to when they have been told. */
  #toldTime = this.#startTime;

  constructor(temporalityOf?: (type: InstrumentType) => AggregationTemporality) {
    super({
      aggregationSelector: () => ({ type: AggregationType.EXPONENTIAL_HISTOGRAM }),
      ...(temporalityOf && { aggregationTemporalitySelector: temporalityOf }),
    });
    this.provider = new MeterProvider({ readers: [this] });
  }

  override async collect(): Promise<CollectionResult> {
    const { resourceMetrics, errors } = await super.collect();
    const scopeMetrics = resourceMetrics.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map((metric) => this.#withStart(metric)),
    }));
    this.#toldTime = scopeMetrics[0]?.metrics[0]?.dataPoints[0]?.endTime ?? this.#toldTime;
    return { resourceMetrics: { ...resourceMetrics, scopeMetrics }, errors };
  }

  /**
   * The SDK has a histogram's time begin when its first value is handed on, which here is in the collection: an instant
   * is no time to count in. It begins when counting began, or, of differences, when the last ones were told.
   */
  #withStart(metric: MetricData): MetricData {
    const isDifference = metric.aggregationTemporality === AggregationTemporality.DELTA;
    const startTime = isDifference ? this.#toldTime : this.#startTime;
    const dataPoints = metric.dataPoints.map((point) => ({ ...point, startTime }));
    return { ...metric, dataPoints } as MetricData;
  }

  protected override async onForceFlush(): Promise<void> {
    // Nothing is held back.
  }

  protected override async onShutdown(): Promise<void> {
    // Nothing is held open.
  }
}
