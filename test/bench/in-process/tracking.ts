/**
 * Heap that the gateway holds for one connection beyond what the sockets and the WebSocket library hold: the
 * connection, its counts, its row in the table and its place in an audience. All share
 * one client that is there before, so nothing else is in the difference. Prints one line of JSON.
 *
 *   node test/bench/in-process/tracking.ts [connections]
 */

import { WillingClient } from '../../support/fake-client.ts';
import { createTestGateway } from '../../support/test-gateway.ts';
import { heldBytes } from './surroundings.ts';

export type TrackingResult = { connections: number; bytesPerConnection: number };

const connections = Number(process.argv[2] ?? 16_000);
const { gateway, recorded } = createTestGateway({ connectionLimit: connections });
const willing = new WillingClient();

function open(index: number): void {
  const connection = gateway.open(willing, willing, { address: '192.0.2.7', port: 1024 + index }, 0);
  gateway.clientEvents.ready(connection);
}

// What is made once, for the first connection, is no part of what one costs.
open(0);
for (const calls of Object.values(recorded)) calls.length = 0;
const before = heldBytes();
for (let index = 1; index < connections; index += 1) open(index);
for (const calls of Object.values(recorded)) calls.length = 0;
const bytesPerConnection = (heldBytes() - before) / (connections - 1);
if (gateway.connections.size !== connections) throw new Error('not all are there');
const result: TrackingResult = { connections, bytesPerConnection };
console.log(JSON.stringify(result));
