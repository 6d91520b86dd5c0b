/**
 * What NatsLink needs of the client library's inside. An upgrade that takes any of it away fails here, by name,
 * instead of somewhere else for no apparent reason. What the parts do is proved by the contract suite on a real server.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type ConnectionOptions, ProtocolHandler } from '@nats-io/transport-node';
import { NodeTransport } from '@nats-io/transport-node/lib/node_transport.js';
import { NatsLink, NatsTransport } from '../../../src/bus/nats-link.ts';
import { until } from '../../support/until.ts';

const link = (): NatsLink =>
  new NatsLink({ servers: ['127.0.0.1:1'] }, { status: () => undefined, dialFailed: () => undefined });

function missing(target: object, names: readonly string[]): string[] {
  return names.filter((name) => !(name in target));
}

describe('the client library', () => {
  it('is the version for which NatsLink was written', () => {
    const { dependencies } = JSON.parse(
      readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
    );
    const installed = new URL('../../../node_modules/@nats-io/transport-node/package.json', import.meta.url);
    const { version } = JSON.parse(readFileSync(installed, 'utf8'));
    assert.deepEqual(
      [dependencies['@nats-io/transport-node'], version],
      ['3.4.0', '3.4.0'],
      'read src/bus/nats-link.ts again beside the new version, then change this line',
    );
  });

  it('still has the parts of its protocol machine that NatsLink reads, calls and overrides', () => {
    const methods = [
      'dispatchStatus',
      'disconnected',
      'processInfo',
      'selectServer',
      '_doDial',
      'dialLoop',
      'close',
      'flush',
      'publish',
      'subscribe',
      '_sub',
      'sendSubscriptions',
      'sendCommand',
      'processPong',
      'unsub',
    ];
    assert.deepEqual(missing(ProtocolHandler.prototype, [...methods, 'reconnect', 'getServer']), []);
    const fields = ['transport', 'connected', '_closed', 'connectPromise', 'raceTimer', 'dialDelay'];
    const figures = ['inMsgs', 'outMsgs', 'inBytes', 'outBytes'];
    const one = link();
    assert.deepEqual(missing(one, [...fields, ...figures]), []);
    assert.equal(typeof one.heartbeats.cancel, 'function');
    assert.equal(typeof one.outbound.size(), 'number');
    assert.deepEqual([one.subscriptions.all(), one.servers.length(), one.pongs], [[], 1, []]);
    assert.equal(typeof one.subscriptions.cancel, 'function');
  });

  it('still has the parts of its transport that NatsTransport reads and overrides', () => {
    assert.deepEqual(
      missing(NodeTransport.prototype, [
        'dial',
        'discard',
        'connect',
        'startTLS',
        'loadClientCerts',
        'setupHandlers',
      ]),
      [],
    );
    assert.deepEqual(missing(new NodeTransport(), ['socket', 'tlsName']), []);
  });

  it('still makes its transport by the factory, and dials by the method that is overridden', async (t) => {
    const dialled: unknown[] = [];
    t.mock.method(NatsTransport.prototype, 'dial', (address: unknown) => {
      dialled.push(address);
      return Promise.reject(new Error('refused'));
    });
    const failed: string[] = [];
    const one = new NatsLink(
      { servers: ['127.0.0.1:1'], waitOnFirstConnect: true, maxReconnectAttempts: -1 },
      { status: () => undefined, dialFailed: (server) => failed.push(server) },
    );
    const looped = one.dialLoop().catch(() => undefined);
    while (failed.length === 0) await new Promise(setImmediate);
    await one.abandon();
    await looped;
    assert.deepEqual([dialled.length, failed], [1, ['127.0.0.1:1']]);
  });
});

const info = { server_id: 'a', version: '2.10.0', max_payload: 1_048_576 };

/** A server that says the line and leaves, at each dial. */
async function startLeaver(t: TestContext, leave: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    leave(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Dials without a pause, until it is abandoned. */
function dialOn(t: TestContext, port: number, options: ConnectionOptions = {}) {
  const failed: string[] = [];
  const one = new NatsLink(
    {
      servers: [`127.0.0.1:${port}`],
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectDelayHandler: () => 0,
      ...options,
    },
    { status: () => undefined, dialFailed: (_, error) => failed.push((error as Error).message) },
  );
  const loops = t.mock.method(one, 'dialLoop');
  one.dialLoop().catch(() => undefined);
  return { link: one, failed, loops };
}

describe('NatsLink, at a log-in that fails', () => {
  for (const { what, leave, error } of [
    {
      what: 'by its word',
      leave: (socket: Socket) =>
        void socket.once('data', () => socket.end("-ERR 'Authorization Violation'\r\n")),
      error: /Authorization Violation/,
    },
    {
      what: 'for want of room',
      leave: (socket: Socket) => void socket.end("-ERR 'maximum connections exceeded'\r\n"),
      error: /maximum connections exceeded/,
    },
    {
      what: 'without a word',
      leave: (socket: Socket) => void socket.once('data', () => socket.end()),
      error: /the server closed the connection/,
    },
  ]) {
    it(`says why, at once, and keeps nothing of it (${what})`, async (t) => {
      const port = await startLeaver(t, (socket) => {
        socket.write(`INFO ${JSON.stringify(info)}\r\n`);
        leave(socket);
      });
      const { link: one, failed, loops } = dialOn(t, port, { timeout: 60_000 });
      await until('many have failed', () => failed.length >= 50);
      await one.abandon();
      for (const said of failed.slice(0, 50)) assert.match(said, error);
      // The library's answer to a break would be to wait for the loop once more.
      assert.equal(loops.mock.callCount(), 1);
    });
  }

  it('says what may be the matter where the server closes before it has said anything', async (t) => {
    const port = await startLeaver(t, (socket) => void socket.end());
    const { link: one, failed } = dialOn(t, port);
    await until('one has failed', () => failed.length > 0);
    await one.abandon();
    assert.match(failed[0]!, /before it said anything.*handshake_first/);
  });

  it('survives a reset while the library reads the file of the authority', async (t) => {
    t.mock.method(NodeTransport.prototype, 'loadClientCerts', () => wait(20, {}));
    const port = await startLeaver(t, (socket) => {
      socket.write(`INFO ${JSON.stringify({ ...info, tls_required: true })}\r\n`);
      setTimeout(() => socket.resetAndDestroy(), 5);
    });
    const { link: one, failed } = dialOn(t, port, { tls: { caFile: 'any' } });
    await until('some have failed', () => failed.length >= 3);
    await one.abandon();
    assert.match(failed[0]!, /ECONNRESET/);
  });

  it('dials on when the clock has been set back', async (t) => {
    const port = await startLeaver(t, (socket) => void socket.end());
    const { link: one, failed } = dialOn(t, port, { reconnectDelayHandler: () => 20 });
    await until('one has failed', () => failed.length > 0);
    for (const server of one.servers.getServers()) server.lastConnect = Date.now() + 3_600_000;
    const before = failed.length;
    await until('more have failed', () => failed.length > before + 1);
    await one.abandon();
  });
});

describe('NatsLink, in a cluster with TLS', () => {
  it('asks members that joined later for the same name as the others', () => {
    const one = new NatsLink(
      { servers: ['gateway.example:1'], noRandomize: true },
      { status: () => undefined, dialFailed: () => undefined },
    );
    const sent = (): void => undefined;
    one.transport = {
      isEncrypted: () => true,
      send: sent,
      version: '',
      lang: '',
    } as unknown as NatsTransport;
    const tell = (urls: string[]): void =>
      one.processInfo(Buffer.from(JSON.stringify({ ...info, connect_urls: urls })));
    tell(['10.0.0.1:4222']);
    tell(['10.0.0.1:4222', '10.0.0.2:4222']);
    assert.deepEqual(
      one.servers.getServers().map(({ listen, tlsName }) => [listen, tlsName]),
      [
        ['gateway.example:1', ''],
        ['10.0.0.1:4222', 'gateway.example'],
        ['10.0.0.2:4222', 'gateway.example'],
      ],
    );
  });
});

/** Much more than a portion, in one write. */
const flood = Buffer.from(`MSG a 1 1000\r\n${'x'.repeat(1_000)}\r\n`.repeat(16_000));
const portionBytes = 64 * 1024;

/** Connected to a broker that answers the first word with the flood. */
async function connectToFlood(t: TestContext): Promise<NatsTransport> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write('INFO {"server_id":"a","version":"2.10.0","max_payload":1048576}\r\n');
    socket.once('data', () => socket.write(flood));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const transport = new NatsTransport();
  t.after(() => {
    transport.discard();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  await transport.connect({ hostname: '127.0.0.1', port, tlsName: '' }, {});
  return transport;
}

describe('NatsTransport', () => {
  it('reads in portions, however much has come, and leaves nothing out', async (t) => {
    const transport = await connectToFlood(t);
    let inThisTurn = 0;
    let longest = 0;
    let all = 0;
    const { promise: everything, resolve } = Promise.withResolvers<void>();
    transport.socket.on('data', (portion: Uint8Array) => {
      if (inThisTurn === 0) {
        setImmediate(() => {
          inThisTurn = 0;
        });
      }
      inThisTurn += portion.length;
      longest = Math.max(longest, inThisTurn);
      all += portion.length;
      if (all === flood.length) resolve();
    });
    transport.send(Buffer.from('PING\r\n'));
    await everything;
    // The last read of a portion may go beyond it.
    assert.ok(longest <= portionBytes + 64 * 1024, `${longest} bytes in one turn`);
  });

  it('rests after a whole portion only, and for no longer than the loop takes to turn', async (t) => {
    const transport = await connectToFlood(t);
    const { promise: everything, resolve } = Promise.withResolvers<void>();
    let all = 0;
    let rests = 0;
    let longestTurns = 0;
    transport.socket.on('pause', () => {
      rests += 1;
      let turns = 0;
      let isOver = false;
      const count = (): void => {
        if (isOver) return;
        turns += 1;
        setImmediate(count);
      };
      setImmediate(count);
      transport.socket.once('resume', () => {
        isOver = true;
        longestTurns = Math.max(longestTurns, turns);
      });
    });
    transport.socket.on('data', (portion: Uint8Array) => {
      all += portion.length;
      if (all === flood.length) resolve();
    });
    transport.send(Buffer.from('PING\r\n'));
    await everything;
    assert.ok(rests > 10 && rests <= flood.length / portionBytes, `${rests} rests`);
    assert.ok(longestTurns <= 2, `${longestTurns} turns`);
  });

  it('may be closed while it rests', async (t) => {
    const transport = await connectToFlood(t);
    const { socket } = transport;
    const { promise: closed, resolve } = Promise.withResolvers<Promise<void>>();
    socket.once('pause', () => resolve(transport.close()));
    transport.send(Buffer.from('PING\r\n'));
    await closed;
    // Its turn to go on comes all the same.
    await new Promise(setImmediate);
    assert.ok(socket.destroyed);
  });
});
