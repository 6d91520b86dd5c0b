/**
 * After a stall of our own, all that a client had sent meanwhile came in at once, and a client well within its
 * rate was closed with 1008 for what was our delay.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestGateway } from '../support/test-gateway.ts';

const errors = (texts: string[]): string[] => texts.filter((text) => text.startsWith('{"type":"error"'));

test('what a client sent while we stood still is within its rate, and no more than that', () => {
  const given = createTestGateway({ receiveRate: 50, receiveBurst: 100, bufferedMax: 10_000_000 });
  const { gateway, clock } = given;
  const [calm, greedy] = [given.connect(), given.connect()];
  for (const client of [calm, greedy]) client.send('{"type":"heartbeat"}');
  clock.pass(60_000);
  gateway.sweep();
  // Working that off takes a while too.
  clock.pass(500);
  gateway.sweep();
  for (let sent = 0; sent < 60 * 40; sent += 1) calm.send('{"type":"heartbeat"}');
  assert.deepEqual(errors(calm.received()), []);
  assert.equal(calm.closeCode, undefined);
  for (let sent = 0; sent < 60 * 60; sent += 1) greedy.send('{"type":"heartbeat"}');
  assert.equal(greedy.closeCode, 1008);
  // Used up, it does not come back by itself.
  clock.pass(250);
  gateway.sweep();
  for (let sent = 0; sent < 60 * 50; sent += 1) calm.send('{"type":"heartbeat"}');
  assert.equal(calm.closeCode, 1008);
});

test('who had said nothing before the stall has as much, and who has come since has not', () => {
  const { connect, gateway, clock } = createTestGateway({ receiveRate: 50, receiveBurst: 100 });
  const silent = connect();
  clock.pass(250);
  gateway.sweep();
  clock.pass(8_000);
  gateway.sweep();
  const newcomer = connect();
  for (const client of [silent, newcomer])
    for (let sent = 0; sent < 8 * 40; sent += 1) client.send('{"type":"heartbeat"}');
  assert.deepEqual([silent.closeCode, newcomer.closeCode], [undefined, 1008]);
  const late = connect();
  clock.pass(6_000);
  for (let sent = 0; sent < 8 * 40; sent += 1) late.send('{"type":"heartbeat"}');
  assert.equal(late.closeCode, 1008);
});
