/**
 * The answer to a Prometheus scrape, as text or as OpenMetrics. The SDK's exporter is the reader; its own HTTP
 * server is never started, for the route /metrics is among ours. Series are named as the push way names them.
 *
 * Labels: the attributes of a point, and nothing else. The scope is no label, because names are unique without
 * it and Prometheus' OTLP endpoint does not add it either; `target_info` carries the resource.
 *
 * Scrapes of one turn of the event loop share a collection and its text. A figure that cannot be read is missing
 * from the answer, and counted; the scrape succeeds.
 */
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { MetricReader } from '@opentelemetry/sdk-metrics';
import { shared } from '../shared.ts';
import { type ExpositionFormat, expositionFormat } from './accept.ts';
import { Exposition } from './exposition.ts';
import type { OwnMetrics } from './own-metrics.ts';

/** The body is text in UTF-8. */
export type ScrapeAnswer = { contentType: string; body: Buffer };

export type PrometheusReader = {
  /** For the MeterProvider. */
  readonly reader: MetricReader;
  /** Takes the Accept header. Rejects after the shutdown. */
  scrape(accept: string | undefined): Promise<ScrapeAnswer>;
};

export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

export function createPrometheusReader(own: OwnMetrics): PrometheusReader {
  const reader = new PrometheusExporter({ preventServerStart: true, metricProducers: [own.producer()] });
  const collect = shared(async () => {
    const { resource, scopeMetrics } = (await reader.collect()).resourceMetrics;
    return { resource: resource.attributes, metrics: scopeMetrics.flatMap(({ metrics }) => metrics) };
  });
  const pages = { text: new Exposition('text'), openmetrics: new Exposition('openmetrics') };
  return {
    reader,
    async scrape(accept) {
      const format = expositionFormat(accept);
      const { resource, metrics } = await collect();
      return { contentType: contentTypes[format], body: pages[format].render(resource, metrics) };
    },
  };
}

/** What is served when metrics are switched off: a target that is up, and has nothing. */
export function emptyScrape(accept: string | undefined, reason: string): ScrapeAnswer {
  const format = expositionFormat(accept);
  const body = Buffer.from(format === 'text' ? `# ${reason}\n` : '# EOF\n');
  return { contentType: contentTypes[format], body };
}
