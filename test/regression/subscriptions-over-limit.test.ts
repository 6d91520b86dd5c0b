/**
 * nats-server drops a subscription beyond its `max_subs` and does not say which. It was taken for being in force: its
 * client heard nothing, for ever, and where it covered others those were ended for it. Now it is as one that is denied,
 * the others go on, and when there is room it is taken, and its listeners are told that they have missed something.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { startTestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient, type WsClient } from '../support/ws-client.ts';

const gap = '{"type":"gap","reason":"bus","dropped":null}';

describe('a subscription beyond the limit of the server', { skip: await skipWithout('nats-server') }, () => {
  const start = async (t: TestContext) => {
    const server = await startNatsServer({ configText: 'max_subs: 3' });
    t.after(() => server.stop());
    const { service, wsUrl, ready, stop } = await startTestService({
      NATS_URL: server.url,
      // One of the three is the service's own.
      TIDEGAUGE_SUBJECTS: 'public.>',
      TIDEGAUGE_ALLOWED_CHANNELS: 'public.>,x.>',
    });
    t.after(stop);
    await ready();
    const open = async (...channels: string[]): Promise<WsClient> => {
      const client = await connectClient(wsUrl);
      t.after(() => client.socket.terminate());
      client.send({ type: 'subscribe', channels });
      await client.heard('subscribed');
      return client;
    };
    /** What the client hears of messages that are published on these subjects now. */
    const hears = async (client: WsClient, subjects: string[]): Promise<string[]> => {
      const from = client.messages.length;
      for (const subject of [...subjects, 'x.1']) service.bus.publish(subject, Buffer.from(subject));
      await until('the last one has come', () => client.messages.slice(from).includes('x.1'));
      return client.messages.slice(from);
    };
    return { open, hears };
  };

  it('takes nothing from the others, and is heard with a gap before it when there is room', async (t) => {
    const { open, hears } = await start(t);
    const [narrow, other] = [await open('x.1'), await open('x.2')];
    const wide = await open('x.>');
    assert.deepEqual(await hears(narrow, ['x.2']), ['x.1']);
    assert.deepEqual(await hears(wide, ['x.2', 'x.3']), ['x.2', 'x.1']);
    other.socket.close();
    await wide.heard('gap');
    assert.deepEqual(await hears(wide, ['x.2', 'x.3']), ['x.2', 'x.3', 'x.1']);
    assert.deepEqual(
      [wide, narrow].map(({ messages }) => messages.filter((one) => one === gap).length),
      [1, 0],
    );
  });
});
