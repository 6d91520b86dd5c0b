import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createDeadlineAgent } from '../../../src/telemetry/deadline-agent.ts';

const deadlineMs = 300;

async function serve(answer: RequestListener): Promise<{ url: string; sockets: Socket[]; close(): void }> {
  const server: Server = createServer(answer);
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, close };
}

async function ask(url: string, agent: ReturnType<typeof createDeadlineAgent>): Promise<string> {
  const asking = request(url, { agent });
  // Both ends of it are told; the one that is waited for counts.
  asking.on('error', () => {});
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return await text(response);
}

test('a request ends at its deadline though bytes keep coming', async () => {
  const { url, close } = await serve((_, { socket }) => {
    socket!.write('HTTP/1.1 200 OK\r\nx-patience: ');
    const drip = setInterval(() => socket!.write('z'), 20);
    socket!.once('close', () => clearInterval(drip));
  });
  const agent = createDeadlineAgent('http:', deadlineMs, { keepAlive: true });
  await assert.rejects(ask(url, agent), { code: 'ETIMEDOUT', message: /within 300 ms/ });
  close();
});

test('an answer ends at its deadline too', async () => {
  const { url, close } = await serve((_, response) => {
    const drip = setInterval(() => response.write('z'), 20);
    response.once('close', () => clearInterval(drip));
  });
  await assert.rejects(ask(url, createDeadlineAgent('http:', deadlineMs, { keepAlive: true })));
  close();
});

test('a kept connection serves one request after the other, and each has all of the time', async () => {
  let delayMs = 0;
  const { url, sockets, close } = await serve((_, response) => {
    setTimeout(() => response.end('high'), delayMs).unref();
  });
  const agent = createDeadlineAgent('http:', deadlineMs, { keepAlive: true });
  assert.equal(await ask(url, agent), 'high');
  // Longer than the deadline goes by while nobody asks anything.
  await new Promise((resolve) => setTimeout(resolve, deadlineMs + 100));
  assert.equal(await ask(url, agent), 'high');
  assert.equal(sockets.length, 1);
  delayMs = 60_000;
  await assert.rejects(ask(url, agent), { code: 'ETIMEDOUT' });
  delayMs = 0;
  assert.equal(await ask(url, agent), 'high');
  assert.equal(sockets.length, 2);
  agent.destroy();
  close();
});

test('an agent for TLS is one for TLS', () => {
  const portOf = (protocol: string): unknown =>
    (createDeadlineAgent(protocol, deadlineMs, {}) as { defaultPort?: number }).defaultPort;
  assert.deepEqual([portOf('http:'), portOf('https:')], [80, 443]);
});
