/**
 * What becomes of the processor's caches while a process does nothing, and so what the times of a bench with pauses say
 * about the program, and what about the machine: loads each line of 256 KiB, one after the other, right after they were
 * loaded, and again after 10 ms in which this thread has looked at the clock alone. With caches of one's own the two are
 * the same. On a machine that is shared the neighbours need the same caches, and what was in them comes from memory.
 */
import { quantile } from './statistics.ts';

/** Nanoseconds for a line of 64 bytes; medians. */
export type CacheProbe = { atOnceNs: number; afterPauseNs: number };

export const CACHE_PROBE_KIB = 256;
export const CACHE_PROBE_PAUSE_MS = 10;
const LINES = (CACHE_PROBE_KIB * 1024) / 64;
const WORDS_PER_LINE = 16;
const ROUNDS = 100;

export function probeCaches(): CacheProbe {
  const chain = createChain();
  const atOnce: number[] = [];
  const afterPause: number[] = [];
  for (let round = 0; round < 2 * ROUNDS; round += 1) {
    // The first half is for the compiler.
    const [pauseFirst, thenAtOnce] = [timeAfter(CACHE_PROBE_PAUSE_MS, chain), timeAfter(0, chain)];
    if (round < ROUNDS) continue;
    afterPause.push(pauseFirst);
    atOnce.push(thenAtOnce);
  }
  return { atOnceNs: quantile(atOnce, 0.5), afterPauseNs: quantile(afterPause, 0.5) };
}

/** Each line holds the place of the next one, in an order that nothing can foresee. */
function createChain(): Int32Array {
  const order = Array.from({ length: LINES }, (_, line) => line);
  for (let line = LINES - 1; line > 0; line -= 1) {
    const other = Math.floor(Math.random() * (line + 1));
    [order[line], order[other]] = [order[other]!, order[line]!];
  }
  const chain = new Int32Array(LINES * WORDS_PER_LINE);
  order.forEach((line, index) => {
    chain[line * WORDS_PER_LINE] = order[(index + 1) % LINES]! * WORDS_PER_LINE;
  });
  return chain;
}

function timeAfter(pauseMs: number, chain: Int32Array): number {
  const endMs = performance.now() + pauseMs;
  while (performance.now() < endMs);
  const startMs = performance.now();
  let place = 0;
  for (let line = 0; line < LINES; line += 1) place = chain[place]!;
  const tookNs = (performance.now() - startMs) * 1e6;
  // Whoever has gone through all is where it began.
  if (place !== 0) throw new Error('the chain is broken');
  return tookNs / LINES;
}
