/**
 * The load client, a process of its own: dials, waits for the first published message, warms up, measures for a
 * while, then waits until nothing more comes. Everything about a window is read in one turn of its loop, the
 * server's CPU time included, so that deliveries and what they cost belong to the same time.
 *
 *   node test/bench/load-client.ts --port PORT [--connections N] [--seconds S] [--warm-up S]
 *     [--channels M --subscriptions K --subject public.bench] [--slow-every K] [--sample-every K]
 *     [--dialect plain|socket.io] [--greetings N] [--probe json|control] [--server-pid PID] [--memory-limit MIB]
 *     [--hold]
 *
 * Prints {"event":"ready"}, "window" and "measured", each a line of JSON, and holds the connections until SIGTERM.
 * With --hold it is only there: no window.
 */
import { parseArgs } from 'node:util';
import { monotonicMs } from './clock.ts';
import type { Dialect } from './frame-scanner.ts';
import { LatencyHistogram, type LatencySummary } from './histogram.ts';
import { Probe, type ProbeKind, type ProbeSummary } from './probe.ts';
import { coreShares, coreTicks, cpuSeconds, mainThreadSeconds, residentMiB } from './proc.ts';
import { Swarm } from './swarm.ts';

/** The last line of the load client. */
export type Measured = {
  seconds: number;
  /** In the window. */
  frames: number;
  payloadBytes: number;
  textFrames: number;
  binaryFrames: number;
  latency: LatencySummary;
  probe: ProbeSummary;
  /** CPU seconds of the server in the window, and its resident memory. */
  server: { cpuSeconds: number; mainThreadSeconds: number; beginMiB: number; endMiB: number; maxMiB: number };
  /** Of this process; near 1 it was the bottleneck, and the latencies are its own. */
  ownCpuShare: number;
  cores: { busy: number; stolen: number }[];
  /** Since the beginning, when nothing more came: clients that read, what they got in all, each at least and at most. */
  reading: { clients: number; frames: number; framesMin: number; framesMax: number };
  /** The server's own words, by type. */
  words: Record<string, number>;
  /** Clients whose connection the server ended, by close code. */
  ended: Record<string, number>;
  /** Why the window was cut short, if it was. */
  aborted: string | undefined;
};

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    connections: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
    'warm-up': { type: 'string', default: '1' },
    channels: { type: 'string', default: '0' },
    subscriptions: { type: 'string', default: '20' },
    subject: { type: 'string', default: 'public.bench' },
    'slow-every': { type: 'string', default: '0' },
    'sample-every': { type: 'string', default: '1' },
    dialect: { type: 'string', default: 'plain' },
    greetings: { type: 'string', default: '1' },
    probe: { type: 'string', default: 'json' },
    'server-pid': { type: 'string', default: String(process.pid) },
    'memory-limit': { type: 'string', default: '4096' },
    hold: { type: 'boolean', default: false },
  },
});

/** How often the server's memory is looked at, and whether anything still comes. */
const LOOK_INTERVAL_MS = 250;
/** Nothing for this long is the end of what comes; longer waits than the limit are not waited. */
const QUIET_MS = 1_000;
const DRAIN_LIMIT_MS = 5_000;
const FIRST_MESSAGE_LIMIT_MS = 15_000;

const serverPid = Number(values['server-pid']);
const memoryLimitMiB = Number(values['memory-limit']);
const channelCount = Number(values.channels);
const latency = new LatencyHistogram();
const swarm = new Swarm(
  {
    port: Number(values.port),
    connections: Number(values.connections),
    dialect: values.dialect as Dialect,
    greetings: Number(values.greetings),
    channels:
      channelCount === 0
        ? undefined
        : { subject: values.subject, channels: channelCount, perClient: Number(values.subscriptions) },
    slowEvery: Number(values['slow-every']),
    sampleEvery: Number(values['sample-every']),
  },
  latency,
  { pong: (client, start) => client.index === 0 && probe.answered(start) },
);
let probe: Probe;

function say(event: string, fields: object = {}): void {
  console.log(JSON.stringify({ event, ...fields }));
}

