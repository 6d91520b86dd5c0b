/** The bus on NATS against a real nats-server, which is killed, frozen, sent away and told to refuse. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { BusState } from '../../src/bus/bus.ts';
import { BusUnavailableError } from '../../src/bus/bus.ts';
import { NatsBus } from '../../src/bus/nats-bus.ts';
import type { NatsBusOptions } from '../../src/bus/nats-options.ts';
import { createTempFolder } from '../support/child.ts';
import { createNatsAccount } from '../support/nats-account.ts';
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../support/nats-server.ts';
import { freePort } from '../support/ports.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { connected, describeBus, runModule, text } from './bus.ts';

const skip = await skipWithout('nats-server');
const payload = Buffer.from('payload');

async function startServer(t: TestContext, options?: NatsServerOptions): Promise<NatsServer> {
  const server = await startNatsServer(options);
  t.after(() => server.stop());
  return server;
}

type Observed = { bus: NatsBus; states: BusState[]; warnings: string[] };

/** Quick where the product is patient. */
function createBus(t: TestContext, servers: string[], options: Partial<NatsBusOptions> = {}): Observed {
  const warnings: string[] = [];
  const bus = new NatsBus({
    servers,
    name: 'tidegauge test',
    reconnectWaitMs: 20,
    reconnectJitterMs: 20,
    log: { warn: (details, message) => warnings.push(`${message} ${JSON.stringify(details)}`) },
    ...options,
  });
  t.after(() => bus.close());
  const states: BusState[] = [];
  bus.onState((state) => states.push(state));
  return { bus, states, warnings };
}

async function is(bus: NatsBus, state: BusState): Promise<void> {
  await until(`the bus is ${state}`, () => bus.state === state, { timeoutMs: 20_000 });
}

function scriptFor(url: string, options: Partial<NatsBusOptions> = {}): string {
  return `
    import { NatsBus } from ${JSON.stringify(import.meta.resolve('../../src/bus/nats-bus.ts'))};
    const bus = new NatsBus({
      servers: [${JSON.stringify(url)}],
      name: 'tidegauge child',
      log: { warn() {} },
      ...${JSON.stringify(options)},
    });
  `;
}

describeBus(
  {
    name: 'NatsBus',
    create: async (t) => createBus(t, [(await startServer(t)).url]).bus,
    script: async (t) => scriptFor((await startServer(t)).url),
  },
  { skip },
);

