/**
 * The rule for tests that need a real part (nats-server, Prometheus, a collector, Chromium): on a person's machine a
 * test whose part cannot be had is skipped and says why; where `CI` is `true` it fails, since nobody reads skips there.
 *
 * The first call on a machine may build the part, which takes minutes; later ones cost two small reads.
 */

import type { TestContext } from 'node:test';
import { getPart } from '../tools/get.ts';
import type { PartName } from '../tools/parts.ts';

/** The path of the part's program; an error that says how to get it otherwise. */
export async function partPath(name: PartName): Promise<string> {
  const part = await getPart(name);
  if ('missing' in part) throw new Error(`${name} is missing: ${part.missing}`);
  return part.path;
}

/**
 * For use inside a test: the path, or `undefined` after the test has been marked as skipped, upon which it must return.
 */
export async function requirePart(t: Pick<TestContext, 'skip'>, name: PartName): Promise<string | undefined> {
  const reason = await skipWithout(name);
  if (reason === false) return await partPath(name);
  t.skip(reason);
  return undefined;
}

/** For the options of a test or a suite: `describe('...', { skip: await skipWithout('nats-server') }, ...)`. */
export async function skipWithout(...names: PartName[]): Promise<string | false> {
  for (const name of names) {
    const part = await getPart(name);
    if (!('missing' in part)) continue;
    if (process.env.CI === 'true') throw new Error(`${name} is missing: ${part.missing}`);
    return `needs ${name}, which is missing: ${part.missing}`;
  }
  return false;
}
