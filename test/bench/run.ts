/**
 * One run: one contender under one workload, with a NATS server, a publisher and a load client of its own, all of
 * which end with it. Nothing of an earlier run is left over to help or to hurt.
 */
import { join } from 'node:path';
import { type Child, createTempFolder, startChild } from '../support/child.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { type Contender, type ContenderName, commonEnv, contenders } from './contenders.ts';
import {
  ask,
  askAccount,
  type GatewayAccount,
  type LoopWatch,
  scrapeEachSecond,
  watchLoop,
} from './gateway-figures.ts';
import type { Measured } from './load-client.ts';
import { type OtlpSink, startOtlpSink } from './otlp-sink.ts';
import type { Pinning } from './pinning.ts';
import type { Published } from './publisher.ts';
import { drawSubscriptions, expectedDeliveries } from './subscriptions.ts';
import type { Workload } from './workloads.ts';

export type RunOptions = {
  seconds: number;
  warmUpSeconds: number;
  memoryLimitMiB: number;
  pinning: Pinning;
  /** Where the server leaves a CPU profile, if it is to. */
  profile: { folder: string; name: string } | undefined;
};

export type Run = {
  contender: ContenderName;
  measured: Measured;
  published: Published;
  /** What the clients that read should have got in all: each published message, once for each that heard it. */
  expected: number;
  account: GatewayAccount | undefined;
  loop: LoopWatch | undefined;
  otlpExports: number | undefined;
  /** The core that the server was pinned to. */
  serverCore: number | undefined;
};

/** How long the publisher goes on beyond the window, so that its end is never in it. */
const PUBLISH_BEYOND_SECONDS = 1;
/** Enough marks for p99.9 in any window; more would only slow the load client down. */
const SAMPLES_PER_SECOND = 400_000;
const START_LIMIT_MS = 30_000;
const DIAL_LIMIT_MS = 120_000;
/** The drain that follows the window, and what a busy machine adds. */
const BEYOND_WINDOW_LIMIT_MS = 60_000;
const OTLP_INTERVAL_MS = 5_000;
const subject = 'public.bench';
const script = (name: string): string => join(import.meta.dirname, name);

