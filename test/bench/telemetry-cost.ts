/**
 * What telemetry costs while many clients are connected and nothing happens:
 *
 * - one collection, by each reader and by all at once, with all three readers on (JSON, Prometheus, OTLP): its time and
 *   what it allocates. Measured inside a gateway process; its clients are real sockets of another process;
 * - a sampler's window and one scrape each five seconds as a share of a core: the gateway as it comes against one with a
 *   no-op in telemetry's place whose sampler rests, both idle with as many clients and over the same time, by the
 *   scheduler's own account, which the kernel keeps in nanoseconds.
 *
 * Pings are put off in all of them: they are the gateway's work, and a hundred times what is being looked for. Linux
 * only. Prints a table and one line of JSON.
 *
 *   node test/bench/telemetry-cost.ts [--connections 10000] [--seconds 60]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import type { MeterProvider } from '@opentelemetry/sdk-metrics';
import { pino } from 'pino';
import { parseSettings } from '../../src/config.ts';
import { Service } from '../../src/service.ts';
import { startTelemetry } from '../../src/telemetry/sdk.ts';
import { type Child, createTempFolder, startChild } from '../support/child.ts';
import { until } from '../support/until.ts';
import { ask } from './gateway-figures.ts';
import { startOtlpSink } from './otlp-sink.ts';
import { quantile } from './statistics.ts';

type Cost = { p50Ms: number; p99Ms: number; maxMs: number; allocatedKiB: number };
const collectors = ['JSON', 'scrape', 'OTLP', 'all three at once'] as const;
type Collections = Record<(typeof collectors)[number], Cost>;
/** Shares of a core. */
type Idle = { seconds: number; scrapes: number; withTelemetry: number; without: number };
export type TelemetryCost = { connections: number; collections: Collections; idle: Idle };

const targets = { collectionP99Ms: 2, idleShare: 0.0005 };
const WARM_UP = 60;
const ROUNDS = 300;
/** Between two rounds: as long as nobody would ask more often, and other work displaces caches. */
const PAUSE_MS = 10;
const SCRAPE_INTERVAL_MS = 5_000;
/** Garbage of the dialling is gone, and code is as optimised as it gets. */
const SETTLE_MS = 10_000;
const START_LIMIT_MS = 20_000;
const DIAL_LIMIT_MS = 120_000;

const idleEnv = { PORT: '0', TIDEGAUGE_PING_INTERVAL: '1h', TIDEGAUGE_LOG_LEVEL: 'info' };
const file = (name: string): string => join(import.meta.dirname, name);

/** The gateway that measures itself: waits for its clients, collects, says what it cost, and stays. */
async function measureInside(connections: number): Promise<void> {
  const log = pino({ base: null });
  const { settings, faults } = parseSettings(process.env);
  if (settings === undefined) throw new Error(faults.join('\n'));
  const telemetry = startTelemetry({ env: process.env, registerGlobally: false, log });
  const service = new Service({ settings, telemetry, log });
  await service.start();
  while (service.gateway.connections.size < connections) await wait(100);
  await wait(SETTLE_MS);
  const json = (): Promise<unknown> => telemetry.snapshot.collect();
  const scrape = (): Promise<unknown> => telemetry.scrape(undefined);
  const otlp = (): Promise<unknown> => (telemetry.meterProvider as MeterProvider).forceFlush();
  const collections: Collections = {
    JSON: await cost(json),
    scrape: await cost(scrape),
    OTLP: await cost(otlp),
    'all three at once': await cost(() => Promise.all([json(), scrape(), otlp()])),
  };
  if (service.gateway.connections.size !== connections) throw new Error('not all clients stayed');
  log.info({ collections }, 'measured');
}

/** Bytes allocated on the heap since the start; a figure of V8 that the types do not have yet. */
function allocatedBytes(): number {
  return (getHeapStatistics() as unknown as { total_allocated_bytes: number }).total_allocated_bytes;
}

async function cost(collect: () => Promise<unknown>): Promise<Cost> {
  const tookMs: number[] = [];
  let allocated = 0;
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    await wait(PAUSE_MS);
    const before = allocatedBytes();
    const startMs = performance.now();
    await collect();
    const endMs = performance.now();
    if (round < 0) continue;
    tookMs.push(endMs - startMs);
    allocated += allocatedBytes() - before;
  }
  return {
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    maxMs: Math.max(...tookMs),
    allocatedKiB: allocated / ROUNDS / 1024,
  };
}

type Gateway = { child: Child; url: string; said(message: string): Record<string, unknown> | undefined };

const folder = createTempFolder('telemetry-cost');
const children: Child[] = [];

async function start(name: string, args: string[], env: Record<string, string>): Promise<Child> {
  const { PATH = '', HOME = '' } = process.env;
  const child = await startChild(process.execPath, args, {
    logFile: join(folder.path, name),
    env: { PATH, HOME, ...env },
  });
  children.push(child);
  return child;
}

