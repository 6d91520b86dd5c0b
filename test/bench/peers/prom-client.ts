/** What is usual: the default metrics of prom-client behind Node's own HTTP server, scraped by whoever asks. */
import { createRequire } from 'node:module';
import { serve } from './http-peer.ts';

/** No dependency of the project: it is looked for where NODE_PATH says. */
type PromClient = {
  collectDefaultMetrics(): void;
  register: { contentType: string; metrics(): Promise<string> };
};
const { collectDefaultMetrics, register } = createRequire(import.meta.url)('prom-client') as PromClient;
collectDefaultMetrics();

serve(async (response) => {
  response.setHeader('content-type', register.contentType).end(await register.metrics());
});
