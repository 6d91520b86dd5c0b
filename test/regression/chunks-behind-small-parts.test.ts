/**
 * What waited for a congested client was a part of a chunk of 64 KiB that small messages are put together in, and held all of
 * it: 20 clients that did not read held a gigabyte with four megabytes in their queues. With the policy conflate it was the
 * memory that Node cuts small buffers from.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowPolicies } from '../../src/gateway/connection.ts';
import { memoryBytes } from '../support/memory.ts';
import { createTestGateway } from '../support/test-gateway.ts';

for (const slowPolicy of slowPolicies) {
  test(`with the policy ${slowPolicy} a client that does not read holds no more than waits for it`, async () => {
    const { gateway, connect, turn } = createTestGateway({ bufferedMax: 2 ** 20, slowPolicy });
    const client = connect();
    client.stopTaking();
    gateway.hub.publish('public.first', Buffer.from('it is congested from here on'));
    turn();
    const beforeBytes = await memoryBytes();
    for (let round = 0; round < 500; round += 1) {
      // Nobody hears these; the memory of small buffers is used up by them.
      for (let other = 0; other < 40; other += 1) Buffer.allocUnsafe(2_000);
      for (const name of ['one', 'two'])
        gateway.hub.publish(`public.${round}.${name}`, Buffer.alloc(100, 'x'));
      turn();
    }
    const [connection] = gateway.connections;
    assert.equal(connection!.counts.queued, 1_001);
    const grownBytes = (await memoryBytes()) - beforeBytes;
    assert.ok(
      grownBytes < 20 * connection!.bufferedBytes,
      `${grownBytes} bytes for ${connection!.bufferedBytes}`,
    );
    client.drain(Number.MAX_SAFE_INTEGER);
    assert.equal(connection!.counts.delivered, 1_001);
  });
}
