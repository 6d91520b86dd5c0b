/** The end of an HTTP server, over real sockets: who is still answered, and who is cut. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { closeServer, listen } from '../../../src/http/server.ts';

/** Long enough that what has to wait for it is seen to wait. */
const LONG_MS = 20_000;

async function start() {
  const asked = Promise.withResolvers<ServerResponse>();
  const server = createServer((request, response) => {
    if (request.url === '/held') asked.resolve(response);
    else response.end('at once');
  });
  const { port } = await listen(server, { host: '127.0.0.1', port: 0 });
  return { server, port, asked: asked.promise };
}

async function ask(port: number, path: string): Promise<{ socket: Socket; ended: Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (data) => {
    text += data.toString();
  });
  socket.on('error', () => {});
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return { socket, ended };
}

test('a request that waits gets its answer, and its connection is not kept for another', async () => {
  const { server, port, asked } = await start();
  const { ended } = await ask(port, '/held');
  const response = await asked;
  const beganMs = performance.now();
  const closed = closeServer(server, LONG_MS);
  response.end('here it is');
  assert.match(await ended, /here it is$/);
  await closed;
  assert.ok(performance.now() - beganMs < LONG_MS, 'it was cut, not ended');
});

test('a request that waits is not cut by the search for those who do not', async (context) => {
  const { server, port, asked } = await start();
  const { ended } = await ask(port, '/held');
  const response = await asked;
  context.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  const closed = closeServer(server, 1_000);
  // All but the last two searches.
  context.mock.timers.tick(900);
  response.end('here it is');
  await once(response, 'close');
  context.mock.timers.tick(50);
  assert.match(await ended, /here it is$/);
  await closed;
});

test('idle connections end at once', async () => {
  const { server, port } = await start();
  const { socket, ended } = await ask(port, '/now');
  await once(socket, 'data');
  const beganMs = performance.now();
  await closeServer(server, LONG_MS);
  assert.ok(performance.now() - beganMs < LONG_MS, 'it was cut, not ended');
  assert.match(await ended, /at once$/);
});

test('what is not answered in time is cut, and so is half a request', async () => {
  const { server, port, asked } = await start();
  const held = await ask(port, '/held');
  const half = connect(port, '127.0.0.1');
  half.on('error', () => {});
  const halfEnded = new Promise((resolve) => half.once('close', resolve));
  await once(half, 'connect');
  half.write('GET /half HTTP/1.1\r\n');
  await asked;
  await closeServer(server, 50);
  assert.equal(await held.ended, '');
  await halfEnded;
});
