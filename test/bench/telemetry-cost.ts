/**
 * What telemetry costs while many clients are connected and nothing happens:
 *
 * - one collection, by each reader and by all at once, with all three readers on (JSON, Prometheus, OTLP): its time and
 *   what it allocates. Measured inside a gateway process; its clients are real sockets of another process. Beside the
 *   time on the clock stands the thread's own CPU time, which has no waiting for a busy or stolen core in it. The peer is
 *   the scrape of prom-client's default metrics, a tenth of our series, in the same process. And what becomes of the
 *   processor's caches between two collections, by memory alone;
 * - a sampler's window and one scrape each five seconds as a share of a core: the gateway as it comes beside one with a
 *   no-op in telemetry's place and without windows or looks at the event loop, both idle with as many clients in the
 *   same five seconds, by the scheduler's own account, which the kernel keeps in nanoseconds. In some windows the
 *   other is asked for /livez, and Node's own HTTP server for a word: what comes each five seconds finds the processor's
 *   caches full of other things, and costs several times what it does in a loop, whatever it is. Medians of windows, how
 *   sure those are (neighbours on the machine make fifteen of them scatter by a third), and means. For some minutes after
 *   the dialling V8 clears up, and for a quarter of an hour it compiles what runs once a second only; those windows are
 *   told apart from the others, which are what it costs for months. The peer is a process with no client at all that has the
 *   default metrics of prom-client and is scraped as well: what it takes more than Node's own HTTP server left alone.
 *
 * The peers are there where prom-client is found.
 *
 * Pings are put off in all of them: they are the gateway's work, and a hundred times what is being looked for. Linux
 * only. Prints a table and one line of JSON.
 *
 *   node test/bench/telemetry-cost.ts [--connections 10000] [--seconds 240]
 *
 * The seconds come after a quarter of an hour of settling; with more than 600 of them the first pings are due.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { parseSettings } from '../../src/config.ts';
import { Service } from '../../src/service.ts';
import { startTelemetry } from '../../src/telemetry/sdk.ts';
import { type Child, createTempFolder, startChild, untilUp } from '../support/child.ts';
import { CACHE_PROBE_KIB, CACHE_PROBE_PAUSE_MS, type CacheProbe, probeCaches } from './cache-probe.ts';
import { ask } from './gateway-figures.ts';
import { numbersGiven } from './options.ts';
import { startOtlpSink } from './otlp-sink.ts';
import { findPromClient } from './peers/prom-client-package.ts';
import { type Pinning, pin, usualCores } from './pinning.ts';
import { median, medianBounds, quantile } from './statistics.ts';

type Cost = {
  /** One after the other: all that it goes through is in the processor's caches. */
  loopP50Ms: number;
  loopP99Ms: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  cpuP50Ms: number;
  cpuP99Ms: number;
  allocatedKiB: number;
};
const collectors = ['JSON', 'scrape', 'OTLP', 'all three at once', 'prom-client'] as const;
type Collections = Partial<Record<(typeof collectors)[number], Cost>>;
/** The median of the windows, between which of them it lies but for one time in twenty, and their mean. */
type Share = { median: number; low: number; high: number; mean: number };
/** Of a core, in windows of five seconds: `added` is what telemetry adds where the other was left alone. */
const idleShares = ['scraped', 'probed', 'alone', 'added', 'bareAsked', 'bareAlone', 'addedByPeer'] as const;
type IdleWindows = Record<(typeof idleShares)[number], number[]>;
type IdleShares = { windows: number; addedWhileSettling: Share } & Record<(typeof idleShares)[number], Share>;

const targets = { collectionP99Ms: 2, idleShare: 0.0005 };
/**
 * Without pauses, until nothing is compiled any more: the compiler works beside the main thread and takes its core for
 * milliseconds, which is not what a collection costs for months.
 */
const WARM_UP = 5_000;
const WARM_UP_REQUESTS = 5_000;
/** Fewer, for it lists all descriptors and resources each time. */
const WARM_UP_PEER = 1_000;
const ROUNDS = 1_000;
/** Between two rounds: nobody would ask more often, and other work displaces what is in the caches. */
const PAUSE_MS = 10;
const WINDOW_MS = 5_000;
/** Of so many windows one has a request to those that nobody asks in the others. */
const PROBED_OF = 4;
/** What was posted meanwhile is done. */
const SETTLE_MS = 10_000;
/**
 * With --trace-gc the last collections that V8 makes without need come 100 and 210 s after the start. With --trace-opt it
 * compiles four functions a minute in the first ten minutes, which grow fewer after that.
 */
