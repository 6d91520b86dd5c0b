/**
 * What telemetry costs while many clients are connected and nothing happens:
 *
 * - one collection, by each reader and by all at once, with all three readers on (JSON, Prometheus, OTLP): its time and
 *   what it allocates. Measured inside a gateway process; its clients are real sockets of another process;
 * - a sampler's window and one scrape each five seconds as a share of a core: the gateway as it comes against one with a
 *   no-op in telemetry's place whose sampler rests, each idle with as many clients, by the scheduler's own account, which
 *   the kernel keeps in nanoseconds. The other is asked for /livez as often, too: what comes each five seconds finds the
 *   processor's caches full of other things, and costs several times what it does in a loop, whatever it is.
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
import type { MeterProvider } from '@opentelemetry/sdk-metrics';
import { pino } from 'pino';
import { parseSettings } from '../../src/config.ts';
import { Service } from '../../src/service.ts';
import { startTelemetry } from '../../src/telemetry/sdk.ts';
import { type Child, createTempFolder, startChild, untilUp } from '../support/child.ts';
import { ask } from './gateway-figures.ts';
import { startOtlpSink } from './otlp-sink.ts';
import { quantile } from './statistics.ts';

type Cost = { p50Ms: number; p99Ms: number; maxMs: number; allocatedKiB: number };
const collectors = ['JSON', 'scrape', 'OTLP', 'all three at once'] as const;
type Collections = Record<(typeof collectors)[number], Cost>;
type Idle = { seconds: number; requests: number; share: number };
/** With telemetry; and without it, with a request that needs none, and with none. */
type IdleShares = { scraped: Idle; probed: Idle; alone: Idle };

const targets = { collectionP99Ms: 2, idleShare: 0.0005 };
const WARM_UP = 60;
const ROUNDS = 300;
/** Between two rounds: as long as nobody would ask more often, and other work displaces caches. */
const PAUSE_MS = 10;
const REQUEST_INTERVAL_MS = 5_000;
/** Garbage of the dialling is gone, and code is as optimised as it gets. */
const SETTLE_MS = 10_000;
const START_LIMIT_MS = 20_000;
const DIAL_LIMIT_MS = 120_000;
const END_PAUSE_MS = 1_000;

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
  const json = () => telemetry.snapshot.collect();
  // Asked of V8 by two in one process, each would count what the other's questions add; so telemetry itself is asked.
  const allocated = async () => (await json()).value('tidegauge.v8.memory.allocated') ?? Number.NaN;
  const scrape = (): Promise<unknown> => telemetry.scrape(undefined);
  const otlp = (): Promise<unknown> => (telemetry.meterProvider as MeterProvider).forceFlush();
  const collections: Collections = {
    JSON: await cost(json, allocated),
    scrape: await cost(scrape, allocated),
    OTLP: await cost(otlp, allocated),
    'all three at once': await cost(() => Promise.all([json(), scrape(), otlp()]), allocated),
  };
  if (service.gateway.connections.size !== connections) throw new Error('not all clients stayed');
  log.info({ collections }, 'measured');
}

async function cost(collect: () => Promise<unknown>, allocatedBytes: () => Promise<number>): Promise<Cost> {
  const tookMs: number[] = [];
  let before = 0;
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    if (round === 0) before = await allocatedBytes();
    await wait(PAUSE_MS);
    const startMs = performance.now();
    await collect();
    if (round >= 0) tookMs.push(performance.now() - startMs);
  }
  const allocated = (await allocatedBytes()) - before;
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
    const lines = child.log().split('\n');
    const line = lines.find((one) => one.endsWith('}') && one.includes(`"msg":"${message}"`));
    return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>);
  };
  const { url } = await untilUp(child, `${name} listens`, () => said('listening'), {
    timeoutMs: START_LIMIT_MS,
  });
  return { child, url: url as string, said };
}

