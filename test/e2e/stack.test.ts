/** `npm run stack` keeps its promise: figures arrive in Prometheus, everything ends together, and nothing is left. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { ruleFiles } from '../../grafana/alerts/rules.ts';
import { type Child, createTempFolder, startChild, untilUp } from '../support/child.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';

const root = join(import.meta.dirname, '../..');
const readyTimeoutMs = 60_000;

type Stack = { child: Child; prometheusUrl: string; gatewayUrl: string; folder: string };

test('the stack is what npm run stack starts', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  assert.equal(scripts.stack, 'node otel/stack.ts');
});

describe('the stack', { skip: await skipWithout('prometheus', 'otelcol') }, () => {
  test('shows moving figures, and SIGINT ends all of it', async () => {
    const { child, prometheusUrl, folder } = await startStack();
    const delivered = 'sum(tidegauge_deliveries_sent_total{job="tidegauge"})';
    const options = { timeoutMs: 30_000, everyMs: 100 };
    const first = await until('deliveries', () => query(prometheusUrl, delivered), options);
    const isMore = async (): Promise<boolean> => ((await query(prometheusUrl, delivered)) ?? 0) > first;
    await until('more of them', isMore, options);
    const queue = 'sum(otelcol_exporter_queue_capacity)';
    await until("the collector's own figures", () => query(prometheusUrl, queue), options);
    assert.deepEqual(await ruleFilesOf(prometheusUrl), Object.keys(ruleFiles()).sort());
    await endsWith(child, 'SIGINT');
    assert.equal(existsSync(folder), false);
  });

  test('ends by SIGTERM too', async () => {
    const { child } = await startStack();
    await endsWith(child, 'SIGTERM');
  });

  test('ends as a whole, and says why, when one part of it ends', async () => {
    const folder = createTempFolder('stack');
    const { child } = await startStack(['--data', folder.path]);
    const programs = childrenOf(child.pid);
    process.kill(programs.find((pid) => commandOf(pid).includes('prometheus'))!, 'SIGKILL');
    assert.deepEqual(await child.exited, { code: 1, signal: null });
    assert.match(child.log(), /prometheus ended with SIGKILL/);
    assert.deepEqual(programs.filter(isRunning), []);
    // What was asked to be kept is kept: the gateway's last words among it.
    assert.match(readFileSync(join(folder.path, 'tidegauge.log'), 'utf8'), /"msg":"gone"/);
    folder.remove();
  });
});

test('a stack whose programs are missing says which, and how to get them', async () => {
  const empty = createTempFolder('no-parts');
  const child = await startStackProcess([], { PATH: empty.path, TEST_PARTS_FOLDER: empty.path });
  assert.deepEqual(await child.exited, { code: 1, signal: null });
  for (const name of ['prometheus', 'otelcol']) {
    assert.match(child.log(), new RegExp(`^${name} is missing\\b`, 'm'));
    assert.match(child.log(), new RegExp(`test/tools/get\\.ts ${name}$`, 'm'));
  }
  empty.remove();
});

test('a program on the PATH will do if it is new enough', async () => {
  const path = createTempFolder('path');
  for (const [name, version] of [
    ['prometheus', '3.4.0'],
    ['otelcol', '0.140.0'],
  ] as const) {
    writeFileSync(join(path.path, name), `#!/bin/sh\necho ${name} version ${version}\n`, { mode: 0o755 });
  }
  const child = await startStackProcess([], { PATH: path.path, TEST_PARTS_FOLDER: path.path });
  assert.deepEqual(await child.exited, { code: 1, signal: null });
  assert.match(child.log(), /^otelcol is missing\b/m);
  assert.doesNotMatch(child.log(), /prometheus is missing/);
  path.remove();
});

test('an option that it does not know, or a port that is none, is told with the usage', async () => {
  for (const [args, fault] of [
    [['--colour'], /--colour/],
    [['--port', 'high'], /high is no port/],
  ] as const) {
    const child = await startStackProcess(args);
    assert.deepEqual(await child.exited, { code: 2, signal: null });
    assert.match(child.log(), fault);
    assert.match(child.log(), /Usage: npm run stack/);
  }
});

async function endsWith(child: Child, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  const programs = childrenOf(child.pid);
  assert.equal(programs.length, 3);
  child.signal(signal);
  assert.deepEqual(await child.exited, { code: 0, signal: null });
  assert.deepEqual(programs.filter(isRunning), []);
  assert.match(child.log(), /^ending$/m);
}

async function startStackProcess(args: readonly string[], env: Record<string, string> = {}): Promise<Child> {
  const folder = createTempFolder('stack-log');
  return await startChild(process.execPath, [join(root, 'otel/stack.ts'), ...args], {
    logFile: join(folder.path, 'log'),
    env: { ...process.env, ...env },
  });
}

async function startStack(args: readonly string[] = []): Promise<Stack> {
  const child = await startStackProcess(args);
  const options = { timeoutMs: readyTimeoutMs, everyMs: 100 };
  await untilUp(child, 'the stack is up', () => child.log().includes('Ctrl-C ends everything'), options);
  const said = (title: string): string =>
    new RegExp(`^ +${title} +(\\S+)`, 'm').exec(child.log())?.[1] ?? assert.fail(child.log());
  return {
    child,
    prometheusUrl: new URL(said('Prometheus')).origin,
    gatewayUrl: said('Tidegauge'),
    folder: said('Logs, data'),
  };
}

async function query(prometheusUrl: string, promql: string): Promise<number | undefined> {
  const answer = await fetch(`${prometheusUrl}/api/v1/query?${new URLSearchParams({ query: promql })}`);
  const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
  const [sample] = data.result;
  return sample === undefined ? undefined : Number(sample.value[1]);
}

/** The files whose rules it evaluates. */
async function ruleFilesOf(prometheusUrl: string): Promise<string[]> {
  const { data } = (await (await fetch(`${prometheusUrl}/api/v1/rules`)).json()) as {
    data: { groups: { file: string }[] };
  };
  return [...new Set(data.groups.map(({ file }) => basename(file)))].sort();
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children.split(' ').map(Number);
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}

/** Neither gone nor only waiting for its exit code to be fetched. */
function isRunning(pid: number): boolean {
  try {
    return commandOf(pid) !== '';
  } catch {
    return false;
  }
}
