/**
 * The HTTP server under an app: bounds on what a caller may cost before it has said anything, and an answer for
 * what is not HTTP. Upgrades go to whoever listens for them; without a listener they are ordinary requests.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { errorDocument } from './errors.ts';
import { jsonType } from './route.ts';

export const httpLimits = {
  /** From the first byte of a request to the end of its headers, and to the end of its body. */
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  /** Longer than a minute, so that a scraper or a proxy that comes back within one needs no new connection. */
  keepAliveTimeoutMs: 65_000,
  /** How often the first two are checked, and so how late they may be met: each check wakes a process that may be idle. */
  checkIntervalMs: 5_000,
  headerBytesMax: 8 * 1024,
  /** Connections that the kernel keeps for us while we are busy. It allows fewer (net.core.somaxconn, usually 4096). */
  backlog: 65_535,
  /** For a caller whose request was no HTTP: time to read the answer before the connection is cut. */
  lingerMs: 1_000,
  /** A caller that waits for an answer and neither sends nor takes anything. */
  stalledTimeoutMs: 15_000,
  /** Requests of one connection that wait for their answers. Node parses all that a read has brought, some thousands. */
  unansweredMax: 16,
};
export type HttpLimits = typeof httpLimits;

const CONNECTIONS_PER_LOOK = 16;

/** The latest answer on a connection, and how many have not been given. */
type Conversation = { latest: ServerResponse; unanswered: number };

/**
 * `crowdedAt`: so many connections, WebSockets among them, leave few descriptors for others. From there on callers who have
 * their answers and only keep their connections lose those, and the server says `crowded`.
 */
export function createHttpServer(
  listener: RequestListener,
  {
    crowdedAt = Number.POSITIVE_INFINITY,
    ...given
  }: Partial<HttpLimits> & { crowdedAt?: number | undefined } = {},
): Server {
  const limits: HttpLimits = { ...httpLimits, ...given };
  const server: Server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      maxHeaderSize: limits.headerBytesMax,
      // Node would refuse with an empty body; the app refuses what comes without one, in our own words.
      requireHostHeader: false,
      shouldUpgradeCallback: (request) => {
        const { socket } = request;
        // From here on it is somebody else's, or about to have a request.
        kept.delete(socket);
        return server.listenerCount('upgrade') > 0 && isUpgrade(request, conversations.get(socket)?.latest);
      },
    },
    (request, response) => {
      const { socket } = request;
      if (isWithinBounds(socket, response)) listener(request, response);
      // Whoever has sent so many does not wait for their answers, and would have us hold them all.
      else socket.destroy();
    },
  );
  server.timeout = limits.stalledTimeoutMs;
  const conversations = new WeakMap<object, Conversation>();
  /** Of callers who have their answers, and may ask again. */
  const kept = new Set<Socket>();
  let isCrowded = false;

  function isWithinBounds(socket: Socket, response: ServerResponse): boolean {
    const conversation = conversations.get(socket) ?? begin(socket, response);
    conversation.latest = response;
    conversation.unanswered += 1;
    kept.delete(socket);
    response.once('close', () => {
      conversation.unanswered -= 1;
      if (conversation.unanswered > 0 || socket.destroyed) return;
      kept.add(socket);
      if (isCrowded) look();
    });
    return !socket.destroyed && conversation.unanswered <= limits.unansweredMax;
  }

  function begin(socket: Socket, latest: ServerResponse): Conversation {
    const conversation = { latest, unanswered: 0 };
    conversations.set(socket, conversation);
    socket.once('close', () => kept.delete(socket));
    return conversation;
  }

  let arrived = 0;
  server.on('connection', () => {
    arrived += 1;
    if (arrived % CONNECTIONS_PER_LOOK === 0) look();
  });
  /** Those beyond the descriptors arrive nowhere, so that others have to look too once it is crowded. */
  function look(): void {
    server.getConnections((_, open) => {
      const wasCrowded = isCrowded;
      isCrowded = open >= crowdedAt;
      if (!isCrowded) return;
      // Who has asked last keeps it longest.
      for (const socket of kept.values().take(open - crowdedAt + CONNECTIONS_PER_LOOK)) socket.destroy();
      if (!wasCrowded) server.emit('crowded');
    });
  }

  // Handlers that read a body say 100 Continue themselves, once they know that they want it. Other wishes the app refuses.
  for (const event of ['checkContinue', 'checkExpectation'])
    server.on(event, (request, response) => server.emit('request', request, response));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else
      answerAndEnd(
        socket as Socket,
        faults[error.code ?? ''] ?? unusable,
        conversations.get(socket)?.latest,
        limits.lingerMs,
      );
  });
  // Node would end it without a word, and from here on leaves the socket and its errors to us: it ends in any case.
  server.on('connect', (_request, socket) => {
    socket.on('error', () => undefined);
    answerAndEnd(socket as Socket, noProxy, conversations.get(socket)?.latest, limits.lingerMs);
  });
  return server;
}