describe('NatsBus and its server', { skip }, () => {
  it('names itself to the server, and the server without credentials to others', async (t) => {
    const server = await startServer(t);
    const { bus } = createBus(t, [server.url]);
    assert.equal(bus.server, `127.0.0.1:${server.port}`);
    await connected(bus);
    assert.equal(bus.server, `127.0.0.1:${server.port}`);
    const { connections } = await server.connz();
    assert.deepEqual(
      connections.map(({ name }) => name),
      ['tidegauge test'],
    );
    assert.equal(createBus(t, ['nats://user:secret@[::1]:4222']).bus.server, '[::1]:4222');
  });

  it('waits for a server that is absent at start, says so once, and recovers', async (t) => {
    const port = await freePort();
    const { bus, states, warnings } = createBus(t, [`nats://127.0.0.1:${port}`]);
    const heard: string[] = [];
    bus.subscribe('early', (message) => heard.push(text(message)));
    bus.start();
    await until('it has complained', () => warnings.length > 0);
    // Time for several attempts more.
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(bus.state, 'connecting');
    assert.throws(() => bus.publish('early', payload), BusUnavailableError);
    assert.equal(bus.pendingBytes, 0);
    await startServer(t, { port });
    await is(bus, 'connected');
    bus.publish('early', Buffer.from('bird'));
    await bus.roundTrip();
    assert.deepEqual(heard, ['bird']);
    assert.deepEqual(states, ['connected']);
    assert.deepEqual([bus.counts.reconnects, bus.counts.disconnects.connection_lost], [0, 0]);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /cannot connect to the bus .*connection refused/);
  });

  it('comes back after the server was killed, with its subscriptions, and counts it', async (t) => {
    const server = await startServer(t);
    const { bus, states, warnings } = createBus(t, [server.url]);
    await connected(bus);
    const heard: string[] = [];
    bus.subscribe('a.>', (message) => heard.push(text(message)));
    const ended = bus.subscribe('b', (message) => heard.push(text(message)));
    await server.kill();
    await is(bus, 'reconnecting');
    assert.throws(() => bus.publish('a.b', payload), BusUnavailableError);
    ended.drain();
    bus.subscribe('c', (message) => heard.push(text(message)));
    await server.restart();
    await is(bus, 'connected');
    for (const subject of ['a.1', 'b', 'c']) bus.publish(subject, Buffer.from(subject));
    await bus.roundTrip();
    assert.deepEqual(heard, ['a.1', 'c']);
    assert.deepEqual(states, ['connected', 'reconnecting', 'connected']);
    assert.equal(bus.counts.reconnects, 1);
    assert.deepEqual(bus.counts.disconnects, {
      connection_lost: 1,
      stale: 0,
      lame_duck: 0,
      authorization: 0,
      other: 0,
    });
    assert.equal(warnings.filter((one) => one.startsWith('the bus is gone')).length, 1);
    const { connections } = await server.connz('subs=1');
    assert.deepEqual(connections[0]?.subscriptions_list?.sort(), ['a.>', 'c']);
  });

  it('finds out a frozen server by its pings, even behind a backlog, and recovers', async (t) => {
    const server = await startServer(t);
    const { bus, states } = createBus(t, [server.url], { pingIntervalMs: 50, dialTimeoutMs: 200 });
    await connected(bus);
    await server.freeze();
    const trip = assert.rejects(bus.roundTrip(), BusUnavailableError);
    // More than the kernel takes for a peer that does not read; and then no more, for it would be lost with the link.
    const large = Buffer.alloc(500_000);
    assert.throws(() => {
      for (let sent = 0; sent < 100; sent += 1) bus.publish('backlog', large);
    }, BusUnavailableError);
    await until('the socket takes no more', () => bus.pendingBytes > 1_000_000);
    assert.ok(bus.pendingBytes < 2 * 16 * 2 ** 20);
    const startMs = performance.now();
    await is(bus, 'reconnecting');
    assert.ok(performance.now() - startMs < 5_000);
    await trip;
    assert.equal(bus.counts.disconnects.stale, 1);
    // Long enough for dials that the frozen server lets in and never answers.
    await new Promise((resolve) => setTimeout(resolve, 500));
    server.thaw();
    await is(bus, 'connected');
    assert.deepEqual(states, ['connected', 'reconnecting', 'connected']);
    await until(
      'the server has but one connection of ours',
      async () => (await server.connz()).num_connections === 1,
    );
  });

  it('drains on a frozen server no longer than the pings take', async (t) => {
    const server = await startServer(t);
    const { bus, states } = createBus(t, [server.url], { pingIntervalMs: 50 });
    await connected(bus);
    await server.freeze();
    await bus.drain();
    assert.deepEqual(states, ['connected', 'draining', 'closed']);
  });

  it('leaves a server in lame duck mode for another one', async (t) => {
    const [leaving, staying] = [await startServer(t), await startServer(t)];
    const { bus, states } = createBus(t, [leaving.url], { lameDuckWaitMs: 50 });
    await connected(bus);
    bus.close();
    const pair = createBus(t, [leaving.url, staying.url], { lameDuckWaitMs: 50 });
    await connected(pair.bus);
    const first = pair.bus.server === `127.0.0.1:${leaving.port}` ? leaving : staying;
    const other = first === leaving ? staying : leaving;
    first.lameDuck();
    await until('it has moved', () => pair.bus.counts.reconnects === 1);
    assert.equal(pair.bus.server, `127.0.0.1:${other.port}`);
    assert.deepEqual(pair.states, ['connected', 'reconnecting', 'connected']);
    assert.equal(pair.bus.counts.disconnects.lame_duck, 1);
    assert.deepEqual(states, ['connected', 'closed']);
  });

  it('stays with its only server in lame duck mode until that one goes', async (t) => {
    const server = await startServer(t, {
      configText: 'lame_duck_grace_period: "1s"\nlame_duck_duration: "30s"',
    });
    const { bus, warnings } = createBus(t, [server.url], { lameDuckWaitMs: 0 });
    await connected(bus);
    server.lameDuck();
    await until('it has heard', () => warnings.length === 1);
    await bus.roundTrip();
    assert.equal(bus.state, 'connected');
    await is(bus, 'reconnecting');
    assert.equal(bus.counts.disconnects.lame_duck, 1);
    await server.restart();
    await is(bus, 'connected');
  });

  it('uses the living member of a cluster list', async (t) => {
    const server = await startServer(t);
    const dead = `nats://127.0.0.1:${await freePort()}`;
    for (let i = 0; i < 4; i += 1) {
      const { bus } = createBus(t, [dead, server.url]);
      await connected(bus);
      assert.equal(bus.server, `127.0.0.1:${server.port}`);
      await bus.close();
    }
  });

  it('counts what the client library and the server count, to the byte', async (t) => {
    const server = await startServer(t);
    const { bus } = createBus(t, [server.url]);
    await connected(bus);
    for (const pattern of ['count.>', 'count.*', 'count.7']) bus.subscribe(pattern, () => undefined);
    for (let i = 0; i < 500; i += 1) bus.publish(`count.${i % 10}`, Buffer.alloc(i));
    await bus.roundTrip();
    const rowOfBus = async (): Promise<number[]> => {
      const [row] = (await server.connz()).connections;
      return [row!.out_msgs, row!.in_msgs, row!.out_bytes, row!.in_bytes];
    };
    const { messagesReceived, messagesSent, bytesReceived, bytesSent } = bus.counts;
    assert.deepEqual([messagesReceived, messagesSent], [1_050, 500]);
    assert.deepEqual(await rowOfBus(), [messagesReceived, messagesSent, bytesReceived, bytesSent]);
    assert.deepEqual(bus.linkCounts, { messagesReceived, messagesSent, bytesReceived, bytesSent });

    // With headers, theirs are larger by exactly the block of headers.
    const block = 'NATS/1.0\r\nNats-Msg-Id: 17\r\n\r\n'.length;
    bus.publish('count.x', Buffer.alloc(3), { messageId: '17' });
    await bus.roundTrip();
    assert.deepEqual([bus.counts.bytesSent, bus.counts.bytesReceived], [bytesSent + 3, bytesReceived + 6]);
    assert.deepEqual(
      [bus.linkCounts.bytesSent, bus.linkCounts.bytesReceived],
      [bytesSent + 3 + block, bytesReceived + 6 + 2 * block],
    );
    const { linkCounts: link } = bus;
    assert.deepEqual(await rowOfBus(), [
      link.messagesReceived,
      link.messagesSent,
      link.bytesReceived,
      link.bytesSent,
    ]);
  });

  it('survives headers that the client library cannot read', async (t) => {
    const server = await startServer(t);
    const { bus } = createBus(t, [server.url]);
    await connected(bus);
    const heard: (string | undefined)[] = [];
    bus.subscribe('odd', ({ messageId }) => heard.push(messageId));
    await bus.roundTrip();
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'data');
    const publish = (headers: string): void => {
      const block = `NATS/1.0\r\n${headers}\r\n\r\n`;
      socket.write(`HPUB odd ${Buffer.byteLength(block)} ${Buffer.byteLength(block) + 1}\r\n${block}x\r\n`);
    };
    socket.write('CONNECT {"verbose":false,"headers":true}\r\n');
    publish('no name: y\r\nNats-Msg-Id: 1');
    publish('\u00e4\u0001: y');
    publish('Nats-Msg-Id: 2');
    await until('all have come', () => heard.length === 3);
    socket.destroy();
    assert.deepEqual(heard, [undefined, undefined, '2']);
    await bus.roundTrip();
  });

  it('counts a server that closes for a reason of its own as other', async (t) => {
    const server = await startServer(t, { configText: 'max_control_line: 200' });
    const { bus, warnings } = createBus(t, [server.url]);
    await connected(bus);
    bus.subscribe('long'.repeat(60), () => undefined);
    await until('it is cut', () => bus.counts.disconnects.other > 0);
    assert.match(warnings[0]!, /maximum control line/i);
  });

  it('throws a RangeError for a message that the server would not take, and stays connected', async (t) => {
    const server = await startServer(t, { configText: 'max_payload: 1000' });
    const { bus, states } = createBus(t, [server.url]);
    await connected(bus);
    assert.throws(() => bus.publish('large', Buffer.alloc(1_001)), RangeError);
    assert.throws(() => bus.publish('large', Buffer.alloc(999), { messageId: 'and headers' }), RangeError);
    bus.publish('large', Buffer.alloc(1_000));
    await bus.roundTrip();
    assert.deepEqual([states, bus.counts.messagesSent], [['connected'], 1]);
  });
});