async function startGateway(
  name: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Gateway> {
  const child = await start(name, args, { ...idleEnv, ...env });
  const said = (message: string): Record<string, unknown> | undefined => {
    if (child.exit !== null) throw new Error(`${name} ended: ${child.log()}`);
    const lines = child.log().split('\n');
    const line = lines.find((one) => one.endsWith('}') && one.includes(`"msg":"${message}"`));
    return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>);
  };
  const { url } = await until(`${name} listens`, () => said('listening'), { timeoutMs: START_LIMIT_MS });
  return { child, url: url as string, said };
}

/** Another process, so that what the clients cost is not in any figure. */
async function connectClients(gateway: Gateway, connections: number): Promise<void> {
  const counts = ['--hold', '--connections', String(connections), '--port', new URL(gateway.url).port];
  const clients = await start(`clients of ${gateway.url.slice(-5)}`, [file('load-client.ts'), ...counts], {});
  await until(
    'all are connected',
    () => {
      if (clients.exit !== null) throw new Error(`the clients ended: ${clients.log()}`);
      return clients.log().includes('"ready"');
    },
    { timeoutMs: DIAL_LIMIT_MS },
  );
}

async function measureCollections(connections: number): Promise<Collections> {
  const sink = await startOtlpSink();
  const args = [...process.execArgv, import.meta.filename, '--inside', '--connections', String(connections)];
  const gateway = await startGateway('gateway', args, {
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    // It exports when it is told to.
    OTEL_METRIC_EXPORT_INTERVAL: '3600000',
  });
  await connectClients(gateway, connections);
  const limitMs = SETTLE_MS + collectors.length * (WARM_UP + ROUNDS) * (PAUSE_MS + 50);
  const { collections } = await until('it has measured', () => gateway.said('measured'), {
    timeoutMs: limitMs,
  });
  await endAll();
  if (sink.exports() < 2 * (WARM_UP + ROUNDS)) throw new Error(`${sink.exports()} exports arrived`);
  sink.stop();
  return collections as Collections;
}

/** CPU seconds of all threads, to the nanosecond: what the scheduler has given them. */
function scheduledSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce(
    (sum, thread) =>
      sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e9,
    0,
  );
}

async function measureIdle(connections: number, seconds: number): Promise<Idle> {
  const full = await startGateway('with telemetry', [file('../../src/main.ts')]);
  const bare = await startGateway('without', [file('peers/gateway-without-telemetry.ts')], {
    TIDEGAUGE_SAMPLE_INTERVAL: '60s',
  });
  await connectClients(full, connections);
  await connectClients(bare, connections);
  // Scraped from the start: the first few, which compile, are not what it costs for months.
  let scrapes = 0;
  const scraper = setInterval(() => {
    void ask(`${full.url}/metrics`).then(() => {
      scrapes += 1;
    });
  }, SCRAPE_INTERVAL_MS);
  await wait(4 * SCRAPE_INTERVAL_MS);
  const begin = {
    ms: performance.now(),
    scrapes,
    full: scheduledSeconds(full.child.pid),
    bare: scheduledSeconds(bare.child.pid),
  };
  await wait(seconds * 1000);
  const passed = (performance.now() - begin.ms) / 1000;
  const idle: Idle = {
    seconds: passed,
    scrapes: scrapes - begin.scrapes,
    withTelemetry: (scheduledSeconds(full.child.pid) - begin.full) / passed,
    without: (scheduledSeconds(bare.child.pid) - begin.bare) / passed,
  };
  clearInterval(scraper);
  await endAll();
  return idle;
}

async function endAll(): Promise<void> {
  await Promise.all(children.splice(0).map((child) => child.kill()));
}

export function renderTelemetryCost({ connections, collections, idle }: TelemetryCost): string {
  const ms = (value: number): string => value.toFixed(2);
  const percent = (share: number): string => `${(100 * share).toFixed(3)} %`;
  return [
    `${connections} idle connections`,
    '',
    '| collection | p50 ms | p99 ms | longest ms | allocated KiB |',
    '| --- | --- | --- | --- | --- |',
    ...collectors.map((name) => {
      const { p50Ms, p99Ms, maxMs, allocatedKiB } = collections[name];
      return `| ${name} | ${ms(p50Ms)} | ${ms(p99Ms)} | ${ms(maxMs)} | ${allocatedKiB.toFixed(0)} |`;
    }),
    '',
    `JSON is the collection alone (target: p99 under ${targets.collectionP99Ms} ms); the others make text or protobuf of it, and OTLP has the round trip of its request.`,
    '',
    `| over ${idle.seconds.toFixed(0)} s, ${idle.scrapes} scrapes | share of a core |`,
    '| --- | --- |',
    `| with telemetry | ${percent(idle.withTelemetry)} |`,
    `| without | ${percent(idle.without)} |`,
    `| difference (target: under ${percent(targets.idleShare)}) | ${percent(idle.withTelemetry - idle.without)} |`,
  ].join('\n');
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '10000' },
      seconds: { type: 'string', default: '60' },
      inside: { type: 'boolean', default: false },
    },
  });
  const connections = Number(values.connections);
  if (values.inside) {
    await measureInside(connections);
  } else {
    const collections = await measureCollections(connections);
    const result = { connections, collections, idle: await measureIdle(connections, Number(values.seconds)) };
    console.log(`${renderTelemetryCost(result)}\n\n${JSON.stringify(result)}`);
    folder.remove();
    process.exit(0);
  }
}
