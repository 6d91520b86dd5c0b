/**
 * Resident memory of an idle connection: the gateway with everything on, and a bare ws server beside it in the
 * same run, each in a process of its own. Prints a table and one line of JSON.
 *
 *   npm run bench:idle [-- --connections 10000 --rounds 3]
 */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Child, createTempFolder, startChild } from '../support/child.ts';
import { until } from '../support/until.ts';
import { commonEnv } from './contenders.ts';
import { numbersGiven } from './options.ts';
import { residentMiB } from './proc.ts';
import { median } from './statistics.ts';

/** Resident memory has settled when it has stayed within 1 % this long; a server that never settles is read anyway. */
const SETTLE_MS = 3_000;
const SETTLE_LIMIT_MS = 20_000;
const START_LIMIT_MS = 20_000;
const DIAL_LIMIT_MS = 120_000;

const idleServers = {
  tidegauge: { file: join(import.meta.dirname, '../../src/main.ts'), greetings: 1 },
  'bare ws': { file: join(import.meta.dirname, 'peers/bare-ws.ts'), greetings: 0 },
};
export type IdleServer = keyof typeof idleServers;
export const idleServerNames = Object.keys(idleServers) as IdleServer[];
export type IdleResult = {
  server: IdleServer;
  connections: number;
  beforeKiB: number;
  afterKiB: number;
  perConnectionKiB: number;
};

async function settledKiB(child: Child): Promise<number> {
  const limitMs = performance.now() + SETTLE_LIMIT_MS;
  let sinceMs = performance.now();
  let reference = residentMiB(child.pid);
  while (performance.now() - sinceMs < SETTLE_MS && performance.now() < limitMs) {
    await wait(250);
    const now = residentMiB(child.pid);
    if (Math.abs(now - reference) > reference / 100) {
      reference = now;
      sinceMs = performance.now();
    }
  }
  return residentMiB(child.pid) * 1024;
}

/** Starts the server, holds that many connections to it, and tells what they cost it. */
export async function measureIdle(name: IdleServer, connections: number): Promise<IdleResult> {
  const { file, greetings } = idleServers[name];
  const folder = createTempFolder('bench');
  const { PATH = '', HOME = '' } = process.env;
  const server = await startChild(process.execPath, [file], {
    logFile: join(folder.path, 'server'),
    env: { PATH, HOME, ...commonEnv, PORT: '0' },
  });
  let clients: Child | undefined;
  try {
    const line = await until('it listens', () => lineWith(server, '"listening"'), {
      timeoutMs: START_LIMIT_MS,
    });
    const { port } = new URL((JSON.parse(line) as { url: string }).url);
    const beforeKiB = await settledKiB(server);
    const client = [join(import.meta.dirname, 'load-client.ts'), '--hold', '--port', port];
    const counts = ['--connections', String(connections), '--greetings', String(greetings)];
    clients = await startChild(process.execPath, [...client, ...counts], {
      logFile: join(folder.path, 'clients'),
    });
    await until('all are connected', () => lineWith(clients!, '"ready"'), { timeoutMs: DIAL_LIMIT_MS });
    const afterKiB = await settledKiB(server);
    const perConnectionKiB = (afterKiB - beforeKiB) / connections;
    return { server: name, connections, beforeKiB, afterKiB, perConnectionKiB };
  } finally {
    await clients?.kill();
    await server.kill();
    folder.remove();
  }
}

function lineWith(child: Child, mark: string): string | undefined {
  const line = child
    .log()
    .split('\n')
    .find((one) => one.includes(mark) && one.endsWith('}'));
  if (line === undefined && child.exit !== null) throw new Error(`it ended: ${child.log()}`);
  return line;
}

export function renderIdle(results: readonly IdleResult[]): string {
  const lines = [
    '| connections | server | resident before | with connections | per connection |',
    '| --- | --- | --- | --- | --- |',
  ];
  for (const connections of new Set(results.map((one) => one.connections))) {
    for (const server of idleServerNames) {
      const own = results.filter((one) => one.server === server && one.connections === connections);
      if (own.length === 0) continue;
      const mib = (pick: (one: IdleResult) => number): string => (median(own.map(pick)) / 1024).toFixed(1);
      const per = median(own.map((one) => one.perConnectionKiB)).toFixed(2);
      lines.push(
        `| ${connections} | ${server} | ${mib((one) => one.beforeKiB)} MiB | ${mib((one) => one.afterKiB)} MiB | ${per} KiB |`,
      );
    }
  }
  return lines.join('\n');
}

if (import.meta.main) {
  const { connections, rounds } = numbersGiven('npm run bench:idle', { connections: 10_000, rounds: 3 });
  const results: IdleResult[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const server of idleServerNames) results.push(await measureIdle(server, connections));
  }
  console.log(`${connections} idle connections, median of ${rounds} rounds\n`);
  console.log(renderIdle(results));
  console.log(`\n${JSON.stringify({ connections, rounds, results })}`);
  process.exit(0);
}
