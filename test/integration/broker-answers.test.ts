/** What a real nats-server denies, or does not answer, is told to whoever asked; and when it gives it again. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createTempFolder } from '../support/child.ts';
import { startGateway } from '../support/gateway-process.ts';
import { NatsPublisher } from '../support/nats-publisher.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

type Permissions = { subscribe: string[]; publish: string[] };

/** The gateway has a user of its own; whoever has none may do anything. */
async function startBroker(t: TestContext, permissions: Permissions) {
  const folder = createTempFolder('permissions');
  const file = join(folder.path, 'nats.conf');
  const write = ({ subscribe, publish }: Permissions): void => {
    const allowed = JSON.stringify({ subscribe, publish });
    writeFileSync(
      file,
      `authorization { users: [
        { user: gateway, password: secret, permissions: ${allowed} }
        { user: other, password: other }
      ] }
      no_auth_user: other\n`,
    );
  };
  write(permissions);
  const server = await startNatsServer({ args: ['-c', file] });
  t.after(async () => {
    await server.stop();
    folder.remove();
  });
  const reload = (changed: Permissions): void => {
    write(changed);
    process.kill(server.pid, 'SIGHUP');
  };
  return { server, reload };
}

async function startBridge(t: TestContext, server: NatsServer) {
  const gateway = await startGateway({
    NATS_URL: server.url,
    NATS_USER: 'gateway',
    NATS_PASSWORD: 'secret',
    TIDEGAUGE_ALLOWED_CHANNELS: 'public.>,news.*',
  });
  t.after(() => gateway.stop());
  await gateway.ready();
  const publish = (subject: string) =>
    fetch(`${gateway.url}/publish/${subject}`, {
      method: 'POST',
      body: '{}',
      headers: { 'nats-msg-id': '1' },
    });
  return { gateway, publish };
}

const all: Permissions = { subscribe: ['>'], publish: ['>'] };
const codeOf = async (answer: Response): Promise<unknown> =>
  ((await answer.json()) as { error: { code: string } }).error.code;

describe('a broker', { skip: await skipWithout('nats-server') }, () => {
  it('that denies a message makes a 403, and one that does not answer a 503, never a 202', async (t) => {
    const { server } = await startBroker(t, { subscribe: ['>'], publish: ['public.a'] });
    const { publish } = await startBridge(t, server);
    assert.equal((await publish('public.a')).status, 202);
    // The broker writes these as Go does, with backslashes.
    for (const subject of ['public.b', 'public.q"uote', 'public.back\\slash']) {
      const denied = await publish(encodeURIComponent(subject));
      assert.deepEqual([denied.status, await codeOf(denied)], [403, 'forbidden_subject'], subject);
    }
    await server.freeze();
    const unanswered = await publish('public.a');
    assert.deepEqual([unanswered.status, await codeOf(unanswered)], [503, 'bus_unanswered']);
  });

  it('that denies a channel is named to who asks for it, counted, and asked again: then there is a gap', async (t) => {
    const { server, reload } = await startBroker(t, { ...all, subscribe: ['public.>'] });
    const { gateway } = await startBridge(t, server);
    const client = await connectClient(gateway.wsUrl);
    const subscribed = () => client.messages.filter((text) => text.includes('"subscribed"')).length;
    client.send({ type: 'subscribe', channels: ['news.a'] });
    client.send({ type: 'subscribe', channels: ['news."quoted"'] });
    await until('it is subscribed', () => subscribed() === 2);
    const told = client.messages.filter((text) => text.includes('"error"'));
    assert.equal(told.length, 2);
    assert.match(told[0]!, /"forbidden".*does not let this gateway hear \\"news\.a\\" for now/);
    const refused = async () =>
      /^tidegauge_bus_refused\S* (\d+)$/m.exec(await (await fetch(`${gateway.url}/metrics`)).text())?.[1];
    assert.equal(await refused(), '2');
    reload(all);
    await until('it is told of a gap', () => client.messages.some((text) => text.includes('"gap"')), {
      timeoutMs: 30_000,
    });
    const publisher = await NatsPublisher.connect(server.port);
    await publisher.publish('news.a', 1, 1_000, () => 'news');
    await until('it hears', () => client.messages.includes('news'));
    publisher.end();
    assert.equal(await refused(), '0');
  });
});
