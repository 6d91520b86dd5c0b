/** Behind proxies that are trusted: who is shown, who is counted, and which pages are our own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

async function withService(env: Record<string, string>, run: (service: TestService) => Promise<void>) {
  const service = await startTestService(env);
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

const from = (forwardedFor: string, more: Record<string, string> = {}) => ({
  headers: { 'x-forwarded-for': forwardedFor, ...more },
});

/** Whether it gets in, and the status if not. */
async function dial(
  { wsUrl }: TestService,
  options: Parameters<typeof connectClient>[1],
): Promise<'in' | number> {
  const headers: Record<string, string> = { ...(options?.headers as Record<string, string>) };
  const outcome = Promise.withResolvers<'in' | number>();
  const { default: WebSocket } = await import('ws');
  const socket = new WebSocket(wsUrl, { headers });
  socket.once('open', () => outcome.resolve('in'));
  socket.once('unexpected-response', (_request, response) => outcome.resolve(response.statusCode!));
  socket.on('error', () => {});
  return outcome.promise;
}

const addresses = ({ service }: TestService): string[] =>
  [...service.gateway.connections].map(({ remoteAddress }) => remoteAddress);

test('rows show whom a trusted proxy speaks for, and nobody else is believed', async () => {
  await withService({ TIDEGAUGE_TRUSTED_PROXIES: '127.0.0.0/8, 10.0.0.0/8' }, async (service) => {
    await connectClient(service.wsUrl, from('1.1.1.1, 203.0.113.9, 10.4.4.4'));
    assert.deepEqual(addresses(service), ['203.0.113.9']);
    const answer = await fetch(`${service.url}/connections?ip=203.0.113.9&fields=remote_addr`);
    assert.deepEqual(((await answer.json()) as { connections: unknown }).connections, [
      { remote_addr: '203.0.113.9' },
    ]);
  });
  await withService({ TIDEGAUGE_TRUSTED_PROXIES: '10.0.0.0/8' }, async (service) => {
    await connectClient(service.wsUrl, from('203.0.113.9'));
    assert.match(addresses(service)[0]!, /^127\.0\.0\.1:\d+$/);
  });
});

test('TIDEGAUGE_MAX_CONNECTIONS_PER_IP: each address has so many, behind a proxy too, and a place that is left is free', async () => {
  const env = { TIDEGAUGE_MAX_CONNECTIONS_PER_IP: '2', TIDEGAUGE_TRUSTED_PROXIES: '127.0.0.1' };
  await withService(env, async (service) => {
    const [one, other] = ['203.0.113.9', '203.0.113.10'];
    const first = await connectClient(service.wsUrl, from(one));
    assert.deepEqual(
      [
        await dial(service, from(one)),
        await dial(service, from(one)),
        await dial(service, from(`${other}, ${one}`)),
      ],
      ['in', 429, 429],
    );
    assert.deepEqual([await dial(service, from(other)), await dial(service, from(other))], ['in', 'in']);
    // Of IPv6 a whole /64 is one.
    assert.deepEqual(
      [
        await dial(service, from('2001:db8::1')),
        await dial(service, from('2001:db8::2')),
        await dial(service, from('2001:db8::3')),
      ],
      ['in', 'in', 429],
    );
    first.socket.close(1000);
    await first.closed;
    await until('it has ended', () => service.service.gateway.ledger.closed.normal === 1);
    assert.deepEqual([await dial(service, from(one)), await dial(service, from(one))], ['in', 429]);
    const readings = await service.collect();
    assert.equal(readings.value('tidegauge.handshake.rejections', { 'error.type': 'rate_limited' }), 4);
    assert.equal(readings.value('tidegauge.connection.active'), 6);
  });
});

test('exactly so many get in where more dial at once', async () => {
  await withService({ TIDEGAUGE_MAX_CONNECTIONS_PER_IP: '5' }, async (service) => {
    const dials = await Promise.all(Array.from({ length: 12 }, () => dial(service, {})));
    assert.equal(dials.filter((outcome) => outcome === 'in').length, 5);
    assert.equal(dials.filter((outcome) => outcome === 429).length, 7);
  });
});

test('a page is our own by its scheme too, where a trusted proxy tells it', async () => {
  const env = { HOST: '0.0.0.0', TIDEGAUGE_TRUSTED_PROXIES: '127.0.0.1' };
  await withService(env, async (service) => {
    const page = (proto: string) =>
      dial(
        service,
        from('203.0.113.9', {
          host: 'app.example',
          origin: 'https://app.example',
          'x-forwarded-proto': proto,
        }),
      );
    assert.deepEqual([await page('https'), await page('http')], ['in', 403]);
  });
  await withService({ HOST: '0.0.0.0' }, async (service) => {
    const headers = { host: 'app.example', origin: 'https://app.example', 'x-forwarded-proto': 'http' };
    assert.equal(await dial(service, { headers }), 'in', 'nobody is trusted');
  });
});