function instant() {
  return {
    atMs: monotonicMs(),
    counts: { ...swarm.counts },
    serverCpuSeconds: cpuSeconds(serverPid),
    serverMainSeconds: mainThreadSeconds(serverPid),
    ownCpuSeconds: cpuSeconds(process.pid),
    cores: coreTicks(),
    serverMiB: residentMiB(serverPid),
  };
}

/** Asks at each look whether it is over; answers false when the time ran out first. */
async function lookUntil(isOver: () => boolean, limitMs: number): Promise<boolean> {
  const deadlineMs = monotonicMs() + limitMs;
  while (!isOver()) {
    const leftMs = deadlineMs - monotonicMs();
    if (leftMs <= 0) return false;
    await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_INTERVAL_MS, leftMs)));
  }
  return true;
}

async function drained(): Promise<void> {
  let seen = swarm.counts.frames;
  let sinceMs = monotonicMs();
  await lookUntil(() => {
    const nowMs = monotonicMs();
    if (swarm.counts.frames !== seen) {
      seen = swarm.counts.frames;
      sinceMs = nowMs;
    }
    return nowMs - sinceMs >= QUIET_MS;
  }, DRAIN_LIMIT_MS);
}

function endedByCode(): Record<string, number> {
  const ended: Record<string, number> = {};
  for (const { closeCode } of swarm.clients) {
    if (closeCode !== undefined) ended[closeCode] = (ended[closeCode] ?? 0) + 1;
  }
  return ended;
}

async function measure(): Promise<Measured> {
  probe.start();
  if (!(await lookUntil(() => swarm.counts.frames > 0, FIRST_MESSAGE_LIMIT_MS))) {
    throw new Error('no published message arrived');
  }
  await lookUntil(() => false, Number(values['warm-up']) * 1000);
  say('window');
  const begin = instant();
  latency.clear();
  probe.beginWindow();
  let maxMiB = begin.serverMiB;
  const isCutShort = await lookUntil(() => {
    maxMiB = Math.max(maxMiB, residentMiB(serverPid));
    return maxMiB > memoryLimitMiB;
  }, Number(values.seconds) * 1000);
  const end = instant();
  const windowLatency = latency.summary();
  const windowProbe = probe.endWindow();
  if (!isCutShort) await drained();
  const reading = swarm.clients.filter(({ isSlow }) => !isSlow).map(({ frames }) => frames);
  const seconds = (end.atMs - begin.atMs) / 1000;
  return {
    seconds,
    frames: end.counts.frames - begin.counts.frames,
    payloadBytes: end.counts.payloadBytes - begin.counts.payloadBytes,
    textFrames: end.counts.textFrames - begin.counts.textFrames,
    binaryFrames: end.counts.binaryFrames - begin.counts.binaryFrames,
    latency: windowLatency,
    probe: windowProbe,
    server: {
      cpuSeconds: end.serverCpuSeconds - begin.serverCpuSeconds,
      mainThreadSeconds: end.serverMainSeconds - begin.serverMainSeconds,
      beginMiB: begin.serverMiB,
      endMiB: end.serverMiB,
      maxMiB: Math.max(maxMiB, end.serverMiB),
    },
    ownCpuShare: (end.ownCpuSeconds - begin.ownCpuSeconds) / seconds,
    cores: coreShares(begin.cores, end.cores),
    reading: {
      clients: reading.length,
      frames: reading.reduce((sum, frames) => sum + frames, 0),
      framesMin: reading.reduce((least, frames) => Math.min(least, frames), Number.POSITIVE_INFINITY),
      framesMax: reading.reduce((most, frames) => Math.max(most, frames), 0),
    },
    words: swarm.words,
    ended: endedByCode(),
    aborted: isCutShort ? `its resident memory went over ${memoryLimitMiB} MiB` : undefined,
  };
}

const startMs = monotonicMs();
await swarm.dial();
probe = new Probe(values.probe as ProbeKind, swarm.clients[0]!);
say('ready', { connections: swarm.clients.length, seconds: (monotonicMs() - startMs) / 1000 });
process.once('SIGTERM', () => {
  swarm.end();
  process.exit(0);
});
if (!values.hold) say('measured', await measure());