/** Another process, so that what the clients cost is not in any figure. */
async function connectClients(gateway: Gateway, connections: number): Promise<void> {
  const counts = ['--hold', '--connections', String(connections), '--port', new URL(gateway.url).port];
  const clients = await start(`clients of ${gateway.url.slice(-5)}`, [file('load-client.ts'), ...counts], {});
  await untilUp(clients, 'all are connected', () => clients.log().includes('"ready"'), {
    timeoutMs: DIAL_LIMIT_MS,
  });
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
  const { collections } = await untilUp(gateway.child, 'it has measured', () => gateway.said('measured'), {
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

/** Share of a core that a gateway takes with its clients idle, asked for `path` each five seconds, or left alone. */
async function measureIdle(gateway: Gateway, seconds: number, path: string | undefined): Promise<Idle> {
  // The first requests run code that is not optimised yet, which is not what they cost for months.
  for (let round = 0; path !== undefined && round < WARM_UP; round += 1) {
    await ask(`${gateway.url}${path}`);
    await wait(PAUSE_MS);
  }
  await wait(SETTLE_MS);
  const begin = { ms: performance.now(), cpu: scheduledSeconds(gateway.child.pid) };
  let requests = 0;
  while (performance.now() - begin.ms < seconds * 1000) {
    await wait(REQUEST_INTERVAL_MS);
    if (path === undefined) continue;
    await ask(`${gateway.url}${path}`);
    requests += 1;
  }
  const passed = (performance.now() - begin.ms) / 1000;
  const share = (scheduledSeconds(gateway.child.pid) - begin.cpu) / passed;
  return { seconds: passed, requests, share };
}

async function measureIdleShares(connections: number, seconds: number): Promise<IdleShares> {
  const full = await startGateway('with telemetry', [file('../../src/main.ts')]);
  await connectClients(full, connections);
  const scraped = await measureIdle(full, seconds, '/metrics');
  await endAll();
  const bare = await startGateway('without', [file('peers/gateway-without-telemetry.ts')], {
    TIDEGAUGE_SAMPLE_INTERVAL: '60s',
  });
  await connectClients(bare, connections);
  const probed = await measureIdle(bare, seconds, '/livez');
  const alone = await measureIdle(bare, seconds, undefined);
  await endAll();
  return { scraped, probed, alone };
}

/** In the order of their start, gateways first: who leaves first keeps the port for a minute, and clients need theirs. */
async function endAll(): Promise<void> {
  for (const child of children.splice(0)) {
    await child.kill();
    await wait(END_PAUSE_MS);
  }
}

function renderCollections(collections: Collections): string {
  const ms = (value: number): string => value.toFixed(2);
  return [
    '| collection | p50 ms | p99 ms | longest ms | allocated KiB |',
    '| --- | --- | --- | --- | --- |',
    ...collectors.map((name) => {
      const { p50Ms, p99Ms, maxMs, allocatedKiB } = collections[name];
      return `| ${name} | ${ms(p50Ms)} | ${ms(p99Ms)} | ${ms(maxMs)} | ${allocatedKiB.toFixed(0)} |`;
    }),
    '',
    `JSON is the collection alone (target: p99 under ${targets.collectionP99Ms} ms); the others make text or protobuf of`,
    'it, and OTLP has the round trip of its request.',
  ].join('\n');
}

function renderIdle({ scraped, probed, alone }: IdleShares): string {
  const percent = (share: number): string => `${(100 * share).toFixed(3)} %`;
  return [
    `| idle for ${alone.seconds.toFixed(0)} s | share of a core |`,
    '| --- | --- |',
    `| with telemetry, scraped ${scraped.requests} times | ${percent(scraped.share)} |`,
    `| without, asked for /livez ${probed.requests} times | ${percent(probed.share)} |`,
    `| without, left alone | ${percent(alone.share)} |`,
    `| what telemetry adds (target: under ${percent(targets.idleShare)}) | ${percent(scraped.share - alone.share)} |`,
    `| of which any request would | ${percent(probed.share - alone.share)} |`,
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
    const seconds = Number(values.seconds);
    const collections = await measureCollections(connections);
    console.log(`${connections} idle connections\n\n${renderCollections(collections)}\n`);
    const idle = await measureIdleShares(connections, seconds);
    console.log(renderIdle(idle));
    console.log(`\n${JSON.stringify({ connections, collections, ...idle })}`);
    folder.remove();
    process.exit(0);
  }
}
