/**
 * A real Prometheus, for asking it what it made of our figures.
 *
 * It listens on port 0 of 127.0.0.1 and says in its log which one it got. Its data live in a temporary folder. The
 * configuration is written as JSON, which is YAML. Starting costs about half a second.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, createTempFolder, startChild, untilUp } from './child.ts';
import { partPath } from './real-part.ts';
import { until } from './until.ts';

/** What Prometheus may be told to prefer, best first. */
export type ScrapeProtocol =
  | 'PrometheusProto'
  | 'OpenMetricsText1.0.0'
  | 'OpenMetricsText0.0.1'
  | 'PrometheusText1.0.0'
  | 'PrometheusText0.0.4';

export type ScrapeTarget = {
  job: string;
  /** `127.0.0.1:3002`, or those of several instances. */
  address: string | readonly string[];
  /** Default `/metrics`. */
  path?: string;
  /** Default: those of the whole server. */
  scrapeProtocols?: ScrapeProtocol[];
};

export type PrometheusOptions = {
  scrapeTargets?: ScrapeTarget[];
  /** A Prometheus duration; default `500ms`. It is also the limit on one scrape. */
  scrapeInterval?: string;
  /** Takes OTLP at `otlpMetricsUrl`. */
  enableOtlp?: boolean;
  scrapeProtocols?: ScrapeProtocol[];
  /** Default: a free one. */
  port?: number;
  /** Further top-level sections of the configuration, such as `otlp` or `storage`. */
  extraConfig?: Record<string, unknown>;
  args?: string[];
};

/** One element of an instant vector. */
export type PrometheusSample = { labels: Record<string, string>; value: number };

/** One element of a range vector: Unix seconds and values, without the points that are not there. */
export type PrometheusLine = { labels: Record<string, string>; points: [seconds: number, value: number][] };

export type PrometheusTarget = {
  job: string;
  health: 'up' | 'down' | 'unknown';
  /** Why the last scrape was refused or failed; empty if it was not. */
  lastError: string;
  scrapeUrl: string;
};

export type Prometheus = {
  readonly url: string;
  readonly otlpMetricsUrl: string;
  /** An instant query, now or at a time: of a vector its elements, of a scalar one element without labels. */
  query(promql: string, atSeconds?: number): Promise<PrometheusSample[]>;
  /** What a graph shows; Unix seconds. */
  queryRange(
    promql: string,
    range: { startSeconds: number; endSeconds: number; stepSeconds: number },
  ): Promise<PrometheusLine[]>;
  /** The values of a label on the series that match, sorted. */
  labelValues(label: string, match: string): Promise<string[]>;
  /** The label sets of all series that match, name included; by default all there are. */
  series(match?: string): Promise<Record<string, string>[]>;
  targets(): Promise<PrometheusTarget[]>;
  /** Waits until each target has been scraped, whether well or not, and says how that went. */
  scraped(): Promise<PrometheusTarget[]>;
  log(): string;
  stop(): Promise<void>;
};

const startTimeoutMs = 30_000;
const requestTimeoutMs = 10_000;

