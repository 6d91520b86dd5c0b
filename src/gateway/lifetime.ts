/**
 * How long a connection may be idle, and how long it may be there at all. Each has its own share of the last tenth of the time,
 * so that those who came together, or were spoken to together, do not leave and come back together. Pure.
 */

export type LifetimeSettings = {
  /** Milliseconds without a message in either direction; 0 is no limit. */
  idleMaxMs: number;
  /** Milliseconds since the open; 0 is no limit. */
  ageMaxMs: number;
};

type Life = {
  /** In the order of the opens. */
  readonly number: number;
  readonly openedAtMs: number;
  readonly lastMessageAtMs: number;
  /** It has something to take, and so is not idle. */
  readonly isCongested: boolean;
};

/** How long we stood still ourselves, and until when: for that time nobody could speak, or be spoken to. */
export type Stall = { readonly ms: number; readonly atMs: number };

export type EndOfLife = { readonly atMs: number; readonly reason: 'idle' | 'max_age' };

const JITTER = 0.1;
/** Of the golden section: its multiples fill the space between two whole numbers evenly, however many there are. */
const STEP = (Math.sqrt(5) - 1) / 2;

/** What comes first; undefined without any limit. */
export function endOfLife(
  life: Life,
  { idleMaxMs, ageMaxMs }: LifetimeSettings,
  stall: Stall,
): EndOfLife | undefined {
  const share = 1 - JITTER * ((life.number * STEP) % 1);
  const after = (sinceMs: number, ms: number): number =>
    sinceMs + share * ms + (sinceMs < stall.atMs ? stall.ms : 0);
  const idle = { atMs: after(life.lastMessageAtMs, idleMaxMs), reason: 'idle' } as const;
  const age = { atMs: after(life.openedAtMs, ageMaxMs), reason: 'max_age' } as const;
  if (idleMaxMs === 0 || life.isCongested) return ageMaxMs === 0 ? undefined : age;
  return ageMaxMs === 0 || idle.atMs < age.atMs ? idle : age;
}
