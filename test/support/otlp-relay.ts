/**
 * An OTLP endpoint over HTTP that keeps what was asked of it, and hands each request on, byte for byte, to others.
 * So one push of one gateway reaches several backends, and its headers can be looked at. It answers with the worst
 * status that any of them gave, 200 when there are none.
 */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export type OtlpRelay = {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  readonly requests: readonly { path: string; headers: IncomingHttpHeaders; body: Buffer }[];
  stop(): Promise<void>;
};

/** `targets`: whole addresses, `/v1/metrics` included. */
export async function startOtlpRelay(targets: readonly string[] = []): Promise<OtlpRelay> {
  const requests: OtlpRelay['requests'][number][] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    requests.push({ path: request.url ?? '', headers: request.headers, body });
    const headers = { 'content-type': request.headers['content-type'] ?? '' };
    const answers = targets.map(async (target) => {
      const answer = await fetch(target, { method: 'POST', headers, body });
      await answer.arrayBuffer();
      return answer.status;
    });
    const statuses = await Promise.all(answers.map((answer) => answer.catch(() => 503)));
    response.statusCode = Math.max(200, ...statuses);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
