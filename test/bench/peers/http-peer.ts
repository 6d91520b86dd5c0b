/** A server of Node's own that says where it listens, and keeps connections as long as ours does. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { httpLimits } from '../../../src/http/server.ts';

export function serve(answer: (response: ServerResponse) => void): void {
  const { keepAliveTimeoutMs: keepAliveTimeout } = httpLimits;
  const server = createServer({ keepAliveTimeout }, (_request, response) => answer(response));
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    pino({ base: null }).info({ url: `http://127.0.0.1:${port}` }, 'listening');
  });
}
