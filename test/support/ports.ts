/**
 * A free port for a part that has to be told one, or that must come back on the same one.
 *
 * Whatever can listen on port 0 should do that instead. A port for a restart must not lie in the range from which
 * the kernel takes the local ends of outgoing connections (32768 and up, by default): while the part is away, a
 * test with thousands of clients would soon sit on it. So the choice is made at random below that range.
 *
 * Between the look and the part's own `listen` somebody else may take the port; starters try again with another.
 */

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const lowestPort = 20_000;
const highestPort = 32_767;
const attemptsMax = 50;

/** A port on 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = randomInt(lowestPort, highestPort + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${lowestPort} and ${highestPort} in ${attemptsMax} tries`);
}

/** Several at once, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
