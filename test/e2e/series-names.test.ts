/**
 * One dashboard for whoever scrapes and whoever pushes: the series of /metrics are the series that Prometheus' own
 * OTLP endpoint makes of the same gateway's push, and those that a collector's Prometheus exporter makes of it. Not
 * only the names: all labels with their values. What differs is listed here, with the reason.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type OtlpSink, startOtlpSink } from '../support/collector.ts';
import { allSeriesExist, exercise, exerciseEnv } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { type Family, parseText, type Sample } from '../support/openmetrics.ts';
import { type OtlpRelay, startOtlpRelay } from '../support/otlp-relay.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { skipWithout } from '../support/real-part.ts';
import { scrapeText, seriesKey } from '../support/series.ts';
import { until } from '../support/until.ts';

/** Series that one side has and the other has not, each with its reason. A line that is not needed fails too. */
const seriesThatDiffer: readonly { series: RegExp; reason: string }[] = [
  {
    series: /^otel_sdk_metric_reader_collection_duration_seconds_\w+\{.*prometheus_http_text_metric_exporter/,
    reason:
      'experimental, and off unless asked for: the SDK tells figures of a reader only to those that it started before; of the same name the push has those of its own reader',
  },
];

/** Labels that are added to every series on the way, each with its reason. */
const labelsOfPrometheus: Readonly<Record<string, string>> = {
  job: 'from service.name; whoever scrapes gets it from the scrape configuration',
  instance: 'from service.instance.id; whoever scrapes gets the address of the target',
};
const labelsOfCollector: Readonly<Record<string, string>> = {
  ...labelsOfPrometheus,
  otel_scope_name: 'the exporter adds the scope; names are unique without it, and Prometheus does not add it',
  otel_scope_version: 'as the scope name; ours has none',
  otel_scope_schema_url: 'as the scope name; it is the version of the conventions',
};
/** Labels that /metrics has and the others have not. Only on target_info. */
const labelsOfTargetInfo: Readonly<Record<string, string>> = {
  service_name: 'is the job of a pushed target_info',
  service_instance_id: 'is the instance of a pushed target_info',
};

describe('the series of /metrics', { skip: await skipWithout('prometheus', 'otelcol') }, () => {
  let prometheus: Prometheus;
  let collector: OtlpSink;
  let relay: OtlpRelay;
  let gateway: GatewayProcess;

  before(async () => {
    prometheus = await startPrometheus({ enableOtlp: true });
    collector = await startOtlpSink();
    // One and the same push for both.
    relay = await startOtlpRelay([prometheus.otlpMetricsUrl, `${collector.httpEndpoint}/v1/metrics`]);
    gateway = await startGateway({
      ...exerciseEnv,
      OTEL_EXPORTER_OTLP_ENDPOINT: relay.endpoint,
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      OTEL_NODE_EXPERIMENTAL_SDK_METRICS: 'true',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=harbour,k8s.pod.name=tide-0',
    });
    await exercise(gateway);
    await allSeriesExist(gateway);
  });
  after(async () => {
    await gateway?.stop();
    await Promise.all([relay?.stop(), collector?.stop(), prometheus?.stop()]);
  });

  test('are those that Prometheus makes of the push', async () => {
    await sameSeries(async () =>
      (await prometheus.series()).map((labels) => keyOf(labels.__name__ ?? '', labels, labelsOfPrometheus)),
    );
  });

  test('are those that a collector serves to Prometheus', async () => {
    await sameSeries(async () =>
      samplesOf(parseText(await collectorText())).map(({ name, labels }) =>
        keyOf(name, labels, labelsOfCollector),
      ),
    );
  });

  test('have the types and the help texts that the collector gives them', async () => {
    const describe = (families: Family[]): Record<string, string> =>
      Object.fromEntries(families.map(({ name, type, help }) => [name, `${type}: ${help}`]));
    const own = describe(parseText(await scrapeText(gateway)));
    assert.deepEqual(describe(parseText(await collectorText())), own);
  });

  test('are the same as text and as OpenMetrics', async () => {
    const open = await scrapeText(gateway, 'application/openmetrics-text');
    const namesIn = (text: string): string[] => [...new Set(text.match(/^[a-z]\w*/gm))].sort();
    assert.deepEqual(namesIn(open), namesIn(await scrapeText(gateway)));
  });

  async function collectorText(): Promise<string> {
    return await (await fetch(collector.prometheusUrl)).text();
  }

  /** Asked again while something is new on one side and not yet exported to the other. */
  async function sameSeries(others: () => Promise<string[]>): Promise<void> {
    let difference: { onlyOnMetrics: string[]; onlyThere: string[] } | undefined;
    const isSame = async (): Promise<boolean> => {
      const own = samplesOf(parseText(await scrapeText(gateway)));
      const here = new Set(own.map(({ name, labels }) => keyOf(name, labels, {})));
      const there = new Set(await others());
      difference = { onlyOnMetrics: without(here, there), onlyThere: without(there, here) };
      return Object.values(difference).flat().every(isListed);
    };
    await until('the series are the same', isSame, { timeoutMs: 5_000, everyMs: 250 }).catch(() => {});
    const { onlyOnMetrics, onlyThere } = difference!;
    assert.deepEqual([onlyOnMetrics.filter(isUnlisted), onlyThere.filter(isUnlisted)], [[], []]);
    for (const { series, reason } of seriesThatDiffer) {
      assert.ok(
        [...onlyOnMetrics, ...onlyThere].some((key) => series.test(key)),
        `no longer true: ${reason}`,
      );
    }
  }
});

const isListed = (key: string): boolean => seriesThatDiffer.some(({ series }) => series.test(key));
const isUnlisted = (key: string): boolean => !isListed(key);

function without(these: Set<string>, others: Set<string>): string[] {
  return [...these].filter((key) => !others.has(key)).sort();
}

function keyOf(
  name: string,
  labels: Readonly<Record<string, string>>,
  added: Readonly<Record<string, string>>,
) {
  const without = [...Object.keys(added), ...(name === 'target_info' ? Object.keys(labelsOfTargetInfo) : [])];
  return seriesKey(name, labels, without);
}

function samplesOf(families: Family[]): Sample[] {
  return families.flatMap(({ samples }) => samples);
}