describe('NatsBus and permissions', { skip }, () => {
  for (const { kind, config, wrong, right } of [
    {
      kind: 'token',
      config: 'authorization { token: "right" }',
      wrong: { token: 'wrong' },
      right: { token: 'right' },
    },
    {
      kind: 'user and password',
      config: 'authorization { user: "me", password: "right" }',
      wrong: { user: 'me', password: 'wrong' },
      right: { user: 'me', password: 'right' },
    },
  ]) {
    it(`logs in with ${kind}; with wrong ones it keeps trying, and says so once`, async (t) => {
      const server = await startServer(t, { configText: config });
      const refused = createBus(t, [server.url], wrong);
      refused.bus.start();
      const refusals = (): number => server.log().match(/authentication error/gi)?.length ?? 0;
      await until('several attempts were refused', () => refusals() >= 4);
      assert.equal(refused.bus.state, 'connecting');
      assert.deepEqual(refused.states, []);
      const complaints = refused.warnings.filter((one) => /Authorization Violation/.test(one));
      assert.equal(complaints.length, 1, complaints.join('\n'));
      assert.doesNotMatch(refused.warnings.join('\n'), /wrong/);
      const admitted = createBus(t, [server.url], right);
      await connected(admitted.bus);
      await admitted.bus.roundTrip();
    });
  }

  it('gets in without a restart when the server has learnt the credentials', async (t) => {
    const port = await freePort();
    const configText = 'authorization { token: "new" }';
    const strict = await startNatsServer({ port, configText: 'authorization { token: "old" }' });
    const { bus, states } = createBus(t, [strict.url], { token: 'new' });
    bus.start();
    await until('it was refused', () => /authentication error/i.test(strict.log()));
    await strict.stop();
    await startServer(t, { port, configText });
    await is(bus, 'connected');
    await bus.roundTrip();
    assert.deepEqual([states, bus.counts.reconnects], [['connected'], 0]);
  });

  it('logs in with a credentials file', async (t) => {
    const account = createNatsAccount();
    const server = await startServer(t, { configText: account.serverConfig });
    const folder = createTempFolder('creds');
    t.after(() => folder.remove());
    const credsFile = join(folder.path, 'user.creds');
    writeFileSync(credsFile, account.userCredentials);
    const { bus } = createBus(t, [server.url], { credsFile });
    await connected(bus);
    await bus.roundTrip();
    // The file is gone for a moment while somebody replaces it, and the link breaks just then.
    folder.remove();
    await server.restart();
    await until('it is back', () => bus.counts.reconnects === 1);
    assert.throws(
      () => createBus(t, [server.url], { credsFile }),
      /credentials file .*user\.creds cannot be read/,
    );
  });

  it('counts the end of its authorization as such, and keeps trying', async (t) => {
    const account = createNatsAccount({ userExpiresInSeconds: 2 });
    const server = await startServer(t, { configText: account.serverConfig });
    const folder = createTempFolder('creds');
    t.after(() => folder.remove());
    const credsFile = join(folder.path, 'user.creds');
    writeFileSync(credsFile, account.userCredentials);
    const { bus } = createBus(t, [server.url], { credsFile });
    await connected(bus);
    const refusals = (): number => server.log().match(/authentication error/gi)?.length ?? 0;
    await until('several attempts were refused', () => refusals() >= 4);
    // In its last second the server lets us in, and puts us out again at once.
    const { disconnects, reconnects } = bus.counts;
    assert.equal(bus.state, 'reconnecting');
    assert.deepEqual(disconnects, {
      connection_lost: 0,
      stale: 0,
      lame_duck: 0,
      authorization: reconnects + 1,
      other: 0,
    });
  });

  it('refuses a credentials file that is none', (t) => {
    const folder = createTempFolder('creds');
    t.after(() => folder.remove());
    const credsFile = join(folder.path, 'user.creds');
    writeFileSync(credsFile, 'no credentials');
    assert.throws(() => createBus(t, ['localhost'], { credsFile }), /credentials file .* cannot be used/);
  });

  it('tells when a subscription is refused, and the others live on', async (t) => {
    const server = await startServer(t, {
      configText:
        'authorization { users: [{ user: "me", password: "x", permissions: { subscribe: "ok.>", publish: ">" } }] }',
    });
    const { bus, warnings } = createBus(t, [server.url], { user: 'me', password: 'x' });
    let refused = 0;
    const heard: string[] = [];
    bus
      .subscribe(
        'secret.>',
        () => heard.push('secret'),
        () => {
          refused += 1;
        },
      )
      .drain();
    await connected(bus);
    bus.subscribe(
      'secret.*',
      () => heard.push('secret'),
      () => {
        refused += 1;
      },
    );
    bus.subscribe('ok.a', () => heard.push('ok'));
    bus.publish('secret.a', payload);
    bus.publish('ok.a', payload);
    await bus.roundTrip();
    assert.deepEqual(heard, ['ok']);
    assert.equal(refused, 1);
    assert.equal(warnings.filter((one) => one.includes('refuses a subscription')).length, 1);
    assert.equal(bus.state, 'connected');
  });

  /** Subscribes to the patterns and keeps which of them were refused, and for which want. */
  function subscribeAll(bus: NatsBus, patterns: readonly string[]): { refusals: string[]; heard: string[] } {
    const refusals: string[] = [];
    const heard: string[] = [];
    for (const pattern of patterns) {
      bus.subscribe(
        pattern,
        ({ subject }) => heard.push(`${pattern} ${subject}`),
        (refusal) => refusals.push(`${pattern} ${refusal}`),
      );
    }
    return { refusals, heard };
  }

  it('tells exactly which subscriptions the server has no room for, and the others live on', async (t) => {
    const server = await startServer(t, { configText: 'max_subs: 3' });
    const { bus, warnings } = createBus(t, [server.url]);
    await connected(bus);
    const passing = bus.subscribe('passing', () => undefined);
    const first = subscribeAll(bus, ['a.*', 'a.b', 'a.>', 'x']);
    // In one go, so that what is refused stands between what is not.
    passing.drain();
    const second = subscribeAll(bus, ['a.b.>', '>']);
    await bus.roundTrip();
    assert.deepEqual(first.refusals, ['a.> limit', 'x limit']);
    assert.deepEqual(second.refusals, ['> limit']);
    bus.publish('a.b', payload);
    bus.publish('a.b.c', payload);
    await bus.roundTrip();
    assert.deepEqual(first.heard.sort(), ['a.* a.b', 'a.b a.b']);
    assert.deepEqual(second.heard, ['a.b.> a.b.c']);
    assert.equal(bus.state, 'connected');
    assert.equal(warnings.length, 3, warnings.join('\n'));
    assert.match(warnings[0]!, /refuses a subscription .*"a\.>".*maximum subscriptions exceeded/);
  });

  it('tells which ones a new link has no room for, of many', async (t) => {
    const port = await freePort();
    const roomy = await startNatsServer({ port });
    const { bus } = createBus(t, [roomy.url]);
    await connected(bus);
    const patterns = Array.from({ length: 2_000 }, (_, i) => `many.${i}`);
    const { refusals, heard } = subscribeAll(bus, patterns);
    await bus.roundTrip();
    assert.deepEqual(refusals, []);
    await roomy.stop();
    await startServer(t, { port, configText: 'max_subs: 1500' });
    await until('it is back', () => bus.counts.reconnects === 1);
    await bus.roundTrip();
    assert.deepEqual(
      refusals,
      patterns.slice(1_500).map((pattern) => `${pattern} limit`),
    );
    for (const pattern of patterns) bus.publish(pattern, payload);
    await bus.roundTrip();
    assert.equal(heard.length, 1_500);
  });

  it('asks once for what is wanted during the dial, and keeps to the order of pings that are asked for then', async (t) => {
    const server = await startServer(t, { configText: 'max_subs: 2' });
    await server.freeze();
    const { bus } = createBus(t, [server.url]);
    const before = subscribeAll(bus, ['before']);
    bus.start();
    // The kernel takes the connection for the server; the greeting does not come.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const ended = bus.subscribe('ended', () => undefined);
    const during = subscribeAll(bus, ['during']);
    ended.drain();
    server.thaw();
    await is(bus, 'connected');
    await bus.roundTrip();
    // At the link's beginning the ended one still counts; what it leaves is free afterwards.
    assert.deepEqual([before.refusals, during.refusals], [[], ['during limit']]);
    const after = subscribeAll(bus, ['after', 'too.many']);
    await bus.roundTrip();
    assert.deepEqual(after.refusals, ['too.many limit']);
  });

  const openssl = ((): string | false => {
    try {
      execFileSync('openssl', ['version']);
      return false;
    } catch {
      if (process.env.CI === 'true') throw new Error('openssl is missing');
      return 'needs openssl to make a certificate';
    }
  })();

  /** For these names alone, in that folder; and how a server is started with it. */
  function createCertificate(folder: string, names: string): { certificate: string; args: string[] } {
    const [key, certificate] = [join(folder, `${names}.key`), join(folder, `${names}.pem`)];
    // biome-ignore format: an argument stays beside its name
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
      '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    return { certificate, args: ['--tls', '--tlscert', certificate, '--tlskey', key] };
  }

  it('wants a certificate for the address, where the server is given by one', {
    skip: openssl,
  }, async (t) => {
    const folder = createTempFolder('tls');
    t.after(() => folder.remove());
    const secured = async (name: string) => {
      const { certificate, args } = createCertificate(folder.path, name);
      const { port } = await startServer(t, { args });
      return createBus(t, [`tls://127.0.0.1:${port}`], { tlsCaFile: certificate });
    };
    const [right, wrong] = [await secured('IP:127.0.0.1'), await secured('DNS:localhost')];
    await connected(right.bus);
    wrong.bus.start();
    await until('it has complained', () => wrong.warnings.length > 0);
    assert.equal(wrong.bus.state, 'connecting');
    assert.match(wrong.warnings[0]!, /IP: 127\.0\.0\.1 is not in the cert's list/);
  });

  it('demands TLS when an authority is given, and trusts that one only', { skip: openssl }, async (t) => {
    const folder = createTempFolder('tls');
    t.after(() => folder.remove());
    const { certificate, args } = createCertificate(folder.path, 'DNS:localhost,IP:127.0.0.1');
    const secure = await startServer(t, { args });
    const plain = await startServer(t);

    const { bus } = createBus(t, [`nats://localhost:${secure.port}`], { tlsCaFile: certificate });
    await connected(bus);
    let calls = 0;
    bus.subscribe('tls', () => {
      calls += 1;
    });
    bus.publish('tls', payload);
    await bus.roundTrip();
    assert.equal(calls, 1);

    const distrustful = createBus(t, [`tls://localhost:${secure.port}`]);
    const unwilling = createBus(t, [plain.url], { tlsCaFile: certificate });
    for (const { bus, warnings } of [distrustful, unwilling]) {
      bus.start();
      await until('it has complained', () => warnings.length > 0);
      assert.equal(bus.state, 'connecting');
    }
    assert.match(distrustful.warnings[0]!, /self-signed certificate/);
    assert.match(unwilling.warnings[0]!, /does not support 'tls'/);
    assert.throws(
      () => createBus(t, ['localhost'], { tlsCaFile: join(folder.path, 'none') }),
      /authority file .*none/,
    );
  });
});

describe('NatsBus, when it is closed', { skip }, () => {
  it('leaves nothing behind while there is no server', async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    const printed = await runModule(`
      ${scriptFor(url, { reconnectWaitMs: 60_000 })}
      bus.start();
      setTimeout(async () => { await bus.close(); console.log(bus.state); }, 100);
    `);
    assert.equal(printed, 'closed\n');
  });

  it('leaves nothing behind in the very turn in which it was started', async () => {
    const printed = await runModule(`
      ${scriptFor('nats://localhost:1')}
      bus.start();
      await bus.close();
      console.log(bus.state);
    `);
    assert.equal(printed, 'closed\n');
  });

  it('leaves nothing behind while a frozen server does not answer', async (t) => {
    const server = await startServer(t);
    await server.freeze();
    const printed = await runModule(`
      ${scriptFor(server.url, { dialTimeoutMs: 60_000 })}
      bus.start();
      setTimeout(async () => { await bus.close(); console.log(bus.state); }, 100);
    `);
    assert.equal(printed, 'closed\n');
  });

  it('leaves nothing behind while it reconnects', async (t) => {
    const server = await startServer(t);
    const ended = runModule(`
      ${scriptFor(server.url, { reconnectWaitMs: 60_000 })}
      bus.subscribe('here', () => undefined);
      bus.onState(async (state) => {
        if (state === 'reconnecting') setTimeout(async () => { await bus.close(); console.log(bus.state); }, 100);
      });
      bus.start();
    `);
    await until(
      'the child is connected',
      async () => (await server.connz()).connections[0]?.subscriptions === 1,
    );
    await server.kill();
    assert.equal(await ended, 'closed\n');
  });
});
