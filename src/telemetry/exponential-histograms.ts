/**
 * Histograms with buckets of exponential width, for an OTLP export that asks for them: a provider of the SDK's, whose
 * only reader is the producer of that export. It is there only then, for it makes each record cost several times as much.
 */
import {
  type AggregationTemporality,
  AggregationType,
  type InstrumentType,
  MeterProvider,
  type MetricProducer,
  MetricReader,
} from '@opentelemetry/sdk-metrics';

export class ExponentialHistograms extends MetricReader implements MetricProducer {
  /** Where the histograms are made. */
  readonly provider: MeterProvider;

  constructor(temporalityOf?: (type: InstrumentType) => AggregationTemporality) {
    super({
      aggregationSelector: () => ({ type: AggregationType.EXPONENTIAL_HISTOGRAM }),
      ...(temporalityOf && { aggregationTemporalitySelector: temporalityOf }),
    });
    this.provider = new MeterProvider({ readers: [this] });
  }

  protected override async onForceFlush(): Promise<void> {
    // Nothing is held back.
  }

  protected override async onShutdown(): Promise<void> {
    // Nothing is held open.
  }
}
