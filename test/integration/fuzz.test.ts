/**
 * Random bytes before and after the upgrade, cut at random places and ended in random ways. Nothing is expected
 * of the answers: only that the gateway goes on, that everything that came has gone again, and that the account
 * is in order. A failure prints the seed that repeats it.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { frame } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { startWatchedService, type WatchedService } from '../support/watched-service.ts';
import { connectRaw, handshake } from '../support/ws-client.ts';

type Ending = 'end' | 'reset' | 'destroy';
type Attack = { isUpgraded: boolean; pieces: Uint8Array[]; ending: Ending };

const RUNS = process.env.CI === 'true' ? 20_000 : 500;

const noise = fc.uint8Array({ maxLength: 300 });
const words = fc.constantFrom(
  'GET /ws HTTP/1.1\r\n',
  'POST /publish/public.a HTTP/1.1\r\n',
  'host: x\r\n',
  'upgrade: websocket\r\n',
  'connection: upgrade\r\n',
  'sec-websocket-version: 13\r\n',
  'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n',
  'content-length: 3\r\n',
  'transfer-encoding: chunked\r\n',
  'expect: 100-continue\r\n',
  'connection: close\r\n',
  '\r\n',
  '\r\n\r\n',
  '0\r\n\r\n',
  '{}',
);
const requests = fc.array(words, { minLength: 1, maxLength: 12 }).map((all) => Buffer.from(all.join('')));
const frames = fc
  .record({
    fin: fc.boolean(),
    reserved: fc.constantFrom(0, 0, 0, 0, 1, 4),
    opcode: fc.constantFrom(0, 1, 1, 1, 2, 8, 9, 10, 3, 15),
    payload: fc.oneof(
      fc.constantFrom('{"type":"ping"}', '{"type":"subscribe","channels":["public.>"]}', '{}', 'x'),
      fc.uint8Array({ maxLength: 130 }),
    ),
    isMasked: fc.constantFrom(true, true, true, true, false),
    lengthBits: fc.constantFrom(16 as const, 64 as const),
    claimedLength: fc.option(fc.bigInt({ min: 0n, max: 65_535n }), { nil: undefined, freq: 6 }),
  })
  .map(({ claimedLength, lengthBits, ...parts }) =>
    frame(claimedLength === undefined ? parts : { ...parts, claimedLength, lengthBits }),
  );
/** Valid frames with some of their bytes changed. */
const bentFrames = fc
  .tuple(frames, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }))
  .map(([bytes, changes]) => {
    const bent = Buffer.from(bytes);
    for (const [at, value] of changes) bent[at % bent.length] = value;
    return bent;
  });

const attacks: fc.Arbitrary<Attack> = fc.record({
  isUpgraded: fc.boolean(),
  pieces: fc.array(fc.oneof(noise, requests, frames, frames, bentFrames), { minLength: 1, maxLength: 8 }),
  ending: fc.constantFrom('end', 'reset', 'destroy'),
});

let service: WatchedService;
before(async () => {
  service = await startWatchedService();
});
after(() => service.stop());

test(`${RUNS} random sequences of bytes do no harm`, { timeout: 300_000 }, async () => {
  const { gateway } = service.service;
  const handles = (): number => process.getActiveResourcesInfo().length;
  await service.checkUnharmed();
  const handlesBefore = handles();
  await fc.assert(
    fc.asyncProperty(attacks, async ({ isUpgraded, pieces, ending }) => {
      const client = await connectRaw(service.url);
      if (isUpgraded) client.socket.write(handshake(service.port));
      for (const piece of pieces) {
        client.socket.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (ending === 'end') client.socket.end();
      else if (ending === 'reset') client.socket.resetAndDestroy();
      else client.socket.destroy();
      if (ending === 'end') setTimeout(() => client.socket.destroy(), 20).unref();
      await client.ended;
      assert.equal((await service.collect()).value('tidegauge.ledger.drift'), 0);
    }),
    { numRuns: RUNS },
  );
  await service.checkUnharmed();
  await until('every socket is gone', () => handles() <= handlesBefore);
  const { opened, handshakes } = gateway.ledger;
  assert.ok(opened > RUNS / 10, `only ${opened} got in`);
  assert.equal(handshakes.active, 0);
  assert.equal(gateway.hub.audienceCount, 1);
});
