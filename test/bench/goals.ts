/** What the bench should show, as claims with a bound each. They are computed from one bench, never remembered. */
import type { ContenderName } from './contenders.ts';
import type { Results } from './figures.ts';
import type { IdleResult } from './idle.ts';
import type { MatchingResult } from './in-process/matching.ts';
import type { TrackingResult } from './in-process/tracking.ts';
import { median } from './statistics.ts';
import { overloads } from './workloads.ts';

export type Goal = {
  text: string;
  value: number;
  bound: string;
  /** Undefined: not measured in this bench. */
  isMet: boolean | undefined;
};

export type InProcessResults = {
  matching: MatchingResult[];
  tracking: TrackingResult[];
};

const ours = 'tidegauge';
/** Memory is flat when a window ends with at most this much of what it began with. */
const FLAT = 1.2;

function atMost(text: string, value: number, most: number): Goal {
  return { text, value, bound: `at most ${most}`, isMet: Number.isNaN(value) ? undefined : value <= most };
}

function exactly(text: string, value: number, wanted: number): Goal {
  return {
    text,
    value,
    bound: `exactly ${wanted}`,
    isMet: Number.isNaN(value) ? undefined : value === wanted,
  };
}

const at = (workload: string, contender: ContenderName = ours) => ({ workload, contender });

function sustained(results: Results, rate: number): Goal[] {
  const name = `fanout-1000x${rate}`;
  const ratio = (figure: 'p99Ms' | 'cpuMicrosPerDelivery', peer: ContenderName): number =>
    results.ratio(figure, at(name), at(name, peer));
  return [
    atMost(`${name}: cores of CPU`, results.median(name, ours, 'cpuCores'), 0.8),
    exactly(`${name}: deliveries missing or dropped`, losses(results, name), 0),
    atMost(
      `${name}: memory at the end / at the beginning`,
      results.worst(name, ours, 'residentGrowth'),
      FLAT,
    ),
    atMost(`${name}: p99 / forty lines paced`, ratio('p99Ms', 'forty-paced'), 1.25),
    atMost(
      `${name}: CPU per delivery / forty lines paced`,
      ratio('cpuMicrosPerDelivery', 'forty-paced'),
      1.1,
    ),
  ];
}

/** Undelivered in any round, or dropped by the gateway's own account. */
function losses(results: Results, workload: string): number {
  return Math.abs(results.worst(workload, ours, 'undelivered')) + results.worst(workload, ours, 'dropped');
}

function manyClients(results: Results, rate: number): Goal[] {
  const name = `fanout-10000x${rate}`;
  return [
    exactly(`${name}: deliveries missing or dropped`, losses(results, name), 0),
    atMost(`${name}: event-loop delay p99, ms`, results.worst(name, ours, 'loopP99Ms'), 20),
    atMost(`${name}: pong p99, ms`, results.median(name, ours, 'pongP99Ms'), 250),
  ];
}

function slowClients(results: Results, policy: string): Goal[] {
  const name = `slow-${policy}`;
  const change = results.ratio('p99Ms', at(name), at('fanout-1000x2000'));
  return [
    atMost(`${name}: p99 of the others / without slow ones`, change, 1.2),
    exactly(
      `${name}: deliveries to the others that are missing`,
      results.worst(name, ours, 'undelivered'),
      0,
    ),
    exactly(`${name}: matched - sent - queued - dropped`, results.worst(name, ours, 'unaccounted'), 0),
  ];
}

export function goals(results: Results, idle: readonly IdleResult[], inProcess: InProcessResults): Goal[] {
  const cpu = 'cpuMicrosPerDelivery';
  const idleKiB = idle
    .filter(({ server, connections }) => server === 'tidegauge' && connections >= 16_000)
    .map(({ perConnectionKiB }) => perConnectionKiB);
  const hubUs = inProcess.matching.map(({ hub }) => hub.differenceUs);
  const tracked = inProcess.tracking.map(({ bytesPerConnection }) => bytesPerConnection);
  return [
    ...[1_000, 2_000, 4_000].flatMap((rate) => sustained(results, rate)),
    atMost('fanout-1000x4000: p99, ms', results.median('fanout-1000x4000', ours, 'p99Ms'), 100),
    atMost(
      'fanout-1000x1000: CPU per delivery / uWebSockets',
      results.ratio(cpu, at('fanout-1000x1000'), at('fanout-1000x1000', 'uws')),
      1,
    ),
    atMost(
      'fanout-1000x1000: deliveries/s of bare ws / those asked for',
      results.median('fanout-1000x1000', 'ws-send', 'deliveriesPerSecond') / 1e6,
      0.5,
    ),
    ...[10, 100, 400].flatMap((rate) => manyClients(results, rate)),
    atMost(
      'CPU per delivery, 10,000 clients / 1,000 clients, at 1 M deliveries/s',
      results.ratio(cpu, at('fanout-10000x100'), at('fanout-1000x1000')),
      1.3,
    ),
    atMost(
      'CPU per delivery, telemetry on / off',
      results.ratio(cpu, at('telemetry', 'telemetry-on'), at('telemetry', 'telemetry-off')),
      1.01,
    ),
    atMost('idle: KiB of resident memory a connection, at 16,000', median(idleKiB), 8),
    atMost('tracking: bytes of heap a connection', median(tracked), 512),
    atMost(
      'CPU per delivery, Zipf subscriptions / all hear all, at 0.5 M deliveries/s',
      results.ratio(cpu, at('zipf-1000x20'), at('fanout-1000x500')),
      2,
    ),
    atMost('matching: us a message more with 100,000 subscriptions than with 100', median(hubUs), 2),
    ...['disconnect', 'drop', 'conflate'].flatMap((policy) => slowClients(results, policy)),
    ...overloads.flatMap((name) => [
      atMost(`${name}: event-loop delay p99, ms`, results.worst(name, ours, 'loopP99Ms'), 500),
      atMost(
        `${name}: memory at the end / at the beginning`,
        results.worst(name, ours, 'residentGrowth'),
        FLAT,
      ),
      exactly(`${name}: matched - sent - queued - dropped`, results.worst(name, ours, 'unaccounted'), 0),
    ]),
  ];
}
