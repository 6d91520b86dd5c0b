/**
 * A real OpenTelemetry Collector: any configuration, or a sink that takes OTLP and tells what arrived.
 *
 * A collector is told its ports, and there is no asking it which it got; so a configuration is a function of the ports
 * it needs, and is tried again with others if somebody took one meanwhile. It is up when it says so in its log.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTempFolder, startChild, untilUp } from './child.ts';
import { freePorts } from './ports.ts';
import { partPath } from './real-part.ts';

export type CollectorOptions = {
  /** How many ports the configuration needs; or which, for one that takes the place of another. */
  ports?: number | readonly number[];
  /** The YAML text. The folder is a temporary one, for files that it writes. Its own metrics are best turned off. */
  config: (ports: number[], folder: string) => string;
  env?: NodeJS.ProcessEnv;
};

export type Collector = {
  readonly pid: number;
  readonly ports: readonly number[];
  readonly folder: string;
  log(): string;
  freeze(): Promise<void>;
  thaw(): void;
  /** Lets it send and write what it holds, then removes its folder. */
  stop(): Promise<void>;
  kill(): Promise<void>;
};

/** What the collector's file exporter writes: one OTLP request in its JSON form. */
export type OtlpMetricsRequest = {
  resourceMetrics: {
    resource: { attributes?: OtlpAttribute[] };
    scopeMetrics: {
      scope: { name: string; version?: string };
      schemaUrl?: string;
      metrics: OtlpMetric[];
    }[];
  }[];
};
export type OtlpAttribute = { key: string; value: Record<string, unknown> };
export type OtlpMetric = {
  name: string;
  unit?: string;
  description?: string;
  sum?: { dataPoints: OtlpPoint[]; aggregationTemporality: number; isMonotonic?: boolean };
  gauge?: { dataPoints: OtlpPoint[] };
  histogram?: { dataPoints: OtlpPoint[]; aggregationTemporality: number };
  exponentialHistogram?: { dataPoints: OtlpPoint[]; aggregationTemporality: number };
};
/** 64-bit integers are text in OTLP's JSON. */
export type OtlpPoint = {
  attributes?: OtlpAttribute[];
  startTimeUnixNano?: string;
  timeUnixNano: string;
  asInt?: string;
  asDouble?: number;
  count?: string;
  sum?: number;
  bucketCounts?: string[];
  explicitBounds?: number[];
};

export type OtlpSink = Collector & {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT` with http/protobuf, and with grpc. */
  readonly httpEndpoint: string;
  readonly grpcEndpoint: string;
  /** The same figures as the collector's Prometheus exporter serves them. */
  readonly prometheusUrl: string;
  /** All requests so far, oldest first. */
  received(): Promise<OtlpMetricsRequest[]>;
};

const startTimeoutMs = 30_000;
const startAttemptsMax = 3;

export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const binary = await partPath('otelcol');
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(binary, options);
    } catch (error) {
      const isPortTaken = /address already in use/.test((error as Error).message);
      if (!isPortTaken || attempt === startAttemptsMax) throw error;
    }
  }
}

/**
 * A collector that takes OTLP both ways, keeps what arrives in a file, and serves it to Prometheus. With the ports of
 * one that has ended it takes its place, and begins with an empty file.
 */
export async function startOtlpSink(ports: 3 | readonly number[] = 3): Promise<OtlpSink> {
  const collector = await startCollector({ ports, config: renderSinkConfig });
  const [http, grpc, prometheus] = collector.ports;
  const file = receivedFile(collector.folder);
  return {
    ...collector,
    httpEndpoint: `http://127.0.0.1:${http}`,
    grpcEndpoint: `http://127.0.0.1:${grpc}`,
    prometheusUrl: `http://127.0.0.1:${prometheus}/metrics`,
    async received() {
      const text = await readFile(file, 'utf8');
      // What follows the last line end is still being written.
      const lines = text.split('\n').slice(0, -1);
      return lines.map((line) => JSON.parse(line) as OtlpMetricsRequest);
    },
  };
}

async function start(binary: string, options: CollectorOptions): Promise<Collector> {
  const folder = createTempFolder('collector');
  const { ports: wanted = 0 } = options;
  const ports = typeof wanted === 'number' ? await freePorts(wanted) : [...wanted];
  const configFile = join(folder.path, 'collector.yaml');
  await writeFile(configFile, options.config(ports, folder.path));
  const child = await startChild(binary, ['--config', configFile], {
    logFile: join(folder.path, 'log'),
    cwd: folder.path,
    ...(options.env && { env: options.env }),
  });
  const end = async (how: () => Promise<unknown>): Promise<void> => {
    await how();
    folder.remove();
  };
  try {
    const ask = (): boolean => child.log().includes('Everything is ready');
    await untilUp(child, 'the collector is ready', ask, { timeoutMs: startTimeoutMs, everyMs: 20 });
  } catch (error) {
    folder.remove();
    throw error;
  }
  return {
    pid: child.pid,
    ports,
    folder: folder.path,
    log: child.log,
    freeze: child.freeze,
    thaw: child.thaw,
    stop: () => end(child.stop),
    kill: () => end(child.kill),
  };
}

function receivedFile(folder: string): string {
  return join(folder, 'received.jsonl');
}

function renderSinkConfig(ports: number[], folder: string): string {
  const [http, grpc, prometheus] = ports;
  return `
receivers:
  otlp:
    protocols:
      http: { endpoint: "127.0.0.1:${http}" }
      grpc: { endpoint: "127.0.0.1:${grpc}" }
exporters:
  file:
    path: ${JSON.stringify(receivedFile(folder))}
    flush_interval: 50ms
  prometheus:
    endpoint: "127.0.0.1:${prometheus}"
service:
  telemetry:
    metrics: { level: none }
  pipelines:
    metrics:
      receivers: [otlp]
      exporters: [file, prometheus]
`;
}