export async function run(name: ContenderName, workload: Workload, options: RunOptions): Promise<Run> {
  const contender = contenders[name];
  const folder = createTempFolder('bench');
  const stops: (() => unknown)[] = [() => folder.remove()];
  const start = async (label: string, binary: string, args: string[], env = process.env): Promise<Child> => {
    const child = await startChild(binary, args, { logFile: join(folder.path, label), env });
    stops.push(() => child.stop(2_000));
    return child;
  };
  try {
    const nats = await startNatsServer({ monitoring: false });
    stops.push(() => nats.stop());
    const sink = name === 'telemetry-on' ? await startOtlpSink() : undefined;
    stops.push(() => sink?.stop());
    const sampleSeconds = options.seconds < 20 ? 1 : 5;
    const env = serverEnv(contender, workload, nats.url, sampleSeconds, sink);
    const node = contender.node();
    if ('missing' in node) throw new Error(node.missing);
    const { profile } = options;
    const profiling = profile
      ? ['--cpu-prof', '--cpu-prof-dir', profile.folder, '--cpu-prof-name', profile.name]
      : [];
    const server = await start(
      'server',
      ...options.pinning.serverCommand(node.path, [...profiling, contender.file]),
      env,
    );
    const url = String((await said(server, 'msg', 'listening', START_LIMIT_MS)).url);
    if (contender.hasFigures) await until('it is ready', () => ask(`${url}/readyz`));

    const load = await start('load', process.execPath, [
      script('load-client.ts'),
      ...loadArgs(contender, workload, options, { port: new URL(url).port, pid: server.pid }),
    ]);
    await said(load, 'event', 'ready', DIAL_LIMIT_MS);
    // From the warm-up on: the first answers have code compiled anew that until then had seen nothing but fan-out.
    const scrapes = name === 'telemetry-on' ? scrapeEachSecond(url) : undefined;
    stops.push(() => scrapes?.stop());
    const publishSeconds = options.warmUpSeconds + options.seconds + PUBLISH_BEYOND_SECONDS;
    const publisher = await start('publisher', process.execPath, [
      script('publisher.ts'),
      ...publisherArgs(workload, nats.port, publishSeconds),
    ]);
    const limitMs = publishSeconds * 1000 + BEYOND_WINDOW_LIMIT_MS;
    await said(load, 'event', 'window', limitMs);
    // The workload that asks what telemetry costs is asked for nothing else.
    const watch = contender.hasFigures && !scrapes ? watchLoop(url, sampleSeconds) : undefined;
    stops.push(() => watch?.stop());
    const measured = (await said(load, 'event', 'measured', limitMs)) as Measured;
    const loop = watch?.stop();
    scrapes?.stop();
    const published = measured.aborted
      ? { sent: 0, seconds: 0, ticks: 0, lateTicks: 0, heldUpTicks: 0 }
      : ((await said(publisher, 'event', 'published', limitMs)) as Published);
    const account = contender.hasFigures ? await askAccount(url) : undefined;
    return {
      contender: name,
      measured,
      published,
      expected: expectedOf(workload, published.sent),
      account,
      loop,
      otlpExports: sink?.exports(),
      serverCore: options.pinning.serverCore,
    };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

function serverEnv(
  contender: Contender,
  workload: Workload,
  natsUrl: string,
  sampleSeconds: number,
  sink: OtlpSink | undefined,
): Record<string, string> {
  const { PATH = '', HOME = '', NODE_PATH } = process.env;
  return {
    PATH,
    HOME,
    ...(NODE_PATH && { NODE_PATH }),
    ...commonEnv,
    PORT: '0',
    NATS_URL: natsUrl,
    TIDEGAUGE_SAMPLE_INTERVAL: `${sampleSeconds}s`,
    ...(sink && {
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${sink.url}/v1/metrics`,
      OTEL_METRIC_EXPORT_INTERVAL: String(OTLP_INTERVAL_MS),
      OTEL_METRIC_EXPORT_TIMEOUT: String(OTLP_INTERVAL_MS),
    }),
    ...contender.env,
    ...workload.env,
  };
}

function loadArgs(
  contender: Contender,
  workload: Workload,
  options: RunOptions,
  server: { port: string; pid: number },
): string[] {
  const perMessage = expectedOf(workload, 1_000) / 1_000;
  return flags({
    port: server.port,
    'server-pid': server.pid,
    connections: workload.connections,
    seconds: options.seconds,
    'warm-up': options.warmUpSeconds,
    channels: workload.channels?.channels ?? 0,
    subscriptions: workload.channels?.perClient ?? 0,
    subject,
    'slow-every': workload.slowEvery ?? 0,
    'sample-every': Math.max(1, Math.ceil((perMessage * workload.rate) / SAMPLES_PER_SECOND)),
    dialect: contender.dialect,
    greetings: contender.greetings,
    probe: contender.probe,
    'memory-limit': options.memoryLimitMiB,
  });
}

function publisherArgs(workload: Workload, port: number, seconds: number): string[] {
  const { rate, bytes, channels } = workload;
  return flags({ port, rate, seconds, bytes, subject, subjects: channels?.channels ?? 0 });
}

function flags(values: Record<string, string | number>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

function expectedOf({ connections, channels, slowEvery }: Workload, published: number): number {
  if (channels !== undefined) {
    return expectedDeliveries(drawSubscriptions(connections, channels), channels.channels, published);
  }
  return published * (connections - (slowEvery ? Math.floor(connections / slowEvery) : 0));
}

/** Waits for a line of JSON that says this; if the process ends without it, that is the error, with what it wrote. */
async function said(
  child: Child,
  field: 'msg' | 'event',
  word: string,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const mark = `"${field}":"${word}"`;
  const line = await until(
    `it says ${mark}`,
    () => {
      const found = child
        .log()
        .split('\n')
        .find((one) => one.includes(mark) && one.endsWith('}'));
      return found ?? (child.exit === null ? undefined : { log: child.log() });
    },
    { timeoutMs, everyMs: 50 },
  );
  if (typeof line !== 'string') throw new Error(`it ended before it said ${mark}:\n${line.log}`);
  return JSON.parse(line) as Record<string, unknown>;
}
