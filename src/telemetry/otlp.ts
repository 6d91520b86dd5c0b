/**
 * Pushing by OTLP: the exporter for the settings, and the reader that feeds it. Every option is given explicitly,
 * for the packages otherwise read the process's environment, which is not ours to read here.
 *
 * A collector that is away costs nothing but its exports: they are bounded in time and number by the packages, and
 * are logged on the change only, not each. Their count is a figure (otel.sdk.exporter.*).
 */
import { readFileSync } from 'node:fs';
import type { Agent as HttpAgent } from 'node:http';
import { createRequire } from 'node:module';
import type { MeterProvider } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { OTLPMetricExporter as GrpcExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import {
  AggregationTemporalityPreference,
  OTLPMetricExporter as JsonExporter,
} from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import {
  type AggregationOption,
  AggregationType,
  type CollectionResult,
  InstrumentType,
  type MetricProducer,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { checkCertificates, checkPrivateKey, faultsOfFiles, readNamedFile } from '../named-files.ts';
import { createDeadlineAgent } from './deadline-agent.ts';
import type { NamedFile, OtelSettings, OtlpSettings, Temporality } from './otel-env.ts';

export type TelemetryLog = {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
};

export type OtlpExporter = PushMetricExporter & {
  setSelfObsMeterProvider(provider: MeterProvider): void;
  /** Closes the connections that are kept for the next export; over gRPC there is nothing to close them with. */
  hangUp?(): void;
};

const temporalityPreferences: Readonly<Record<Temporality, AggregationTemporalityPreference>> = {
  cumulative: AggregationTemporalityPreference.CUMULATIVE,
  delta: AggregationTemporalityPreference.DELTA,
  lowmemory: AggregationTemporalityPreference.LOWMEMORY,
};

/** The packages' enum, whose values are the same words. */
type Compression = NonNullable<NonNullable<ConstructorParameters<typeof JsonExporter>[0]>['compression']>;

/** @throws when a file with a certificate or key cannot be read. */
export function createOtlpExporter(settings: OtlpSettings, userAgent: string): OtlpExporter {
  const options = {
    url: settings.url,
    timeoutMillis: settings.timeoutMs,
    compression: settings.compression as Compression,
    temporalityPreference: temporalityPreferences[settings.temporality],
    aggregationPreference: aggregationOf(settings),
    userAgent,
  };
  if (settings.protocol === 'grpc') return new GrpcExporter({ ...options, ...grpcSecurity(settings) });
  const Exporter = settings.protocol === 'http/json' ? JsonExporter : ProtobufExporter;
  let agent: HttpAgent | undefined;
  const exporter = new Exporter({
    ...options,
    headers: settings.headers,
    httpAgentOptions: (protocol) => {
      agent = createDeadlineAgent(protocol, settings.timeoutMs, { keepAlive: true, ...pemsOf(settings) });
      return agent;
    },
  });
  const hangUp = (): void => {
    for (const sockets of Object.values(agent?.freeSockets ?? {}))
      for (const socket of sockets ?? []) socket.destroy();
  };
  return Object.assign(exporter, { hangUp });
}

/** Files named by the settings that cannot be read or used, each as a fault. */
export function unusableFiles({
  certificate,
  clientKey,
  clientCertificate,
}: Partial<OtlpSettings> = {}): string[] {
  const checked = (what: string, file: NamedFile | undefined, check: (content: Buffer) => void) =>
    [file?.variable ?? '', file?.path, (path: string) => readNamedFile(what, path, check)] as const;
  return faultsOfFiles([
    checked('authority', certificate, checkCertificates),
    checked('key', clientKey, checkPrivateKey),
    checked('certificate', clientCertificate, checkCertificates),
  ]);
}

/** Whether histograms have buckets of exponential width, and not those of the catalogue. */
export function isExponential({ histogramAggregation }: OtlpSettings): boolean {
  return histogramAggregation === 'base2_exponential_bucket_histogram';
}

/** Of what the SDK aggregates: its own figures. */
function aggregationOf(settings: OtlpSettings): (type: InstrumentType) => AggregationOption {
  const ofHistograms = isExponential(settings)
    ? AggregationType.EXPONENTIAL_HISTOGRAM
    : AggregationType.DEFAULT;
  return (type) => ({ type: type === InstrumentType.HISTOGRAM ? ofHistograms : AggregationType.DEFAULT });
}

function pemsOf({ certificate, clientKey, clientCertificate }: OtlpSettings) {
  return {
    ...(certificate === undefined ? {} : { ca: readFileSync(certificate.path) }),
    ...(clientKey === undefined ? {} : { key: readFileSync(clientKey.path) }),
    ...(clientCertificate === undefined ? {} : { cert: readFileSync(clientCertificate.path) }),
  };
}

/** gRPC is loaded for those only who use it: it is the heaviest package of all. */
function grpcSecurity(settings: OtlpSettings) {
  const { credentials, Metadata } = createRequire(import.meta.url)(
    '@grpc/grpc-js',
  ) as typeof import('@grpc/grpc-js');
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(settings.headers)) metadata.set(name, value);
  const { ca, key, cert } = pemsOf(settings);
  const isPlain = settings.url.startsWith('http://');
  return {
    metadata,
    credentials: isPlain ? credentials.createInsecure() : credentials.createSsl(ca, key, cert),
  };
}

/** Collects and exports at an interval, and once more, with the final totals, at the shutdown. */
export class PushReader extends PeriodicExportingMetricReader {
  readonly #exporter: PushMetricExporter & Partial<Hurried>;
  #ending: Promise<void> | undefined;

  constructor(
    exporter: PushMetricExporter & Partial<Hurried>,
    settings: Pick<OtelSettings, 'exportIntervalMs' | 'exportTimeoutMs'>,
    metricProducers: MetricProducer[],
  ) {
    super({
      exporter,
      exportIntervalMillis: settings.exportIntervalMs,
      exportTimeoutMillis: settings.exportTimeoutMs,
      metricProducers,
    });
    this.#exporter = exporter;
  }

  /** Without a time limit, for what is waited for is synchronous. */
  override collect(): Promise<CollectionResult> {
    return super.collect();
  }

  /** May be asked for more than once: by the provider too. */
  override shutdown(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    // Whether a kept connection still leads anywhere is found out by waiting, for which there is no time any more.
    this.#exporter.hangUp?.();
    const giveUp = this.#exporter.underWay?.();
    const patience = setTimeout(() => giveUp?.(), PATIENCE_MS);
    try {
      await super.shutdown();
    } finally {
      clearTimeout(patience);
    }
  }
}

/** How long the last export waits for one that is under way, of the five seconds that the end has. */
const PATIENCE_MS = 1_000;

export type Hurried = {
  /** Gives up the export that is under way now, should it still be: nobody waits for its answer any more. */
  underWay(): (() => void) | undefined;
  hangUp(): void;
};

/** The same exporter, with a log line when exports begin to fail and when they succeed again. */
export function withOutageLog(exporter: OtlpExporter, log: TelemetryLog): PushMetricExporter & Hurried {
  let isFailing = false;
  let giveUp: (() => void) | undefined;
  const onResult = ({ code, error }: ExportResult): void => {
    const failed = code !== ExportResultCode.SUCCESS;
    if (failed === isFailing) return;
    isFailing = failed;
    if (failed)
      log.warn({ reason: error?.message }, 'metrics cannot be exported; trying on at each interval');
    else log.info({}, 'metrics are exported again');
  };
  return {
    underWay: () => giveUp,
    hangUp: () => exporter.hangUp?.(),
    export(metrics: ResourceMetrics, done: (result: ExportResult) => void): void {
      const end = (result: ExportResult): void => {
        if (giveUp !== giveThisUp) return;
        giveUp = undefined;
        onResult(result);
        done(result);
      };
      const giveThisUp = (): void =>
        end({ code: ExportResultCode.FAILED, error: new Error('not answered before the last export') });
      giveUp = giveThisUp;
      exporter.export(metrics, end);
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
    selectAggregation: (type) => exporter.selectAggregation?.(type) ?? { type: AggregationType.DEFAULT },
    ...(exporter.selectAggregationTemporality === undefined
      ? {}
      : { selectAggregationTemporality: exporter.selectAggregationTemporality.bind(exporter) }),
  };
}
