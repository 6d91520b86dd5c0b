/**
 * What NatsLink needs of the client library's inside. An upgrade that takes any of it away fails here, by name,
 * instead of somewhere else for no apparent reason. What the parts do is proved by the contract suite on a real server.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
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
      'unsub',
    ];
    assert.deepEqual(missing(ProtocolHandler.prototype, [...methods, 'reconnect', 'getServer']), []);
    const fields = ['transport', 'connected', '_closed', 'connectPromise', 'raceTimer', 'dialDelay'];
    const figures = ['inMsgs', 'outMsgs', 'inBytes', 'outBytes'];
    const one = link();
    assert.deepEqual(missing(one, [...fields, ...figures]), []);
    assert.equal(typeof one.heartbeats.cancel, 'function');
    assert.equal(typeof one.outbound.size(), 'number');
    assert.deepEqual([one.subscriptions.all(), one.servers.length()], [[], 1]);
  });

  it('still has the parts of its transport that NatsTransport reads and overrides', () => {
    assert.deepEqual(missing(NodeTransport.prototype, ['dial', 'discard', 'connect', 'setupHandlers']), []);
    assert.deepEqual(missing(new NodeTransport(), ['socket']), []);
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

describe('NatsTransport', () => {
  it('reads in portions, however much has come, and leaves nothing out', async (t) => {
    const flood = Buffer.from(`MSG a 1 1000\r\n${'x'.repeat(1_000)}\r\n`.repeat(16_000));
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
    // The last portion of a turn may be one read longer.
    assert.ok(longest <= 320 * 1024, `${longest} bytes in one turn`);
  });
});
