/** The floor of what an answer costs: Node's own HTTP server, which says `ok` to everybody. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { httpLimits } from '../../../src/http/server.ts';

const server = createServer({ keepAliveTimeout: httpLimits.keepAliveTimeoutMs }, (_request, response) =>
  response.end('ok'),
);
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  pino({ base: null }).info({ url: `http://127.0.0.1:${port}` }, 'listening');
});
