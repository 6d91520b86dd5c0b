/**
 * An OTLP endpoint over HTTP that keeps what was asked of it, and hands each request on, byte for byte, to others.
 * So one push of one gateway reaches several backends, and its headers can be looked at. It answers with the worst
 * status that any of them gave, 200 when there are none.
 *
 * While it has a fault it hands on nothing, and is what its name says: a collector that is out of order.
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const otlpFaults = ['busy', 'unavailable', 'slow', 'drip', 'reset'] as const;
export type OtlpFault = (typeof otlpFaults)[number];

export type OtlpRelay = {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  readonly requests: readonly { path: string; headers: IncomingHttpHeaders; body: Buffer }[];
  /** Requests that a fault has met with. */
  readonly refused: number;
  fault: OtlpFault | undefined;
  stop(): Promise<void>;
};

export type OtlpRelayOptions = {
  fault?: OtlpFault;
  /** False for those who ask more often than anybody wants to remember. */
  keepsRequests?: boolean;
};

/** `targets`: whole addresses, `/v1/metrics` included. */
export async function startOtlpRelay(
  targets: readonly string[] = [],
  { fault, keepsRequests = true }: OtlpRelayOptions = {},
): Promise<OtlpRelay> {
  const requests: OtlpRelay['requests'][number][] = [];
  const server = createServer(async (request, response) => {
    // Whoever gives up while he sends has asked for nothing.
    const chunks = await request.toArray().catch(() => undefined);
    if (chunks === undefined) return;
    const body = Buffer.concat(chunks);
    if (keepsRequests) requests.push({ path: request.url ?? '', headers: request.headers, body });
    if (relay.fault !== undefined) {
      relay.refused += 1;
      faults[relay.fault](response);
      return;
    }
    const headers = {
      'content-type': request.headers['content-type'] ?? '',
      ...(request.headers['content-encoding'] && { 'content-encoding': request.headers['content-encoding'] }),
    };
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
  const relay = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    refused: 0,
    fault,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return relay;
}

const faults: Readonly<Record<OtlpFault, (response: ServerResponse) => void>> = {
  busy: (response) => response.writeHead(429, { 'retry-after': '1' }).end(),
  unavailable: (response) => response.writeHead(503).end(),
  // Longer than anybody has patience here.
  slow: (response) => {
    const answer = setTimeout(() => response.writeHead(200).end(), 60_000);
    response.once('close', () => clearTimeout(answer));
  },
  // One byte at a time, and never an end: not even its status is ever whole.
  drip: ({ socket }) => {
    if (socket === null) return;
    socket.write('HTTP/1.1 200 OK\r\nx-patience: ');
    const drip = setInterval(() => socket.write('z'), 100);
    socket.once('close', () => clearInterval(drip));
  },
  reset: (response) => response.socket?.resetAndDestroy(),
};
