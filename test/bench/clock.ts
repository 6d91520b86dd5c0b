/** CLOCK_MONOTONIC, which every process on a machine shares: what the marks in the payloads are written in. */

/** `performance.now()` counts from the start of the process; this is where that lies on the shared clock. */
const processStartMs = measureProcessStartMs();

/** Milliseconds, exact to a microsecond, without the BigInt that `hrtime.bigint()` allocates. */
export function monotonicMs(): number {
  return processStartMs + performance.now();
}

/** The sender's mark: '@' and 16 hex digits of nanoseconds. */
export function mark(): string {
  return `@${process.hrtime.bigint().toString(16).padStart(16, '0')}`;
}

/**
 * Reads one clock between two readings of the other, and believes the closest pair of many: a process that is put
 * aside between two readings would otherwise be wrong by that for the rest of its life.
 */
function measureProcessStartMs(): number {
  let closestMs = Number.POSITIVE_INFINITY;
  let startMs = 0;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const beforeMs = performance.now();
    const monotonic = Number(process.hrtime.bigint()) / 1e6;
    const afterMs = performance.now();
    if (afterMs - beforeMs >= closestMs) continue;
    closestMs = afterMs - beforeMs;
    startMs = monotonic - (beforeMs + afterMs) / 2;
  }
  return startMs;
}