export async function startPrometheus(options: PrometheusOptions = {}): Promise<Prometheus> {
  const binary = await partPath('prometheus');
  const folder = createTempFolder('prometheus');
  const configFile = join(folder.path, 'prometheus.yml');
  await writeFile(configFile, JSON.stringify(renderConfig(options), null, 2));
  const child = await startChild(
    binary,
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder.path, 'data')}`,
      `--web.listen-address=127.0.0.1:${options.port ?? 0}`,
      '--log.format=json',
      // Else the first scrape may wait for five seconds.
      '--scrape.discovery-reload-interval=100ms',
      ...(options.enableOtlp === true ? ['--web.enable-otlp-receiver'] : []),
      ...(options.args ?? []),
    ],
    { logFile: join(folder.path, 'log'), cwd: folder.path },
  );
  let url: string;
  try {
    const ask = (): Promise<string | false> => readyUrl(child);
    url = await untilUp(child, 'Prometheus is ready', ask, { timeoutMs: startTimeoutMs, everyMs: 25 });
  } catch (error) {
    folder.remove();
    throw error;
  }

  const targets = async (): Promise<PrometheusTarget[]> => {
    const data = await ask<{ activeTargets: RawTarget[] }>(url, 'targets', { state: 'active' });
    return data.activeTargets.map((target) => ({
      job: target.labels.job ?? '',
      health: target.health,
      lastError: target.lastError,
      scrapeUrl: target.scrapeUrl,
    }));
  };
  return {
    url,
    otlpMetricsUrl: `${url}/api/v1/otlp/v1/metrics`,
    async query(promql, atSeconds) {
      const time = atSeconds === undefined ? {} : { time: String(atSeconds) };
      return samplesOf(await ask<QueryData>(url, 'query', { query: promql, ...time }));
    },
    async queryRange(promql, { startSeconds, endSeconds, stepSeconds }) {
      const { result } = await ask<RangeData>(url, 'query_range', {
        query: promql,
        start: String(startSeconds),
        end: String(endSeconds),
        step: String(stepSeconds),
      });
      return result.map(({ metric, values = [] }) => ({
        labels: metric,
        points: values.map((value) => [value[0], parseValue(value)]),
      }));
    },
    labelValues: (label, match) => ask<string[]>(url, `label/${label}/values`, { 'match[]': match }),
    series: (match = '{__name__=~".+"}') =>
      ask<Record<string, string>[]>(url, 'series', { 'match[]': match }),
    targets,
    scraped: () =>
      until(
        'every target has been scraped',
        async () => {
          const found = await targets();
          const isDone = found.length > 0 && found.every(({ health }) => health !== 'unknown');
          return isDone && found;
        },
        { timeoutMs: startTimeoutMs, everyMs: 50 },
      ),
    log: () => child.log(),
    async stop() {
      await child.stop();
      folder.remove();
    },
  };
}

type RawTarget = {
  labels: Record<string, string>;
  health: PrometheusTarget['health'];
  lastError: string;
  scrapeUrl: string;
};
/** A time in seconds and the value as text, since JSON has no infinities. */
type RawValue = [number, string];
type RangeData = { result: { metric: Record<string, string>; values?: RawValue[] }[] };
type QueryData =
  | { resultType: 'vector'; result: { metric: Record<string, string>; value?: RawValue }[] }
  | { resultType: 'scalar'; result: RawValue }
  | { resultType: 'matrix' | 'string'; result: unknown };

function renderConfig(options: PrometheusOptions): Record<string, unknown> {
  const { scrapeTargets = [], scrapeInterval = '500ms', scrapeProtocols, extraConfig = {} } = options;
  return {
    global: {
      scrape_interval: scrapeInterval,
      scrape_timeout: scrapeInterval,
      ...(scrapeProtocols && { scrape_protocols: scrapeProtocols }),
    },
    scrape_configs: scrapeTargets.map((target) => ({
      job_name: target.job,
      metrics_path: target.path ?? '/metrics',
      ...(target.scrapeProtocols && { scrape_protocols: target.scrapeProtocols }),
      static_configs: [{ targets: [target.address].flat() }],
    })),
    ...extraConfig,
  };
}

async function readyUrl(child: Child): Promise<string | false> {
  const address = /"address":"(127\.0\.0\.1:[1-9]\d*)"/.exec(child.log())?.[1];
  if (address === undefined) return false;
  const answer = await fetch(`http://${address}/-/ready`, { signal: AbortSignal.timeout(requestTimeoutMs) });
  await answer.arrayBuffer();
  return answer.ok && `http://${address}`;
}

async function ask<Data>(url: string, path: string, parameters: Record<string, string>): Promise<Data> {
  const answer = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`, {
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  const body = (await answer.json()) as { status: string; data: Data; error?: string };
  if (body.status !== 'success') throw new Error(`Prometheus refused ${path}: ${body.error}`);
  return body.data;
}

function samplesOf(data: QueryData): PrometheusSample[] {
  switch (data.resultType) {
    case 'vector':
      return data.result.map(({ metric, value }) => {
        if (value === undefined)
          throw new Error('native histograms have no single value: ask for a part of it');
        return { labels: metric, value: parseValue(value) };
      });
    case 'scalar':
      return [{ labels: {}, value: parseValue(data.result) }];
    default:
      throw new Error(`the query yields a ${data.resultType}, not a vector or a scalar`);
  }
}

function parseValue([, text]: RawValue): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}
