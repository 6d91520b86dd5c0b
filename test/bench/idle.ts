/**
 * Resident memory of an idle connection: the gateway with everything on, and a bare ws server beside it in the
 * same run, each in a process of its own. Prints a table and one line of JSON.
 *
 *   npm run bench:idle [-- --connections 10000 --rounds 3]
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Child, createTempFolder, startChild } from '../support/child.ts';
import { until } from '../support/until.ts';
import { handshake } from '../support/ws-client.ts';

const { values } = parseArgs({
  options: { connections: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '3' } },
});
const connections = Number(values.connections);
const rounds = Number(values.rounds);
/** Dials under way at a time. */
const DIAL_BATCH = 200;
/** Resident memory has settled when it has stayed within 1 % this long. */
const SETTLE_MS = 3_000;

const contenders = {
  tidegauge: join(import.meta.dirname, '../../src/main.ts'),
  'bare ws': join(import.meta.dirname, 'peers/bare-ws.ts'),
};
type Contender = keyof typeof contenders;
type Result = { contender: Contender; beforeKiB: number; afterKiB: number; perConnectionKiB: number };

function residentKiB({ pid }: Child): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

async function settledKiB(child: Child): Promise<number> {
  let sinceMs = performance.now();
  let reference = residentKiB(child);
  while (performance.now() - sinceMs < SETTLE_MS) {
    await wait(250);
    const now = residentKiB(child);
    if (Math.abs(now - reference) > reference / 100) {
      reference = now;
      sinceMs = performance.now();
    }
  }
  return residentKiB(child);
}

async function dial(url: URL): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, 'connect');
  socket.write(handshake(Number(url.port)));
  await once(socket, 'data');
  return socket;
}

async function measure(contender: Contender): Promise<Result> {
  const folder = createTempFolder('bench');
  const { PATH = '', HOME = '' } = process.env;
  const child = await startChild(process.execPath, [contenders[contender]], {
    logFile: join(folder.path, 'log'),
    env: { PATH, HOME, PORT: '0' },
  });
  const line = await until(
    'it listens',
    () =>
      child
        .log()
        .split('\n')
        .find((one) => one.includes('"listening"')),
    {
      timeoutMs: 20_000,
    },
  );
  const url = new URL((JSON.parse(line) as { url: string }).url);
  const beforeKiB = await settledKiB(child);
  const sockets: Socket[] = [];
  while (sockets.length < connections) {
    const batch = Math.min(DIAL_BATCH, connections - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => dial(url)))));
  }
  const afterKiB = await settledKiB(child);
  for (const socket of sockets) socket.destroy();
  await child.kill();
  folder.remove();
  return { contender, beforeKiB, afterKiB, perConnectionKiB: (afterKiB - beforeKiB) / connections };
}

function median(numbers: number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

const results: Result[] = [];
for (let round = 0; round < rounds; round += 1) {
  for (const contender of Object.keys(contenders) as Contender[]) results.push(await measure(contender));
}
console.log(`${connections} idle connections, median of ${rounds} rounds\n`);
console.log('| server | resident before | with connections | per connection |\n| --- | --- | --- | --- |');
for (const contender of Object.keys(contenders) as Contender[]) {
  const own = results.filter((one) => one.contender === contender);
  const mib = (pick: (one: Result) => number): string => (median(own.map(pick)) / 1024).toFixed(1);
  const perConnection = median(own.map((one) => one.perConnectionKiB)).toFixed(2);
  console.log(
    `| ${contender} | ${mib((one) => one.beforeKiB)} MiB | ${mib((one) => one.afterKiB)} MiB | ${perConnection} KiB |`,
  );
}
console.log(`\n${JSON.stringify({ connections, rounds, results })}`);
process.exit(0);
