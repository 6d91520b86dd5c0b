/**
 * A real Prometheus scrapes the gateway in both formats and by its own preference, under a little load, and ends up
 * with exactly the numbers that /metrics showed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { exercise, exerciseEnv } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { type Prometheus, type PrometheusSample, startPrometheus } from '../support/prometheus.ts';
import { partPath, skipWithout } from '../support/real-part.ts';
import { differences, scrapeCounters, scrapeText, seriesKey, stoodStill } from '../support/series.ts';
import { until } from '../support/until.ts';

const jobs = ['text', 'openmetrics', 'preferred'] as const;

/** Of each of these, all series are compared at the least; each says something after the exercise. */
const compared = [
  'tidegauge_connection_opened_total',
  'tidegauge_connection_closed_total',
  'tidegauge_handshake_begun_total',
  'tidegauge_handshake_rejections_total',
  'tidegauge_messages_total',
  'tidegauge_messages_rejected_total',
  'tidegauge_deliveries_matched_total',
  'tidegauge_deliveries_sent_total',
  'tidegauge_bus_io_bytes_total',
  'messaging_client_consumed_messages_total',
  'tidegauge_connection_duration_seconds_sum',
  'tidegauge_handshake_duration_seconds_bucket',
  'tidegauge_message_size_bytes_bucket',
  'tidegauge_fanout_recipients_count',
];

