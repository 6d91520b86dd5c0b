/**
 * The HTTP side alone, on a real server at a free port, with everything behind it made by hand. Tests look at
 * what reached the other side: published messages, recorded requests, log lines.
 */
import { connect } from 'node:net';
import { type BusState, BusUnavailableError } from '../../src/bus/bus.ts';
import { createOriginRule, isLoopbackName } from '../../src/gateway/admission.ts';
import { type AppRole, createApp } from '../../src/http/app.ts';
import type {
  HttpConnections,
  HttpDependencies,
  HttpSettings,
  RequestAttributes,
} from '../../src/http/dependencies.ts';
import { createHttpServer, type HttpLimits, listen } from '../../src/http/server.ts';
import type { ConnectionPage, ConnectionQuery, ConnectionRow } from '../../src/reports/connections.ts';
import { emptySummary, rowWith } from './connection-rows.ts';
import { fullReadings, readingsOf } from './readings.ts';
import { until } from './until.ts';

export type Published = { subject: string; text: string; messageId: string | undefined };
export type HttpApp = Awaited<ReturnType<typeof startHttpApp>>;

/** The first rows, as many as are asked for. */
function connectionsOf(rows: readonly ConnectionRow[]): HttpConnections {
  const page = ({ limit }: ConnectionQuery): ConnectionPage => {
    const isTruncated = limit < rows.length;
    return {
      rows: rows.slice(0, limit),
      next: isTruncated && limit > 0 ? 'next-one' : undefined,
      isTruncated,
    };
  };
  return {
    page,
    list: (query) => ({ ...page(query), summary: { ...emptySummary, count: rows.length } }),
    find: (name) => rows.find(({ id }) => id === name),
    close: (name) => rows.some(({ id }) => id === name),
  };
}

export async function startHttpApp(
  given: {
    role?: AppRole;
    settings?: Partial<HttpSettings>;
    limits?: Partial<HttpLimits>;
    corsOrigins?: string[];
    dependencies?: Partial<HttpDependencies>;
    connections?: Partial<HttpConnections>;
  } = {},
) {
  const published: Published[] = [];
  const recorded: RequestAttributes[] = [];
  const errors: string[] = [];
  const figures = { activeRequests: 0 };
  /** `isLeaving`: the state is still good, but the next publish finds the broker gone. */
  const bus: { state: BusState; isLeaving: boolean } = { state: 'connected', isLeaving: false };
  const isCorsOrigin = createOriginRule(
    given.corsOrigins ?? ['http://localhost:*', 'http://127.0.0.1:*'],
    false,
  );
  const dependencies: HttpDependencies = {
    settings: {
      publishSubjects: ['public.>', 'trades.*'],
      publishSizeMax: 1024,
      adminToken: undefined,
      publicReports: false,
      remoteAddr: 'full',
      ...given.settings,
    },
    cpuCores: 4,
    log: { error: (_fields, message) => errors.push(message), debug: () => undefined },
    figures,
    now: () => performance.now(),
    recordRequest: (_seconds, attributes) => recorded.push(attributes),
    collect: async () => readingsOf(fullReadings),
    collectShared: () => dependencies.collect(),
    unixMs: () => Date.now(),
    connections: {
      ...connectionsOf([rowWith(), rowWith({ id: 'client_3' }), rowWith({ id: 'client_4' })]),
      ...given.connections,
    },
    scrape: async (accept) => ({
      contentType: accept?.includes('openmetrics')
        ? 'application/openmetrics-text; version=1.0.0; charset=utf-8'
        : 'text/plain; version=0.0.4; charset=utf-8',
      body: Buffer.from('# TYPE up gauge\nup 1\n'),
    }),
    readiness: () => [],
    busState: () => bus.state,
    async publish(subject, payload, options) {
      if (bus.isLeaving) throw new BusUnavailableError('away');
      published.push({ subject, text: Buffer.from(payload).toString(), messageId: options?.messageId });
      return 'taken';
    },
    drain: () => ({ connections: 3 }),
    isCorsOrigin: (origin) => isCorsOrigin(origin, undefined),
    isLoopback: isLoopbackName,
    ...given.dependencies,
  };
  const app = createApp(dependencies, given.role ?? 'all');
  const server = createHttpServer(app.callback(), given.limits);
  const { port } = await listen(server, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;

  return {
    url,
    port,
    server,
    published,
    recorded,
    errors,
    figures,
    bus,
    /** Fetches a path of this app. */
    get: (path: string, options?: RequestInit) => fetch(url + path, options),
    /** Sends the text as it is on a connection of its own, and resolves with all that came back until its end. */
    raw: (text: string) => exchange(port, text),
    /** Sends the text and cuts the connection when the signal says so. */
    abandon(text: string, signal: AbortSignal) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(text, 'latin1');
      signal.addEventListener('abort', () => socket.destroy());
    },
    /** Resolves when every request has been recorded. */
    settled: () =>
      until('no request is under way', () => figures.activeRequests === 0 && recorded.length > 0),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Resolves when the other side has ended the connection, or reset it. */
export function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
    socket.write(text, 'latin1');
  });
}

/** A request without a body that asks for the connection to be closed after it. */
export function rawRequest(line: string, headers: Record<string, string> = {}): string {
  const all = { host: '127.0.0.1', connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** The status and the JSON body of an answer as text. */
export function parseAnswer(answer: string): { status: number; head: string; body: string } {
  const end = answer.indexOf('\r\n\r\n');
  return { status: Number(answer.split(' ')[1]), head: answer.slice(0, end), body: answer.slice(end + 4) };
}
