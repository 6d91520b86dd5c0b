/**
 * Starts OpenTelemetry: resource, readers, MeterProvider; and ends it within a time limit.
 *
 * For the process there is one NodeSDK, registered globally, so that libraries which know OpenTelemetry join in.
 * Tests and embedders get a MeterProvider of their own with the same readers and the same resource. Nothing else
 * in the service looks at OpenTelemetry's globals, or at the environment, which is handed in.
 *
 * With OTEL_SDK_DISABLED nothing leaves the process as OpenTelemetry or Prometheus: no export, and /metrics is
 * empty (yet answers, for a target that somebody switched off on purpose is not down). The JSON reports are the
 * product's own and work all the same.
 */
import { randomUUID } from 'node:crypto';
import { format } from 'node:util';
import { type MeterProvider as ApiMeterProvider, DiagLogLevel, diag, metrics } from '@opentelemetry/api';
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  ConsoleMetricExporter,
  type IMetricReader,
  MeterProvider,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import packageJson from '../../package.json' with { type: 'json' };
import { beganBeforeUs } from './catalogue.ts';
import { schemaUrl } from './conventions.ts';
import { ExponentialHistograms } from './exponential-histograms.ts';
import { type OtelEnvironment, type OtelSettings, type OtlpSettings, parseOtelEnv } from './otel-env.ts';
import {
  createOtlpExporter,
  isExponential,
  PushReader,
  type TelemetryLog,
  unusableFiles,
  withOutageLog,
} from './otlp.ts';
import { OwnMetrics } from './own-metrics.ts';
import { createPrometheusReader, emptyScrape, type ScrapeAnswer } from './prometheus.ts';
import { createSnapshotReader, type SnapshotReader } from './snapshot-reader.ts';

export type TelemetryOptions = {
  env: OtelEnvironment;
  /** True for the process; false for anybody who shares a process with others. */
  registerGlobally: boolean;
  /** service.instance.id; by default the one in OTEL_RESOURCE_ATTRIBUTES, else a random one. */
  instanceId?: string;
  log: TelemetryLog;
};

export type Telemetry = {
  /** service.instance.id: tells this process from its siblings. */
  instanceId: string;
  meterProvider: ApiMeterProvider;
  snapshot: SnapshotReader;
  /** The answer to a scrape, in the format that the Accept header asks for. */
  scrape(accept: string | undefined): Promise<ScrapeAnswer>;
  /** Exports at once, to whomever figures are pushed. */
  forceFlush(): Promise<void>;
  /**
   * Exports once more, then closes the readers. Resolves when that is done or the time is up, and never rejects.
   * May be called again, for instance to wait less.
   */
  shutdown(timeoutMs: number): Promise<void>;
};

/** What is wrong with the OTEL_ variables, each as a sentence; nothing is started while there is anything. */
export function checkTelemetryEnv(env: OtelEnvironment): string[] {
  const { settings, faults } = parseOtelEnv(env);
  return [...faults, ...unusableFiles(settings.otlp)];
}

/** @throws when the environment has faults that checkTelemetryEnv tells. */
export function startTelemetry({ env, registerGlobally, instanceId, log }: TelemetryOptions): Telemetry {
  const faults = checkTelemetryEnv(env);
  if (faults.length > 0) throw new Error(faults.join('; '));
  const { settings } = parseOtelEnv(env);
  for (const warning of settings.warnings) log.warn({}, warning);
  const resource = createResource(settings, instanceId);
  const identity = { instanceId: String(resource.attributes['service.instance.id']) };
  if (settings.isDisabled) return { ...identity, ...startDisabled(resource, log) };
  const push = settings.otlp && createOtlpPush(settings.otlp, log);
  const own = new OwnMetrics({ alsoRecordTo: push?.exponential?.provider, beganBefore: beganBeforeUs });
  const snapshot = createSnapshotReader(own);
  const prometheus = createPrometheusReader(own);
  const pushReaders = push ? [new PushReader(push.exporter, settings, push.producersFrom(own))] : [];
  if (settings.isConsole)
    pushReaders.push(new PushReader(new ConsoleMetricExporter(), settings, [own.producer()]));
  const readers = [prometheus.reader, ...pushReaders];
  const start = registerGlobally ? startGlobally : startPrivately;
  const { provider, shutdown } = start(resource, readers, settings);
  // Who asks for more gets it from NodeSDK, on the console.
  if (registerGlobally && !env.OTEL_LOG_LEVEL?.trim()) tellWarnings(log);
  push?.tellOfItselfTo(provider);
  return {
    ...identity,
    meterProvider: own.meterProvider(provider),
    snapshot,
    scrape: prometheus.scrape,
    forceFlush: async () => {
      await Promise.all(pushReaders.map((reader) => reader.forceFlush()));
    },
    shutdown: within(async () => {
      // The push first: until the last export is out, reports and scrapes go on.
      await Promise.allSettled(pushReaders.map((reader) => reader.shutdown()));
      snapshot.close();
      await shutdown();
    }, log),
  };
}

