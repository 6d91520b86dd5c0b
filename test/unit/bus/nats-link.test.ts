/**
 * What NatsLink needs of the client library's inside. An upgrade that takes any of it away fails here, by name,
 * instead of somewhere else for no apparent reason. What the parts do is proved by the contract suite on a real server.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { ProtocolHandler } from '@nats-io/transport-node';
import { NodeTransport } from '@nats-io/transport-node/lib/node_transport.js';
import { NatsLink, NatsTransport } from '../../../src/bus/nats-link.ts';

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
      missing(NodeTransport.prototype, ['dial', 'discard', 'connect', 'startTLS', 'setupHandlers']),
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
