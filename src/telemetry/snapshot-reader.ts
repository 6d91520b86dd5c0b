/**
 * The reader in memory, behind the JSON reports: one collection of all instruments, as Readings. Cumulative, so
 * what somebody else collects or exports changes nothing here.
 *
 * All figures are read before `collect` returns, in the same synchronous stretch; only the SDK's bookkeeping comes
 * after. So rows taken just before or after the call, without an `await` between, are of the same instant. It
 * follows that a collection cannot be shared with whoever asks later: by then its figures are of the past.
 * `collectShared` is for those who need no rows: it waits for the end of the turn of the event loop, and everybody
 * who has asked by then gets the same collection, read after they asked. A storm of requests costs one
 * collection per turn.
 */
import { AggregationTemporality, type MetricProducer, MetricReader } from '@opentelemetry/sdk-metrics';
import type { Readings } from '../reports/readings.ts';
import { CollectedReadings } from './collected-readings.ts';
import type { OwnMetrics } from './own-metrics.ts';
import { shared } from './shared.ts';

export type SnapshotReader = {
  /** For the MeterProvider. */
  readonly reader: MetricReader;
  /** Reads now. Rejects with SnapshotClosedError after the shutdown. */
  collect(): Promise<Readings>;
  /** Reads at the end of this turn, once for all who ask until then. Rejects as `collect` does. */
  collectShared(): Promise<Readings>;
};

export class SnapshotClosedError extends Error {
  override name = 'SnapshotClosedError';
  constructor() {
    super('telemetry has been shut down, so no more figures are collected');
  }
}

class InMemoryReader extends MetricReader {
  isClosed = false;

  constructor(observed: MetricProducer) {
    super({
      metricProducers: [observed],
      aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE,
      otelComponentType: 'tidegauge_snapshot_reader',
    });
  }

  protected override async onForceFlush(): Promise<void> {
    // Nothing is held back.
  }

  protected override async onShutdown(): Promise<void> {
    this.isClosed = true;
  }
}

export function createSnapshotReader(own: OwnMetrics): SnapshotReader {
  const reader = new InMemoryReader(own.producer());
  const collect = async (): Promise<Readings> => {
    if (reader.isClosed) throw new SnapshotClosedError();
    const timestampMs = Date.now();
    const { resourceMetrics } = await reader.collect();
    return new CollectedReadings(
      timestampMs,
      resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics),
    );
  };
  return { reader, collect, collectShared: shared(collect) };
}