const SETTLING_MS = 900_000;
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
  const caches = probeCaches();
  const json = () => telemetry.snapshot.collect();
  // Asked of V8 by two in one process, each would count what the other's questions add; so telemetry itself is asked.
  const allocated = async () => (await json()).value('tidegauge.v8.memory.allocated') ?? Number.NaN;
  const scrape = (): Promise<unknown> => telemetry.scrape(undefined);
  const otlp = (): Promise<unknown> => telemetry.forceFlush();
  const collections: Collections = {
    JSON: await cost(json, allocated),
    scrape: await cost(scrape, allocated),
    OTLP: await cost(otlp, allocated),
    'all three at once': await cost(() => Promise.all([json(), scrape(), otlp()]), allocated),
  };
  // Last, for it wakes the loop a hundred times a second from here on.
  const peer = findPromClient();
  if (peer !== undefined) {
    peer.collectDefaultMetrics();
    collections['prom-client'] = await cost(() => peer.register.metrics(), allocated, WARM_UP_PEER);
  }
  if (service.gateway.connections.size !== connections) throw new Error('not all clients stayed');
  log.info({ collections, caches }, 'measured');
}

async function cost(
  collect: () => Promise<unknown>,
  allocatedBytes: () => Promise<number>,
  warmUp = WARM_UP,
): Promise<Cost> {
  const tookMs: number[] = [];
  const cpuMs: number[] = [];
  const loopMs: number[] = [];
  for (let round = 0; round < warmUp; round += 1) {
    const startMs = performance.now();
    await collect();
    loopMs.push(performance.now() - startMs);
    await setImmediate();
  }
  const before = await allocatedBytes();
  for (let round = 0; round < ROUNDS; round += 1) {
    await wait(PAUSE_MS);
    const startMs = performance.now();
    const startCpuMs = threadCpuMs();
    await collect();
    const cpu = threadCpuMs() - startCpuMs;
    tookMs.push(performance.now() - startMs);
    cpuMs.push(cpu);
  }
  const allocated = (await allocatedBytes()) - before;
  return {
    loopP50Ms: quantile(loopMs.slice(-ROUNDS), 0.5),
    loopP99Ms: quantile(loopMs.slice(-ROUNDS), 0.99),
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    maxMs: Math.max(...tookMs),
    cpuP50Ms: quantile(cpuMs, 0.5),
    cpuP99Ms: quantile(cpuMs, 0.99),
    allocatedKiB: allocated / ROUNDS / 1024,
  };
}

