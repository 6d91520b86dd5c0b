/** The starter of a real nats-server, against itself: everything that other tests lean on when they break the broker. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';

/** The protocol by hand, so that what is tested is not the client library. */
async function dial(server: NatsServer): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect(server.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  // A killed server resets; `close` follows and is what the tests look at.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, received: () => text };
}

async function start(t: TestContext, options?: NatsServerOptions): Promise<NatsServer> {
  const server = await startNatsServer(options);
  t.after(() => server.stop());
  return server;
}

describe('startNatsServer', { skip: await skipWithout('nats-server') }, () => {
  it('accepts connections as soon as it is there, and carries a message', async (t) => {
    const server = await start(t);
    const { socket, received } = await dial(server);
    socket.write('CONNECT {"verbose":false,"name":"by hand"}\r\nSUB a.* 1\r\nPUB a.b 5\r\nhello\r\n');
    await until('the message comes back', () => received().includes('MSG a.b 1 5\r\nhello\r\n'));
    const { connections } = await server.connz('subs=1');
    assert.equal(connections.length, 1);
    const [row] = connections;
    assert.deepEqual(
      [row?.name, row?.in_msgs, row?.in_bytes, row?.out_msgs, row?.subscriptions_list],
      ['by hand', 1, 5, 1, ['a.*']],
    );
    socket.destroy();
  });

  it('comes back on the same ports after a kill, as another process', async (t) => {
    const server = await start(t);
    const { url, monitorUrl, pid } = server;
    const { socket } = await dial(server);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await server.kill();
    await closed;
    await assert.rejects(dial(server), { code: 'ECONNREFUSED' });
    await server.restart();
    assert.deepEqual([server.url, server.monitorUrl], [url, monitorUrl]);
    assert.notEqual(server.pid, pid);
    const again = await dial(server);
    again.socket.destroy();
    assert.equal((await fetch(`${monitorUrl}/varz`)).status, 200);
  });

  it('answers nothing while it is frozen, and everything after', async (t) => {
    const server = await start(t);
    const { socket, received } = await dial(server);
    socket.write('CONNECT {"verbose":false}\r\nPING\r\n');
    await until('the first answer', () => received().includes('PONG'));
    const before = received();
    await server.freeze();
    socket.write('PING\r\n');
    await assert.rejects(fetch(`${server.monitorUrl}/varz`, { signal: AbortSignal.timeout(300) }), {
      name: 'TimeoutError',
    });
    assert.equal(received(), before);
    server.thaw();
    await until('the second answer', () => received().length > before.length);
    socket.destroy();
  });

  it('stops although it is frozen, and leaves no file and no process', async () => {
    const server = await startNatsServer();
    const { pid } = server;
    const folder = readlinkSync(`/proc/${pid}/cwd`);
    await server.freeze();
    await server.stop();
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    assert.equal(existsSync(folder), false);
  });

  it('takes a configuration and arguments', async (t) => {
    const server = await start(t, { configText: 'max_payload: 2048', args: ['-n', 'harbour'] });
    const { socket, received } = await dial(server);
    await until('the greeting', () => received().includes('\r\n'));
    const info = JSON.parse(received().slice('INFO '.length, received().indexOf('\r\n'))) as Record<
      string,
      unknown
    >;
    assert.deepEqual([info.server_name, info.max_payload], ['harbour', 2048]);
    socket.destroy();
  });

  it('tells its clients when it enters lame duck mode', async (t) => {
    const server = await start(t);
    const { socket, received } = await dial(server);
    // Only clients of protocol 1 are sent news after the greeting.
    socket.write('CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n');
    await until('the first answer', () => received().includes('PONG'));
    server.lameDuck();
    await until('the notice', () => received().includes('"ldm":true'));
    socket.destroy();
  });

  it('says what the server said when it does not start', async () => {
    await assert.rejects(
      startNatsServer({ configText: 'max_payload: {' }),
      /ended with code 1.*Parse error/s,
    );
  });
});
