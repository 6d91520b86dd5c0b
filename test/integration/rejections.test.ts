/** Every reason for which an upgrade can be refused is produced for real, over the closed set itself. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RejectionReason, rejectionReasons } from '../../src/gateway/admission.ts';
import type { ContainerFigures } from '../../src/telemetry/figures.ts';
import { pointsAboveZero, startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient, connectRaw, handshake } from '../support/ws-client.ts';

type Answer = { status: number; body: { error: { code: string; message: string } }; headers: string };

async function upgrade(
  { url }: TestService,
  changes: Record<string, string | undefined>,
  target?: string,
): Promise<Answer> {
  const { socket, text, ended } = await connectRaw(url);
  socket.write(handshake(Number(new URL(url).port), changes, target));
  await ended;
  const [headers = '', body = ''] = text().split('\r\n\r\n');
  return { status: Number(headers.split(' ')[1]), headers: headers.toLowerCase(), body: JSON.parse(body) };
}

const produce: Record<RejectionReason, (service: TestService) => Promise<Answer | undefined>> = {
  bad_request: (service) => upgrade(service, { 'sec-websocket-key': 'too short' }),
  not_found: (service) => upgrade(service, {}, '/elsewhere'),
  forbidden_origin: (service) => upgrade(service, { origin: 'https://evil.example' }),
  unsupported_version: (service) => upgrade(service, { 'sec-websocket-version': '12' }),
  rate_limited: async (service) => {
    await connectClient(service.wsUrl);
    return upgrade(service, {});
  },
  capacity: async (service) => {
    await connectClient(service.wsUrl);
    return upgrade(service, {});
  },
  overloaded: async (service) => {
    const full = { workingSetBytes: 95, memoryLimitBytes: 100 };
    service.service.platform.container = () => full as ContainerFigures;
    // It may have seen just now that there is no limit.
    await until('it has seen it', async () => (await fetch(`${service.url}/readyz`)).status === 503);
    return upgrade(service, {});
  },
  draining: async (service) => {
    service.service.gateway.drain.begin();
    return upgrade(service, {});
  },
  aborted: async (service) => {
    // The connection fails between the last byte of the request and the gateway's turn.
    service.service.httpServers[0]!.prependListener('upgrade', (_request, socket) => socket.destroy());
    const { socket, ended } = await connectRaw(service.url);
    socket.write(handshake(Number(new URL(service.url).port)));
    await ended;
    return undefined;
  },
};

const statuses: Record<RejectionReason, number | undefined> = {
  bad_request: 400,
  not_found: 404,
  forbidden_origin: 403,
  unsupported_version: 426,
  rate_limited: 429,
  capacity: 503,
  overloaded: 503,
  draining: 503,
  aborted: undefined,
};

describe('rejection reasons', () => {
  for (const reason of rejectionReasons) {
    test(`${reason} is answered and counted once, and touches no connection`, async () => {
      const most =
        reason === 'rate_limited' ? 'TIDEGAUGE_MAX_CONNECTIONS_PER_IP' : 'TIDEGAUGE_MAX_CONNECTIONS';
      const service = await startTestService({ [most]: '1' });
      try {
        const answer = await produce[reason](service);
        assert.equal(answer?.status, statuses[reason]);
        if (answer !== undefined) assert.equal(answer.body.error.code, reason);
        if (answer?.status === 503 || answer?.status === 429)
          assert.match(answer.headers, /^retry-after: (?:[1-9]|10)$/m);
        if (answer?.status === 426) assert.match(answer.headers, /^sec-websocket-version: 13$/m);
        const { gateway } = service.service;
        await until('it has been counted', () => gateway.ledger.handshakes.rejected[reason] === 1);
        const readings = await service.collect();
        const refused = pointsAboveZero(readings, 'tidegauge.handshake.rejections');
        assert.deepEqual(refused, [{ attributes: { 'error.type': reason }, value: 1 }]);
        const opened = reason === 'capacity' || reason === 'rate_limited' ? 1 : 0;
        assert.equal(readings.value('tidegauge.connection.opened'), opened);
        assert.equal(readings.value('tidegauge.handshake.begun'), opened + 1);
        assert.equal(readings.value('tidegauge.handshake.active'), 0);
        assert.equal(readings.histogram('tidegauge.handshake.duration', { 'error.type': reason })?.count, 1);
      } finally {
        await service.stop();
      }
    });
  }

  test('exactly the limit is admitted when more dial in at once', async () => {
    const service = await startTestService({ TIDEGAUGE_MAX_CONNECTIONS: '20' });
    try {
      const dials = await Promise.allSettled(Array.from({ length: 30 }, () => connectClient(service.wsUrl)));
      assert.equal(dials.filter(({ status }) => status === 'fulfilled').length, 20);
      const readings = await service.collect();
      assert.equal(readings.value('tidegauge.connection.active'), 20);
      assert.equal(readings.value('tidegauge.handshake.rejections', { 'error.type': 'capacity' }), 10);
      assert.equal((await fetch(`${service.url}/readyz`)).status, 503);
    } finally {
      await service.stop();
    }
  });
});
