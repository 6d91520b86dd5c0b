/** Promise F19: no descriptor is left, and the gateway neither ends nor spins, and answers those whom it has. */
import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Child, createTempFolder, startChild } from '../support/child.ts';
import { skipWithoutLinux, witnessDescriptors } from '../support/figures-subject.ts';
import { until } from '../support/until.ts';

const main = join(import.meta.dirname, '../../src/main.ts');
/** The least that it starts with. */
const LIMIT = 128;

function startWithin(limit: number): Promise<Child> {
  const { PATH = '', HOME = '' } = process.env;
  const script = `ulimit -n ${limit}; exec "$0" "$@"`;
  return startChild('/bin/sh', ['-c', script, process.execPath, main], {
    logFile: join(createTempFolder('descriptors').path, 'log'),
    env: { PATH, HOME, PORT: '0', ADMIN_PORT: '0', TIDEGAUGE_DRAIN_WINDOW: '0' },
  });
}

test('with too few descriptors to serve anybody it does not start, and says how many it needs', {
  skip: skipWithoutLinux,
}, async () => {
  const child = await startWithin(LIMIT - 1);
  try {
    await until('it has ended', () => child.exit);
    assert.deepEqual(child.exit, { code: 78, signal: null });
    const words = `the file-descriptor limit is ${LIMIT - 1}: a gateway needs ${LIMIT} at least`;
    assert.ok(child.log().startsWith(words), child.log());
  } finally {
    await child.stop();
  }
});

test('callers who keep their connections leave room for probes, for scrapes and for each other', {
  skip: skipWithoutLinux,
}, async () => {
  const limit = 400;
  const child = await startWithin(limit);
  const agent = new Agent({ keepAlive: true });
  try {
    const found = (key: string) => new RegExp(`"${key}":"([^"]+)"`).exec(child.log())?.[1];
    const url = await until('it listens', () => found('url'));
    const adminUrl = found('adminUrl')!;
    const statusOf = (address: string, options = {}): Promise<number | string> =>
      new Promise((resolve) => {
        get(address, options, (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode!));
        }).on('error', ({ code = '' }: NodeJS.ErrnoException) => resolve(code));
      });
    const kept = await Promise.all(
      Array.from({ length: 2 * limit }, () => statusOf(`${url}/livez`, { agent })),
    );
    assert.ok(kept.includes(200));
    for (const address of [adminUrl, url]) assert.equal(await statusOf(`${address}/livez`), 200);
    assert.equal(await statusOf(`${adminUrl}/metrics`), 200);
    assert.equal(child.log().match(/descriptors are nearly used up/g)?.length, 1);
  } finally {
    agent.destroy();
    await child.stop();
  }
});

test('without a free descriptor it goes on, and takes newcomers again when there is one', {
  skip: skipWithoutLinux,
}, async () => {
  const child = await startWithin(LIMIT);
  const sockets: Socket[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const found = (key: string) => new RegExp(`"${key}":"([^"]+)"`).exec(child.log())?.[1];
    const clientUrl = await until('it listens', () => found('url'));
    const url = found('adminUrl')!;
    const ask = (path: string, options = {}): Promise<[status: number, text: string]> =>
      new Promise((resolve, reject) => {
        get(`${url}${path}`, options, (response) => {
          let text = '';
          response.on('data', (data) => {
            text += data;
          });
          response.on('end', () => resolve([response.statusCode!, text]));
        }).on('error', reject);
      });
    assert.equal((await ask('/livez', { agent }))[0], 200);
    for (let index = 0; index < 2 * LIMIT; index += 1) {
      const socket = connect(Number(new URL(clientUrl).port), '127.0.0.1');
      socket.on('error', () => undefined);
      sockets.push(socket);
    }
    await until('none is left', () => witnessDescriptors(child.pid) >= LIMIT - 1);
    const seconds = async () => {
      const [status, text] = await ask('/metrics', { agent });
      assert.equal(status, 200);
      return [...text.matchAll(/^process_cpu_time_seconds_total\S* (\S+)$/gm)].reduce(
        (sum, [, value]) => sum + Number(value),
        0,
      );
    };
    const before = await seconds();
    const startMs = performance.now();
    await until('a second is over', () => performance.now() - startMs > 1_000);
    assert.ok((await seconds()) - before < 0.5, 'it spins');
    for (const socket of sockets) socket.destroy();
    // They are gone when they have been read to their end.
    await until('a newcomer is answered', async () => (await ask('/livez').catch(() => [0]))[0] === 200);
    assert.equal(child.exit, null, child.log());
  } finally {
    for (const socket of sockets) socket.destroy();
    agent.destroy();
    await child.stop();
  }
});
