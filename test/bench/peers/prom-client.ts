/** What is usual: the default metrics of prom-client behind Node's own HTTP server, scraped by whoever asks. */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { httpLimits } from '../../../src/http/server.ts';

/** No dependency of the project: it is looked for where NODE_PATH says. */
type PromClient = {
  collectDefaultMetrics(): void;
  register: { contentType: string; metrics(): Promise<string> };
};
const { collectDefaultMetrics, register } = createRequire(import.meta.url)('prom-client') as PromClient;
collectDefaultMetrics();

const server = createServer(
  { keepAliveTimeout: httpLimits.keepAliveTimeoutMs },
  async (_request, response) => {
    response.setHeader('content-type', register.contentType).end(await register.metrics());
  },
);
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  pino({ base: null }).info({ url: `http://127.0.0.1:${port}` }, 'listening');
});
