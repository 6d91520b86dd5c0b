/**
 * A program for a test: three readers, of which one never collects. Prints how many bytes the heap
 * has grown over 10,000 collections of the others, as JSON. Needs --expose-gc.
 */
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { createMeters } from '../../src/telemetry/meter.ts';
import { OwnMetrics } from '../../src/telemetry/own-metrics.ts';
import { createSnapshotReader } from '../../src/telemetry/snapshot-reader.ts';
import { handMadeFigures, sourcesOf } from './figures.ts';

class PlainReader extends MetricReader {
  constructor() {
    super({
      metricProducers: [own.producer()],
      aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE,
    });
  }
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

const collections = 10_000;
const figures = handMadeFigures();
const own = new OwnMetrics();
const snapshot = createSnapshotReader(own);
const plain = new PlainReader();
const provider = new MeterProvider({ readers: [plain, new PlainReader()] });
const meters = createMeters(own.meterProvider(provider), sourcesOf(figures));

async function collectTimes(times: number): Promise<void> {
  for (let index = 0; index < times; index += 1) {
    figures.gateway.messages.receive += 1;
    figures.gateway.connectionTime += 0.1;
    meters.gateway.fanoutDuration(0.001);
    meters.gateway.connectionClosed(1, 'normal');
    await (index % 2 === 0 ? snapshot.collect() : plain.collect());
  }
}

function heapBytes(): number {
  globalThis.gc!();
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

// What is made once, and what the compiler keeps, is not growth.
await collectTimes(1_000);
const before = heapBytes();
await collectTimes(collections);
const grownBytes = heapBytes() - before;
const { resourceMetrics } = await plain.collect();
const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
const points = metrics.reduce((sum, { dataPoints }) => sum + dataPoints.length, 0);
console.log(JSON.stringify({ grownBytes, points }));