/** The kernel brings a thread's account up to date when the whole process is asked for; else it is that of the last tick. */
function threadCpuMs(): number {
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

type Gateway = { child: Child; url: string; said(message: string): Record<string, unknown> | undefined };

const folder = createTempFolder('telemetry-cost');
let pinning: Pinning;
const children: Child[] = [];

async function start(
  name: string,
  [binary, args]: [binary: string, args: string[]],
  env: Record<string, string>,
): Promise<Child> {
  const { PATH = '', HOME = '', NODE_PATH = '' } = process.env;
  const child = await startChild(binary, args, {
    logFile: join(folder.path, name),
    env: { PATH, HOME, NODE_PATH, ...env },
  });
  children.push(child);
  return child;
}

async function startGateway(
  name: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Gateway> {
  const child = await start(name, pinning.looseCommand(process.execPath, args), { ...idleEnv, ...env });
  const said = (message: string): Record<string, unknown> | undefined => {
    const lines = child.log().split('\n');
    const line = lines.find((one) => one.endsWith('}') && one.includes(`"msg":"${message}"`));
    return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>);
  };
  const { url } = await untilUp(child, `${name} listens`, () => said('listening'), {
    timeoutMs: START_LIMIT_MS,
  });
  pinning.pinMainThread(child.pid);
  return { child, url: url as string, said };
}

/** Another process, so that what the clients cost is not in any figure. */
async function connectClients(gateway: Gateway, connections: number): Promise<void> {
  const counts = ['--hold', '--connections', String(connections), '--port', new URL(gateway.url).port];
  const name = `clients of ${gateway.url.slice(-5)}`;
  const clients = await start(name, [process.execPath, [file('load-client.ts'), ...counts]], {});
  await untilUp(clients, 'all are connected', () => clients.log().includes('"ready"'), {
    timeoutMs: DIAL_LIMIT_MS,
  });
}

async function measureCollections(
  connections: number,
): Promise<{ collections: Collections; caches: CacheProbe }> {
  const sink = await startOtlpSink();
  const args = [...process.execArgv, import.meta.filename, '--inside', '--connections', String(connections)];
  const gateway = await startGateway('gateway', args, {
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    // It exports when it is told to.
    OTEL_METRIC_EXPORT_INTERVAL: '3600000',
  });
  await connectClients(gateway, connections);
  const limitMs = SETTLE_MS + collectors.length * (WARM_UP * 20 + ROUNDS * (PAUSE_MS + 50));
  const { collections, caches } = await untilUp(
    gateway.child,
    'it has measured',
    () => gateway.said('measured'),
    {
      timeoutMs: limitMs,
    },
  );
  await endAll();
  if (sink.exports() < 2 * (WARM_UP + ROUNDS)) throw new Error(`${sink.exports()} exports arrived`);
  sink.stop();
  return { collections: collections as Collections, caches: caches as CacheProbe };
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

/** Until nothing is compiled any more, for that goes on beside the main thread and would be counted. */
async function warmUp(gateway: Gateway, path: string): Promise<void> {
  for (let request = 0; request < WARM_UP_REQUESTS; request += 1) await ask(`${gateway.url}${path}`);
}

async function measureIdleShares(connections: number, seconds: number): Promise<IdleShares> {
  const full = await startGateway('with telemetry', [file('../../src/main.ts')]);
  const bare = await startGateway('without', [file('peers/gateway-without-telemetry.ts')]);
  await connectClients(full, connections);
  await connectClients(bare, connections);
  const floor = await startGateway('bare http', [file('peers/bare-http.ts')]);
  const peer = findPromClient()
    ? await startGateway('prom-client', [file('peers/prom-client.ts')])
    : undefined;
  await warmUp(full, '/metrics');
  await warmUp(bare, '/livez');
  await warmUp(floor, '/');
  if (peer !== undefined) await warmUp(peer, '/metrics');
  await wait(SETTLE_MS);
  const idle = { full, bare, floor, peer };
  const early = await measureWindows(idle, SETTLING_MS / WINDOW_MS);
  const windows = Math.max(PROBED_OF, Math.round((seconds * 1000) / WINDOW_MS));
  const shares = await measureWindows(idle, windows);
  await endAll();
  const told = idleShares.map((name) => [name, share(shares[name])]);
  return {
    windows,
    addedWhileSettling: share(early.added),
    ...(Object.fromEntries(told) as Record<(typeof idleShares)[number], Share>),
  };
}

type Idle = Record<'full' | 'bare' | 'floor', Gateway> & { peer: Gateway | undefined };

async function measureWindows({ full, bare, floor, peer }: Idle, windows: number): Promise<IdleWindows> {
  const processes = [full, bare, floor, ...(peer === undefined ? [] : [peer])];
  const shares = Object.fromEntries(idleShares.map((name) => [name, []])) as unknown as IdleWindows;
  for (let window = 0; window < windows; window += 1) {
    const isProbed = window % PROBED_OF === PROBED_OF - 1;
    const beginMs = performance.now();
    const before = processes.map(({ child }) => scheduledSeconds(child.pid));
    for (const scraped of [full, peer]) if (scraped !== undefined) await ask(`${scraped.url}/metrics`);
    if (isProbed) for (const { url } of [bare, floor]) await ask(`${url}/livez`);
    await wait(beginMs + WINDOW_MS - performance.now());
    const passed = (performance.now() - beginMs) / 1000;
    const [withTelemetry = 0, without = 0, bareHttp = 0, withPeer] = processes.map(
      ({ child }, index) => (scheduledSeconds(child.pid) - (before[index] ?? 0)) / passed,
    );
    shares.scraped.push(withTelemetry);
    (isProbed ? shares.probed : shares.alone).push(without);
    (isProbed ? shares.bareAsked : shares.bareAlone).push(bareHttp);
    if (isProbed) continue;
    shares.added.push(withTelemetry - without);
    if (withPeer !== undefined) shares.addedByPeer.push(withPeer - bareHttp);
  }
  return shares;
}

/** NaN of nothing. */
function share(windows: number[]): Share {
  const [low, high] = medianBounds(windows);
  return {
    median: median(windows),
    low,
    high,
    mean: windows.reduce((sum, one) => sum + one, 0) / windows.length,
  };
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
    '| collection | in a loop, p50 ms | p99 ms | with pauses, p50 ms | p99 ms | longest ms | CPU p50 ms | CPU p99 ms | allocated KiB |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...Object.entries(collections).map(
      ([name, { loopP50Ms, loopP99Ms, p50Ms, p99Ms, maxMs, cpuP50Ms, cpuP99Ms, allocatedKiB }]) => {
        const times = [loopP50Ms, loopP99Ms, p50Ms, p99Ms, maxMs, cpuP50Ms, cpuP99Ms].map(ms).join(' | ');
        return `| ${name} | ${times} | ${allocatedKiB.toFixed(0)} |`;
      },
    ),
    '',
    `JSON is the collection alone (target: p99 under ${targets.collectionP99Ms} ms); the others make text or protobuf of`,
    'it, and OTLP has the round trip of its request.',
    ...renderRatio(collections),
  ].join('\n');
}

