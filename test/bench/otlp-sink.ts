/** A collector's part for the bench: takes what is pushed and answers that all is well. It decodes nothing. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type OtlpSink = { url: string; exports(): number; stop(): void };

export async function startOtlpSink(): Promise<OtlpSink> {
  let exports = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      exports += 1;
      response.setHeader('content-type', 'application/x-protobuf');
      // An empty message: full success.
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exports: () => exports,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