/**
 * An offer that we do not take up is an ordinary request (RFC 9110 section 7.8): another protocol (curl's h2c,
 * say); HTTP/1.0; a body, which would come between the handshake and the frames; and a request whose forerunner
 * on the connection is still to be answered, for that answer would come among the frames.
 */
function isUpgrade(request: IncomingMessage, previous: ServerResponse | undefined): boolean {
  const { upgrade, 'content-length': length = '0', 'transfer-encoding': coding } = request.headers;
  const hasBody = Number(length) > 0 || coding !== undefined;
  const isAnswered = previous === undefined || previous.writableFinished;
  return upgrade?.toLowerCase() === 'websocket' && request.httpVersion === '1.1' && !hasBody && isAnswered;
}

/** Resolves with the address once it listens. Rejects when it cannot, EADDRINUSE and the like. */
export function listen(
  server: Server,
  at: { host: string; port: number; reusePort?: boolean },
  limits: HttpLimits = httpLimits,
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...at, backlog: limits.backlog }, () => {
      server.removeListener('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

/**
 * Listens no more. Idle connections end at once, those that wait for an answer when they have it, and whatever is left
 * after the limit is cut. Resolves when there is none.
 */
export async function closeServer(server: Server, limitMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that gets its answer becomes idle, and would be kept for the next request.
  const sweep = setInterval(() => server.closeIdleConnections(), limitMs / 20);
  const limit = setTimeout(() => server.closeAllConnections(), limitMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
}

/** What is not for the app is answered on the socket itself. */
type ClientFault = { status: string; code: string; message: string };

const unusable: ClientFault = {
  status: '400 Bad Request',
  code: 'bad_request',
  message: 'This is not HTTP/1.1.',
};
const noProxy: ClientFault = {
  status: '501 Not Implemented',
  code: 'not_implemented',
  message: 'CONNECT is for proxies, and this is none.',
};
const faults: Record<string, ClientFault> = {
  HPE_INVALID_METHOD: { ...unusable, message: 'This method is none of HTTP, or this is not HTTP/1.1.' },
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'headers_too_large',
    message: 'The request line and headers are too large.',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: '413 Payload Too Large',
    code: 'too_large',
    message: 'The extensions of a chunk are too large.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    code: 'request_timeout',
    message: 'The request took too long to arrive.',
  },
};

function answerAndEnd(
  socket: Socket,
  { status, code, message }: ClientFault,
  response: ServerResponse<IncomingMessage> | undefined,
  lingerMs: number,
): void {
  // It comes again for whatever else the caller sends while we linger.
  if (socket.destroyed || socket.writableEnded) return;
  // An answer to an earlier request on this connection is under way, or the connection is broken: words of ours
  // would end up in the middle of it, or nowhere.
  const isAnswering =
    response && !response.writableFinished && (response.headersSent || response.req.complete);
  if (isAnswering || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(errorDocument(code, message));
  const head = [
    `HTTP/1.1 ${status}`,
    `content-type: ${jsonType}`,
    'cache-control: no-store',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  // Cutting at once what still sends would reset the connection and lose the answer on its way.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), lingerMs).unref();
}
