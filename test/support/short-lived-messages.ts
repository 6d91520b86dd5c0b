/**
 * A program for a test: messages go through the hub, and at times the garbage collector looks at the young while some
 * wait, as it does under load. Prints by how many bytes a message the old generation has grown, with scavenges alone, as
 * JSON. Needs --expose-gc.
 */
import v8 from 'node:v8';
import { WillingClient } from './fake-client.ts';
import { createTestGateway } from './test-gateway.ts';

const FIRST_MESSAGES = 400;
const MESSAGES_PER_FLUSH = 40;
const FLUSHES_PER_SCAVENGE = 25;
const WARM_UP = 200;
const ROUNDS = 200;

const { gateway, recorded, turn } = createTestGateway();
const client = new WillingClient();
gateway.clientEvents.ready(gateway.open(client, client, { address: '192.0.2.7', port: 1 }, 0));
const payload = Buffer.alloc(200, 'x');

function round(): void {
  for (let flush = 0; flush < FLUSHES_PER_SCAVENGE; flush += 1) {
    for (let message = 0; message < MESSAGES_PER_FLUSH; message += 1)
      gateway.hub.publish('public.a', payload);
    if (flush === FLUSHES_PER_SCAVENGE - 1) globalThis.gc!({ type: 'minor' });
    turn();
  }
  for (const calls of Object.values(recorded)) calls.length = 0;
}

function oldBytes(): number {
  const spaces = v8.getHeapSpaceStatistics().filter(({ space_name: name }) => name === 'old_space');
  return spaces.reduce((sum, space) => sum + space.space_used_size, 0);
}

// The first ones wait for long, as they do while the code that sends them is new: all that V8 sees of them survives.
for (let message = 0; message < FIRST_MESSAGES; message += 1) gateway.hub.publish('public.a', payload);
globalThis.gc!({ type: 'minor' });
turn();
for (let index = 0; index < WARM_UP; index += 1) round();
const before = oldBytes();
for (let index = 0; index < ROUNDS; index += 1) round();
const messages = ROUNDS * FLUSHES_PER_SCAVENGE * MESSAGES_PER_FLUSH;
console.log(JSON.stringify({ grownBytesPerMessage: (oldBytes() - before) / messages, messages }));