describe('a scrape by Prometheus', { skip: await skipWithout('prometheus', 'promtool') }, () => {
  let gateway: GatewayProcess;
  let prometheus: Prometheus;

  before(async () => {
    gateway = await startGateway({
      ...exerciseEnv,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=harbour',
    });
    const address = new URL(gateway.adminUrl).host;
    prometheus = await startPrometheus({
      scrapeTargets: [
        { job: 'text', address, scrapeProtocols: ['PrometheusText0.0.4'] },
        { job: 'openmetrics', address, scrapeProtocols: ['OpenMetricsText1.0.0'] },
        { job: 'preferred', address },
      ],
      scrapeInterval: '250ms',
    });
    await exercise(gateway);
  });
  after(async () => {
    await prometheus?.stop();
    await gateway?.stop();
  });

  /** Waits for a scrape of the job that began after now; answers with the time of its samples, in seconds. */
  async function nextScrape(job: string): Promise<number> {
    const afterSeconds = Date.now() / 1_000;
    return await until(`a scrape of ${job}`, async () => {
      const [sample] = await prometheus.query(`timestamp(up{job="${job}"})`);
      return sample !== undefined && sample.value > afterSeconds && sample.value;
    });
  }

  /** The values of all series of a job at the time of a scrape. */
  async function scraped(job: string, seconds: number): Promise<Map<string, number>> {
    const samples = await prometheus.query(`{__name__=~".+", job="${job}"} @ ${seconds}`);
    return new Map(samples.map((sample) => [keyOf(sample), sample.value]));
  }

  const keyOf = ({ labels }: PrometheusSample): string =>
    seriesKey(labels.__name__ ?? '', labels, ['job', 'instance']);

  for (const job of jobs) {
    test(`as ${job} is up, and no scrape was refused`, async () => {
      const target = (await prometheus.scraped()).find((one) => one.job === job);
      assert.deepEqual([target?.health, target?.lastError], ['up', '']);
      const seconds = await nextScrape(job);
      const [least] = await prometheus.query(`min_over_time(up{job="${job}"}[10m])`);
      assert.equal(least?.value, 1);
      const series = [...(await scraped(job, seconds)).entries()];
      const samples = series.find(([key]) => key === 'scrape_samples_post_metric_relabeling{}')?.[1] ?? 0;
      assert.ok(samples > 300, `only ${samples} samples`);
      const shown = series.filter(([key]) => !/^(?:up|scrape_\w+)\{/.test(key));
      assert.equal(shown.length, samples);
    });

    test(`as ${job} has the values of /metrics, digit for digit`, async () => {
      const earlier = await scrapeCounters(gateway);
      const seconds = await nextScrape(job);
      const still = stoodStill(earlier, await scrapeCounters(gateway));
      for (const name of compared) {
        const of = [...still.keys()].filter((key) => key.startsWith(`${name}{`));
        assert.ok(
          of.some((key) => still.get(key)! > 0),
          `${name} says nothing, or did not stand still`,
        );
      }
      assert.deepEqual(differences(still, await scraped(job, seconds)), []);
    });
  }

  test('what is negotiated is what was asked for: OpenMetrics brings units, text does not', async () => {
    const unitsOf = async (job: string): Promise<Record<string, string>> => {
      const parameters = new URLSearchParams({ match_target: `{job="${job}"}`, limit: '10000' });
      const answer = await fetch(`${prometheus.url}/api/v1/targets/metadata?${parameters}`);
      const { data } = (await answer.json()) as { data: { metric: string; type: string; unit: string }[] };
      return Object.fromEntries(data.map(({ metric, unit }) => [metric, unit]));
    };
    const [text, open, preferred] = await Promise.all(jobs.map(unitsOf));
    assert.deepEqual([...new Set(Object.values(text!))], ['']);
    assert.equal(open!.tidegauge_handshake_duration_seconds, 'seconds');
    assert.equal(open!.process_memory_usage_bytes, 'bytes');
    assert.equal(open!.process_cpu_utilization_ratio, 'ratio');
    assert.deepEqual(preferred, open);
  });

  test('histograms arrive with their buckets, and quantiles can be asked for', async () => {
    const { value: count } = (await prometheus.query('tidegauge_fanout_recipients_count{job="text"}'))[0]!;
    const all = await prometheus.query('tidegauge_fanout_recipients_bucket{job="text", le="+Inf"}');
    assert.equal(all[0]?.value, count);
    // Of two who hear everything and tide, and one who hears neither: public.tide.in went to two, public.other to one.
    const two = await prometheus.query('tidegauge_fanout_recipients_bucket{job="openmetrics", le="2.0"}');
    const one = await prometheus.query('tidegauge_fanout_recipients_bucket{job="openmetrics", le="1.0"}');
    assert.deepEqual([one[0]?.value, two[0]?.value], [5, 10]);
    const quantile = 'histogram_quantile(0.9, tidegauge_handshake_duration_seconds_bucket{error_type=""})';
    for (const { value } of await prometheus.query(quantile))
      assert.ok(value > 0 && value < 10, String(value));
  });

  test('target_info says which service, which version, and what the environment adds', async () => {
    for (const job of jobs) {
      const [info, ...more] = await prometheus.query(`target_info{job="${job}"}`);
      assert.equal(more.length, 0);
      assert.equal(info?.value, 1);
      assert.equal(info?.labels.service_name, 'tidegauge');
      assert.equal(info?.labels.service_version, packageJson.version);
      assert.equal(info?.labels.deployment_environment_name, 'harbour');
    }
  });

  test('Prometheus had nothing to warn of', () => {
    const warnings = prometheus
      .log()
      .split('\n')
      .filter((line) => /"level":"(?:WARN|ERROR)"/.test(line));
    assert.deepEqual(warnings, []);
  });

  test('promtool remarks on names that the semantic conventions fix, and on nothing else', async () => {
    const expected = readFileSync(join(import.meta.dirname, 'promtool-remarks.txt'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    assert.deepEqual(await promtoolRemarks(await scrapeText(gateway)), expected);
  });
});

/** What `promtool check metrics` says of a text, sorted. */
async function promtoolRemarks(text: string): Promise<string[]> {
  const promtool = spawn(await partPath('promtool'), ['check', 'metrics']);
  const said = Promise.all([promtool.stdout.toArray(), promtool.stderr.toArray()]);
  promtool.stdin.end(text);
  await once(promtool, 'close');
  const remarks = Buffer.concat((await said).flat() as Buffer[]).toString();
  return remarks
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}
