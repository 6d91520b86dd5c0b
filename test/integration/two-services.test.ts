/**
 * A service is an object, not the process: two of them share one without seeing each other, one stops while the
 * other goes on, and what has stopped has left nothing behind.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient, type WsClient } from '../support/ws-client.ts';

async function connectAll(count: number, { wsUrl }: TestService): Promise<WsClient[]> {
  return await Promise.all(Array.from({ length: count }, () => connectClient(wsUrl)));
}

async function publish({ url }: TestService, words: string): Promise<void> {
  const headers = { 'content-type': 'text/plain' };
  const answer = await fetch(`${url}/publish/public.a`, { method: 'POST', body: words, headers });
  assert.equal(answer.status, 202);
}

describe('two services in one process', () => {
  test('have their own clients, messages and figures, on every exit', async () => {
    const [left, right] = [await startTestService(), await startTestService()];
    try {
      const [leftClients, rightClients] = [await connectAll(3, left), await connectAll(5, right)];
      await publish(left, 'left');
      for (const client of leftClients) await until('left', () => client.messages.includes('left'));
      for (const client of rightClients) assert.equal(client.messages.length, 1);
      for (const [service, clients, delivered] of [
        [left, 3, 3],
        [right, 5, 0],
      ] as const) {
        const readings = await service.collect();
        assert.equal(readings.value('tidegauge.connection.active'), clients);
        assert.equal(readings.value('tidegauge.connection.opened'), clients);
        assert.equal(readings.value('tidegauge.deliveries.sent'), delivered);
        assert.equal(readings.value('tidegauge.ledger.drift'), 0);
        const stats = (await service.getJson('/stats')).body as { connections: { active: number } };
        assert.equal(stats.connections.active, clients);
        const text = await (await fetch(`${service.url}/metrics`)).text();
        assert.match(text, new RegExp(`^tidegauge_connection_active(?:\\{.*\\})? ${clients}\\b`, 'm'));
      }
    } finally {
      await Promise.all([left.stop(), right.stop()]);
    }
  });

  test('go their own ways: one stops, the other goes on, and a third can start', async () => {
    const [first, second] = [await startTestService(), await startTestService()];
    const gone = await connectAll(3, first);
    const staying = await connectAll(3, second);
    await first.stop();
    for (const { closed } of gone) assert.deepEqual(await closed, { code: 1012, reason: 'drain' });
    const third = await startTestService();
    try {
      const fresh = await connectAll(1, third);
      await publish(second, 'still here');
      for (const client of staying) await until('the message', () => client.messages.at(-1) === 'still here');
      assert.equal(fresh[0]!.messages.length, 1);
      const readings = await second.collect();
      assert.equal(readings.value('tidegauge.connection.active'), 3);
      assert.equal(readings.sum('tidegauge.connection.closed'), 0);
      assert.equal((await third.collect()).value('tidegauge.connection.opened'), 1);
    } finally {
      await Promise.all([second.stop(), third.stop()]);
    }
  });
});

describe('nothing is left of a service that was stopped', {
  skip: await skipWithout('nats-server'),
}, async () => {
  const program = join(import.meta.dirname, '../support/embedder.ts');
  const run = async (scenario: string, NATS_URL: string): Promise<string> => {
    const { PATH = '', HOME = '' } = process.env;
    // A program that does not end by itself is killed, and that is an error.
    const options = { env: { PATH, HOME, NATS_URL }, timeout: 60_000, killSignal: 'SIGKILL' } as const;
    return (await promisify(execFile)(process.execPath, [program, scenario], options)).stdout;
  };
  const scenarios = JSON.parse(await run('', '')) as string[];
  for (const scenario of scenarios) {
    test(scenario, async () => {
      const nats = await startNatsServer();
      try {
        const { before, after } = JSON.parse(await run(scenario, nats.url)) as Record<string, string[]>;
        assert.deepEqual(after, before);
        await until('NATS sees nobody', async () => (await nats.connz()).num_connections === 0);
      } finally {
        await nats.stop();
      }
    });
  }
});
