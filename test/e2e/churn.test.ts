/**
 * Twenty thousand clients come and go in every way that there is, and nothing of them is left: tables, handles,
 * descriptors and heap are what they were. The gateway is alone in its process, so that its heap is its own.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Leftovers } from '../support/churn-program.ts';
import { close, text } from '../support/frames.ts';
import { handshake } from '../support/ws-client.ts';

const CLIENTS = 20_000;
const WARM_UP = 4_000;
const AT_ONCE = 100;

/** How a client takes its leave, once it has been answered. */
const ways: { name: string; target: string; leave(socket: Socket, index: number): void }[] = [
  { name: 'polite', target: '/ws', leave: (socket) => socket.write(close(1000)) },
  { name: 'gone', target: '/ws', leave: (socket) => socket.destroy() },
  { name: 'reset', target: '/ws', leave: (socket) => socket.resetAndDestroy() },
  {
    name: 'subscribed, and away',
    target: '/ws',
    leave: (socket, index) => {
      const channels = [`public.${index}`, `public.*.${index % 100}`];
      socket.write(text(JSON.stringify({ type: 'subscribe', channels })));
      socket.write(close(1001));
    },
  },
  { name: 'in breach', target: '/ws', leave: (socket) => socket.write(Buffer.alloc(2, 0xff)) },
  { name: 'refused', target: '/elsewhere', leave: () => {} },
];

function visit(port: number, index: number): Promise<void> {
  const { target, leave } = ways[index % ways.length]!;
  return new Promise((resolve) => {
    // From several addresses, so that the ports of this machine are not used up for minutes.
    const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (index % 8)}` });
    socket.once('connect', () => socket.write(handshake(port, {}, target)));
    socket.once('data', () => leave(socket, index));
    socket.on('error', () => {});
    socket.once('close', () => resolve());
  });
}

async function visits(url: string, count: number): Promise<void> {
  const port = Number(new URL(url).port);
  for (let from = 0; from < count; from += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => visit(port, from + index)));
  }
}

async function look(gateway: ChildProcess): Promise<Leftovers> {
  const answer = once(gateway, 'message') as Promise<[Leftovers]>;
  gateway.send('look');
  return (await answer)[0];
}

const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((total, one) => total + one, 0);

test(`${CLIENTS} clients later nothing is left of them`, { timeout: 120_000 }, async () => {
  const program = join(import.meta.dirname, '../support/churn-program.ts');
  const gateway = fork(program, { execArgv: ['--expose-gc'] });
  try {
    const [url] = (await once(gateway, 'message')) as [string];
    await visits(url, WARM_UP);
    const before = await look(gateway);
    await visits(url, CLIENTS);
    const after = await look(gateway);

    assert.equal(after.opened + sum(after.rejected), WARM_UP + CLIENTS);
    assert.equal(sum(after.closed), after.opened);
    assert.ok(after.closed.normal! > 0 && after.closed.going_away! > 0 && after.closed.protocol_error! > 0);
    assert.ok(after.closed.no_close_frame! > 0 && after.rejected.not_found! > 0);
    assert.equal(after.drift, 0);
    assert.deepEqual([after.connections, after.audiences], [0, 0]);
    assert.equal(after.channels, before.channels);
    assert.deepEqual(after.resources, before.resources);
    assert.equal(after.descriptors, before.descriptors);
    const growth = after.heapBytes / before.heapBytes - 1;
    assert.ok(Math.abs(growth) < 0.03, `the heap has grown by ${(100 * growth).toFixed(2)} %`);
  } finally {
    const ended = once(gateway, 'exit');
    if (gateway.connected) gateway.send('stop');
    else gateway.kill();
    assert.deepEqual(await ended, [0, null]);
  }
});