/** What is exported by OTLP, and to whom. */
function createOtlpPush(settings: OtlpSettings, log: TelemetryLog) {
  const otlp = createOtlpExporter(settings, userAgent);
  const temporalityOf = otlp.selectAggregationTemporality?.bind(otlp);
  const exponential = isExponential(settings) ? new ExponentialHistograms(temporalityOf) : undefined;
  const { protocol, url } = settings;
  log.info({ protocol, endpoint: new URL(url).host }, 'exporting metrics by OTLP');
  return {
    exporter: withOutageLog(otlp, log),
    exponential,
    producersFrom(own: OwnMetrics): MetricProducer[] {
      const ours = own.producer({ temporalityOf, leavesOutHistograms: exponential !== undefined });
      return exponential === undefined ? [ours] : [ours, exponential];
    },
    tellOfItselfTo: (provider: ApiMeterProvider) => otlp.setSelfObsMeterProvider(provider),
  };
}

/** The reports alone. */
function startDisabled(resource: Resource, log: TelemetryLog): Omit<Telemetry, 'instanceId'> {
  const own = new OwnMetrics();
  const snapshot = createSnapshotReader(own);
  const provider = new MeterProvider({ resource });
  const reason = 'OTEL_SDK_DISABLED is true: no metrics are served here.';
  return {
    meterProvider: own.meterProvider(provider),
    snapshot,
    scrape: async (accept) => emptyScrape(accept, reason),
    forceFlush: async () => {},
    shutdown: within(async () => {
      snapshot.close();
      await provider.shutdown();
    }, log),
  };
}

const userAgent = `${packageJson.name}/${packageJson.version}`;

function createResource(settings: OtelSettings, instanceId: string | undefined): Resource {
  const { serviceName, resourceAttributes: given } = settings;
  return defaultResource().merge(
    resourceFromAttributes(
      {
        'service.version': packageJson.version,
        ...given,
        'service.name': serviceName ?? given['service.name'] ?? packageJson.name,
        'service.instance.id': instanceId ?? given['service.instance.id'] ?? randomUUID(),
      },
      { schemaUrl },
    ),
  );
}

type Started = { provider: ApiMeterProvider; shutdown(): Promise<void> };

function startPrivately(resource: Resource, readers: IMetricReader[], settings: OtelSettings): Started {
  const provider = new MeterProvider({ resource, readers, sdkMetricsEnabled: settings.hasSdkMetrics });
  return { provider, shutdown: () => provider.shutdown() };
}

function startGlobally(resource: Resource, readers: IMetricReader[]): Started {
  const before = metrics.getMeterProvider();
  const sdk = new NodeSDK({
    resource,
    // What detectors would add is in the resource already, or, as the command line, must not be there.
    autoDetectResources: false,
    metricReaders: readers,
    // Without these it would begin to send traces and logs to localhost.
    spanProcessors: [],
    logRecordProcessors: [],
    textMapPropagator: null,
    instrumentations: [],
  });
  sdk.start();
  const provider = metrics.getMeterProvider();
  if (provider === before) {
    throw new Error(
      'a MeterProvider is registered in this process already; start with registerGlobally: false',
    );
  }
  return {
    provider,
    async shutdown() {
      await sdk.shutdown();
      // Else a later start in this process would be refused silently, and have no figures.
      metrics.disable();
      diag.disable();
    },
  };
}

/**
 * What the packages warn of goes to the log, above all that a backend has refused a part of what it has accepted, which is
 * no failure to them. The same thing is told once, until there is another.
 */
function tellWarnings(log: TelemetryLog): void {
  let last: string | undefined;
  const tell = (...said: unknown[]): void => {
    const text = format(...said).slice(0, WARNING_LENGTH);
    if (text === last) return;
    last = text;
    log.warn({}, `OpenTelemetry: ${text}`);
  };
  const silent = (): void => {};
  const logger = { error: tell, warn: tell, info: silent, debug: silent, verbose: silent };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

/** Of what a backend writes. */
const WARNING_LENGTH = 500;

/** Runs the end once, whoever asks and how often, and waits for it as long as each is willing to. */
function within(end: () => Promise<void>, log: TelemetryLog): (timeoutMs: number) => Promise<void> {
  let ending: Promise<'ended'> | undefined;
  return async (timeoutMs) => {
    ending ??= end().then(
      () => 'ended',
      (error: unknown) => {
        log.warn({ err: error }, 'telemetry did not end in order');
        return 'ended';
      },
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, 'late');
    });
    const outcome = await Promise.race([ending, late]);
    clearTimeout(timer);
    if (outcome === 'late')
      log.warn({ timeoutMs }, 'telemetry did not end in time; the last export may be missing');
  };
}
