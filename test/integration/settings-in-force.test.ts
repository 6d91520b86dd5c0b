/** Settings that the composition root hands on: that each arrives where it belongs shows in what a service does. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

async function withService(env: Record<string, string>, run: (service: TestService) => Promise<void>) {
  const service = await startTestService(env);
  try {
    await service.ready();
    await run(service);
  } finally {
    await service.stop();
  }
}

async function publish({ url }: TestService, subject: string, body: string, id?: string): Promise<void> {
  const headers = { 'content-type': 'application/json', ...(id !== undefined && { 'nats-msg-id': id }) };
  const answer = await fetch(`${url}/publish/${subject}`, { method: 'POST', body, headers });
  assert.equal(answer.status, 202, subject);
}

/** What a client that does not subscribe hears of these, up to the last one. */
async function heardOf(
  service: TestService,
  messages: readonly (readonly [subject: string, body: string, id?: string])[],
): Promise<string[]> {
  const client = await connectClient(service.wsUrl);
  const welcome = client.messages.length;
  for (const message of messages) await publish(service, ...message);
  const last = messages.at(-1)![1];
  await until('the last one', () => client.messages.at(-1) === last);
  return client.messages.slice(welcome);
}

const [one, same, end] = ['{"nonce":"n","at":1}', '{"nonce":"n","at":2}', 'end'];

test('TIDEGAUGE_DEDUPE_BY: a nonce makes duplicates where it is named, and not by default', async () => {
  const messages = [
    ['public.a', one],
    ['public.a', same],
    ['public.a', end],
  ] as const;
  await withService({}, async (service) => {
    assert.deepEqual(await heardOf(service, messages), [one, same, end]);
  });
  await withService({ TIDEGAUGE_DEDUPE_BY: 'msg-id,nonce' }, async (service) => {
    assert.deepEqual(await heardOf(service, messages), [one, end]);
    const readings = await service.collect();
    assert.equal(readings.value('tidegauge.bus.duplicates'), 1);
    assert.equal(readings.value('tidegauge.dedupe.entries'), 1);
  });
});

test('TIDEGAUGE_DEDUPE_WINDOW and TIDEGAUGE_DEDUPE_ENTRIES bound what is remembered, each for itself', async () => {
  const messages = [
    ['public.a', 'first', 'id-1'],
    ['public.a', 'again', 'id-1'],
    ['public.a', 'second', 'id-2'],
    ['public.a', 'third', 'id-3'],
    ['public.a', 'late', 'id-1'],
    ['public.a', end],
  ] as const;
  await withService({ TIDEGAUGE_DEDUPE_ENTRIES: '2' }, async (service) => {
    assert.deepEqual(await heardOf(service, messages), ['first', 'second', 'third', 'late', end]);
    assert.equal((await service.collect()).value('tidegauge.dedupe.entries'), 2);
  });
  for (const off of ['TIDEGAUGE_DEDUPE_ENTRIES', 'TIDEGAUGE_DEDUPE_WINDOW'])
    await withService({ [off]: '0' }, async (service) => {
      assert.equal((await heardOf(service, messages)).length, messages.length, off);
    });
});

test('TIDEGAUGE_ALLOWED_CHANNELS narrows what is heard without a subscription', async () => {
  const settings = { TIDEGAUGE_SUBJECTS: 'public.>', TIDEGAUGE_ALLOWED_CHANNELS: 'public.a,private.>' };
  await withService(settings, async (service) => {
    const messages = [
      ['public.b', 'not for clients'],
      ['public.a', end],
    ] as const;
    assert.deepEqual(await heardOf(service, messages), [end]);
  });
});

test('the cores of the reports are those that the process may be scheduled on', async () => {
  await withService({}, async (service) => {
    for (const path of ['/metrics/system', '/metrics/enhanced']) {
      const { system } = (await service.getJson(path)).body as { system: { cpu: { cores: number } } };
      assert.equal(system.cpu.cores, Math.max(1, availableParallelism()), path);
    }
  });
});
