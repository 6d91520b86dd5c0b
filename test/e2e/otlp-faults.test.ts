/**
 * A collector that is out of order in each of the ways that collectors are: clients notice nothing, memory stays as it
 * is, and what is exported first when it works again carries the exact totals. What delta temporality loses meanwhile
 * is shown too, for otel/README.md says so.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type OtlpSink, startOtlpSink } from '../support/collector.ts';
import { deliveriesTo, publish } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { agreesWithMetrics, failedExports, type Temporality } from '../support/otlp-agreement.ts';
import { type OtlpFault, type OtlpRelay, otlpFaults, startOtlpRelay } from '../support/otlp-relay.ts';
import { exportedSeries, summedSeries } from '../support/otlp-series.ts';
import { skipWithout } from '../support/real-part.ts';
import { type SeriesValues, summed } from '../support/series.ts';
import { until } from '../support/until.ts';
import { connectClient, type WsClient } from '../support/ws-client.ts';

/** On a busy machine an export of 300 ms may take seconds. */
const patience = { timeoutMs: 60_000 };

const published = 'messaging_client_sent_messages_total';

type Surroundings = { sink: OtlpSink; relay: OtlpRelay; gateway: GatewayProcess };

describe('a collector that is out of order', { skip: await skipWithout('otelcol'), concurrency: 2 }, () => {
  for (const fault of otlpFaults) {
    test(`${fault}: clients notice nothing, and the first export afterwards has the exact totals`, async () => {
      await withSurroundings('cumulative', async ({ sink, relay, gateway }) => {
        const clients = await Promise.all([1, 2, 3].map(() => connectClient(gateway.wsUrl)));
        await publish(gateway, 10);
        await untilExported(sink, 10);

        relay.fault = fault;
        const before = relay.refused;
        await publish(gateway, 200);
        await everythingInOrder(clients, 210);
        await until('several exports have failed', async () => (await failedExports(gateway)) >= 5, patience);
        assert.ok(relay.refused - before >= 5);
        assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200);
        await publish(gateway, 5);
        await everythingInOrder(clients, 215);

        relay.fault = undefined;
        await agreesWithMetrics(gateway, sink.received, 'cumulative');
        const all = await sink.received();
        const totals = all.map((request) => summed(exportedSeries(request), published));
        // Nothing in between has got through, and nothing is missing or twice afterwards.
        assert.deepEqual(
          [...new Set(totals)].filter((total) => total > 10),
          [215],
        );
        assert.equal(summed(exportedSeries(all.at(-1)!), 'tidegauge_deliveries_sent_total'), 3 * 215);
      });
    });
  }

  test('with delta temporality a failed export takes its share of counters with it, and levels are right', async () => {
    await withSurroundings('delta', async ({ sink, relay, gateway }) => {
      await connectClient(gateway.wsUrl);
      await publish(gateway, 10);
      await untilAddedUp(sink, 10);
      relay.fault = 'unavailable';
      await publish(gateway, 200);
      const before = await failedExports(gateway);
      // The one under way may have been read before; the next one has the messages, and the one after it shows its end.
      await until(
        'an export with them has failed',
        async () => (await failedExports(gateway)) >= before + 3,
        patience,
      );
      relay.fault = undefined;
      await publish(gateway, 5);
      await untilAddedUp(sink, 15);
      const totals = summedSeries(await sink.received());
      assert.equal(summed(totals, published), 15);
      assert.equal(summed(totals, 'tidegauge_connection_active'), 1);
    });
  });
});

describe('memory', { concurrency: 2 }, () => {
  const exports = 100;
  /** A point of a collection takes some 100 bytes, an encoded export some 30 KiB. */
  const grownBytesPerExportMax = 4_096;
  for (const fault of ['busy', 'slow', 'drip'] satisfies OtlpFault[]) {
    test(`is the same after ${exports} exports to a collector that is out of order (${fault})`, async () => {
      const relay = await startOtlpRelay([], { fault, keepsRequests: false });
      const program = join(import.meta.dirname, '../support/failing-exports.ts');
      const args = ['--expose-gc', program, relay.endpoint, String(exports)];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const { grownBytes, failed } = JSON.parse(stdout) as { grownBytes: number; failed: number };
      assert.ok(failed >= exports && relay.refused >= exports, `${failed} failed, ${relay.refused} refused`);
      assert.ok(grownBytes < exports * grownBytesPerExportMax, `grew by ${grownBytes} bytes`);
      await relay.stop();
    });
  }
});

async function withSurroundings(
  temporality: Temporality,
  run: (surroundings: Surroundings) => Promise<void>,
): Promise<void> {
  const sink = await startOtlpSink();
  const relay = await startOtlpRelay([`${sink.httpEndpoint}/v1/metrics`]);
  const gateway = await startGateway({
    OTEL_EXPORTER_OTLP_ENDPOINT: relay.endpoint,
    OTEL_METRIC_EXPORT_INTERVAL: '300',
    OTEL_EXPORTER_OTLP_TIMEOUT: '250',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
  });
  try {
    await run({ sink, relay, gateway });
  } finally {
    await gateway.stop();
    await relay.stop();
    await sink.stop();
  }
}

async function untilExported(sink: OtlpSink, messages: number): Promise<void> {
  await until(
    `${messages} messages are in an export`,
    async () => {
      const last = (await sink.received()).at(-1);
      return last !== undefined && summed(exportedSeries(last), published) === messages;
    },
    patience,
  );
}

async function untilAddedUp(sink: OtlpSink, messages: number): Promise<void> {
  let totals: SeriesValues = new Map();
  await until(
    `${messages} messages are in all exports together`,
    async () => {
      totals = summedSeries(await sink.received());
      return summed(totals, published) === messages;
    },
    patience,
  ).catch((error: Error) => {
    throw new Error(`${error.message}: there are ${summed(totals, published)}`);
  });
}

async function everythingInOrder(clients: readonly WsClient[], count: number): Promise<void> {
  for (const client of clients) {
    await until('every message is there', () => deliveriesTo(client) === count, patience);
    const numbers = client.messages.slice(1).map((text) => (JSON.parse(text) as { n: number }).n);
    assert.deepEqual(
      numbers,
      numbers.toSorted((one, other) => one - other),
    );
  }
}
