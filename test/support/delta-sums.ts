/** A reader to whom sums are told as differences, as a push with delta temporality is, and who adds them up again. */
import { AggregationTemporality, DataPointType, MetricReader } from '@opentelemetry/sdk-metrics';
import type { OwnMetrics } from '../../src/telemetry/own-metrics.ts';

export class DeltaSums extends MetricReader {
  readonly #sums = new Map<string, number>();

  constructor(own: OwnMetrics) {
    const aggregationTemporalitySelector = () => AggregationTemporality.DELTA;
    super({
      aggregationTemporalitySelector,
      metricProducers: [own.producer({ temporalityOf: aggregationTemporalitySelector })],
    });
  }

  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}

  /** By the name of the instrument and the value of its attribute: sums since the start, and gauges. */
  async look(): Promise<(name: string, attribute?: string) => number> {
    const { resourceMetrics } = await this.collect();
    const told = new Map<string, number>();
    for (const metric of resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)) {
      if (metric.dataPointType !== DataPointType.SUM && metric.dataPointType !== DataPointType.GAUGE)
        continue;
      for (const { attributes, value } of metric.dataPoints) {
        const key = [metric.descriptor.name, ...Object.values(attributes)].join(' ');
        const sum = metric.dataPointType === DataPointType.SUM ? (this.#sums.get(key) ?? 0) + value : value;
        this.#sums.set(key, sum);
        told.set(key, sum);
      }
    }
    return (name, attribute) =>
      told.get(attribute === undefined ? name : `${name} ${attribute}`) ?? Number.NaN;
  }
}
