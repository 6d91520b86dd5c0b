/**
 * `npm run demo` keeps its promise: whatever can move in the gateway's figures without a fault does so within
 * seconds, and nothing is left behind when the gateway ends, in whatever way.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { parseText } from '../support/openmetrics.ts';
import { scrapeText, summed, valuesOf } from '../support/series.ts';
import { until } from '../support/until.ts';

/** Some 15 s, and what a busy machine adds. */
const moveTimeoutMs = 30_000;

/** Series of the gateway and the bus that stay at 0 in the demo, each with its reason. */
const still: Readonly<Record<string, string>> = {
  tidegauge_handshake_active: 'a handshake takes less than a millisecond: seldom seen',
  tidegauge_drain_remaining: 'nobody drains',
  tidegauge_gaps_total: 'no outage',
  tidegauge_bus_gaps_total: 'no outage',
  tidegauge_bus_reconnects_total: 'no outage',
  tidegauge_bus_disconnects_total: 'no outage',
  tidegauge_bus_refused: 'the bus in memory refuses nothing',
  tidegauge_bus_pending_bytes: 'the bus in memory takes everything at once: seldom seen',
  tidegauge_flush_pending: 'a message waits for less than a millisecond: seldom seen',
  tidegauge_flush_lag_seconds: 'as above',
  tidegauge_deliveries_queued: 'a slow consumer takes megabytes that the kernel holds for it',
  tidegauge_deliveries_dropped_total: 'as above',
  tidegauge_send_queue_usage_bytes: 'as above',
  tidegauge_send_queue_max_bytes: 'as above',
  tidegauge_send_queue_congested: 'as above',
  tidegauge_ready_ratio: 'it is ready',
  tidegauge_ledger_drift: 'there is no bug',
};

/** Those of them that a lucky scrape may find above 0. */
const seldomSeen = /seldom seen|as above/;

const closeReasonsSeen = ['normal', 'client_error', 'no_close_frame', 'ping_timeout'];
const rejectionsSeen = ['not_found'];
const messageErrorsSeen = ['malformed', 'forbidden', 'bad_channel'];

describe('the demo', () => {
  test('is what npm run demo starts', () => {
    const file = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
    const { scripts } = JSON.parse(file) as { scripts: Record<string, string> };
    assert.equal(scripts.demo, 'node src/main.ts --demo');
  });

  test('moves every figure of gateway and bus that can move', { timeout: 60_000 }, async () => {
    const gateway = await startDemo({
      // Else the first ping would come after 25 s.
      TIDEGAUGE_PING_INTERVAL: '500ms',
      TIDEGAUGE_PONG_TIMEOUT: '500ms',
    });
    try {
      let notMoved: string[] = [];
      await until(
        'everything has moved',
        async () => {
          notMoved = unmoved(await scrapeText(gateway));
          return notMoved.length === 0;
        },
        { timeoutMs: moveTimeoutMs, everyMs: 250 },
      ).catch(() => assert.fail(`not moved: ${notMoved.join(', ')}`));
      const text = await scrapeText(gateway);
      const values = valuesOf(parseText(text).flatMap(({ samples }) => samples));
      for (const [name, reason] of Object.entries(still)) {
        const sum = summed(values, name);
        assert.ok(sum === 0 || seldomSeen.test(reason), `${name} is ${sum}, though ${reason}`);
      }
    } finally {
      await gateway.stop();
    }
  });

  const withoutProc = process.platform === 'linux' ? false : 'needs /proc to find a process by its parent';
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
    test(`ends with a gateway that is ended by ${signal}`, { skip: withoutProc }, async () => {
      const gateway = await startDemo({});
      try {
        const demo = await until('the process of the demo', () => childOf(gateway.child.pid));
        await until('its clients', async () =>
          /^tidegauge_connection_active 12$/m.test(await scrapeText(gateway)),
        );
        gateway.child.signal(signal);
        const exit = await gateway.child.exited;
        assert.deepEqual(exit, signal === 'SIGKILL' ? { code: null, signal } : { code: 0, signal: null });
        await until('the demo is gone', () => !isDemo(demo), { timeoutMs: 5_000 });
      } finally {
        await gateway.stop();
      }
    });
  }
});

function startDemo(env: Record<string, string>): Promise<GatewayProcess> {
  return startGateway(env, ['--demo']);
}

/** What should have moved and has not: names of series, or of labels within them. */
function unmoved(text: string): string[] {
  const families = parseText(text);
  const values = valuesOf(families.flatMap(({ samples }) => samples));
  const ours = families
    .map(({ name, type }) => (type === 'histogram' ? `${name}_count` : name))
    .filter((name) => /^(?:tidegauge_|messaging_)/.test(name) && !isOfTheProcess(name));
  const labelled = [
    ...labels('tidegauge_connection_closed_total', 'tidegauge_close_reason', closeReasonsSeen),
    ...labels('tidegauge_handshake_rejections_total', 'error_type', rejectionsSeen),
    ...labels('tidegauge_messages_rejected_total', 'error_type', messageErrorsSeen),
    ...labels('tidegauge_messages_total', 'network_io_direction', ['receive', 'transmit']),
    ...labels('tidegauge_control_frames_total', 'tidegauge_control_frame_type', ['ping', 'pong', 'close']),
  ];
  const histograms = ['fanout_duration_seconds', 'ping_duration_seconds', 'connection_duration_seconds'];
  return [
    ...ours.filter((name) => !(name in still) && summed(values, name) === 0),
    ...labelled.filter(([name, label]) => summed(values, name, label) === 0).map((one) => one.join(' ')),
    ...histograms
      .map((name) => `tidegauge_${name}_count`)
      .filter((name) => ![...values.keys()].some((key) => key.startsWith(`${name}{`))),
  ];
}

/** Figures that move, or not, for reasons of the machine. */
function isOfTheProcess(name: string): boolean {
  return /^tidegauge_(?:process|v8|go|cpu|container|telemetry|sampler)_/.test(name);
}

function labels(name: string, label: string, values: readonly string[]): [string, string][] {
  return values.map((value) => [name, `${label}="${value}"`]);
}

/** The first child of a process. */
async function childOf(pid: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.split(' ')[0]) || undefined;
}

function isDemo(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('demo.ts');
  } catch {
    return false;
  }
}
