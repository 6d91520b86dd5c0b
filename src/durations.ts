/** Durations as people write them, in settings and in queries. Pure. */

const unitsMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `250ms`, `5s`, `1.5m`, `2h`, or `0`. Milliseconds; undefined when it is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  return match ? Number(match[1]) * unitsMs[match[2]!]! : undefined;
}
