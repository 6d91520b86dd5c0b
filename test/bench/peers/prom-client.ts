/** What is usual: the default metrics of prom-client behind Node's own HTTP server, scraped by whoever asks. */
import { serve } from './http-peer.ts';
import { findPromClient } from './prom-client-package.ts';

const client = findPromClient();
if (client === undefined) throw new Error('prom-client is not where NODE_PATH says');
const { collectDefaultMetrics, register } = client;
collectDefaultMetrics();

serve(async (response) => {
  response.setHeader('content-type', register.contentType).end(await register.metrics());
});