/** What the machine does to the one in that minute, it does to the other. */
function renderRatio({ scrape, 'prom-client': peer }: Collections): string[] {
  if (scrape === undefined || peer === undefined) return [];
  const [p50, p99] = [scrape.p50Ms / peer.p50Ms, scrape.p99Ms / peer.p99Ms].map((one) => one.toFixed(3));
  return ['', `Our scrape takes ${p50} times what prom-client's takes at p50, ${p99} at p99.`];
}

function renderCaches({ atOnceNs, afterPauseNs }: CacheProbe): string {
  return [
    `A line of ${CACHE_PROBE_KIB} KiB takes ${atOnceNs.toFixed(0)} ns right after it was used, and ${afterPauseNs.toFixed(0)} ns ${CACHE_PROBE_PAUSE_MS} ms later: where these differ, others`,
    'use the same caches, and times with pauses before them are those of a shared machine.',
  ].join('\n');
}

function renderIdle(idle: IdleShares): string {
  const { windows, scraped, probed, alone, added, bareAsked, bareAlone, addedByPeer } = idle;
  const settling = `and in the ${SETTLING_MS / 60_000} minutes before all of them, while V8 clears up and compiles`;
  const percent = (value: number): string => `${(100 * value).toFixed(3)} %`;
  const row = (name: string, { median, low, high, mean }: Share): string => {
    const bounds = Number.isNaN(low) ? '' : `${percent(low)} to ${percent(high)}`;
    return `| ${name} | ${percent(median)} | ${bounds} | ${percent(mean)} |`;
  };
  const less = (one: Share, other: Share): Share => ({
    median: one.median - other.median,
    low: Number.NaN,
    high: Number.NaN,
    mean: one.mean - other.mean,
  });
  return [
    `| share of a core, idle, in ${windows} windows of ${WINDOW_MS / 1000} s | median | 95 % sure | mean |`,
    '| --- | --- | --- | --- |',
    row('with telemetry, scraped in each', scraped),
    row(`without, asked for /livez in one window of ${PROBED_OF}`, probed),
    row('without, left alone in the others', alone),
    row(`what telemetry adds in those (target: under ${percent(targets.idleShare)})`, added),
    row(settling, idle.addedWhileSettling),
    row('of what it adds, any request to us would', less(probed, alone)),
    row("and one to Node's own HTTP server, which says `ok`", less(bareAsked, bareAlone)),
    ...(Number.isNaN(addedByPeer.mean)
      ? []
      : [
          row('what the default metrics of prom-client add', addedByPeer),
          '',
          `Telemetry adds ${(added.median / addedByPeer.median).toFixed(3)} times that (median).`,
        ]),
  ].join('\n');
}

if (import.meta.main) {
  const presets = { connections: 10_000, seconds: 240 };
  const { connections, seconds, inside } = numbersGiven('npm run bench:telemetry', presets);
  if (inside) {
    await measureInside(connections);
  } else {
    pinning = pin(usualCores.server, usualCores.load, true);
    const { collections, caches } = await measureCollections(connections);
    const helpers = pinning.serverCore === undefined ? '' : "; V8's helpers on both";
    console.log(`${connections} idle connections; ${pinning.what}${helpers}\n`);
    console.log(`${renderCollections(collections)}\n\n${renderCaches(caches)}\n`);
    const idle = await measureIdleShares(connections, seconds);
    console.log(renderIdle(idle));
    console.log(`\n${JSON.stringify({ connections, collections, caches, ...idle })}`);
    folder.remove();
    process.exit(0);
  }
}
