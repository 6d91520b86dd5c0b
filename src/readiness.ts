/**
 * Why the gateway is not ready for new connections, decided from plain facts. It holds no state and no clock:
 * the readiness probe, telemetry and the log all ask with the facts of their own instant.
 */

/** Each holds or not, on its own; none of them means ready. */
export const readyReasons = ['starting', 'draining', 'bus', 'capacity'] as const;
export type ReadyReason = (typeof readyReasons)[number];

export type ReadinessFacts = {
  /** At least once since the start the bus has been connected and our subscriptions in force. */
  busWasThere: boolean;
  /** When that ended, on the clock of `nowMs`; undefined while it is so, or never was. */
  busAwaySinceMs: number | undefined;
  /** How long the bus may be away before it counts. */
  graceMs: number;
  /** Monotonic. */
  nowMs: number;
  isDraining: boolean;
  /** Connections open now, and how many there may be. */
  active: number;
  limit: number;
  /** Memory is nearly used up, and newcomers are refused for that. */
  isOverloaded: boolean;
};

/** Whether each reason holds. */
export function notReady(facts: ReadinessFacts): Record<ReadyReason, boolean> {
  const { busAwaySinceMs } = facts;
  return {
    starting: !facts.busWasThere,
    draining: facts.isDraining,
    // A bus that was never there is not away: until then the reason is `starting`.
    bus: facts.busWasThere && busAwaySinceMs !== undefined && facts.nowMs - busAwaySinceMs > facts.graceMs,
    capacity: facts.active >= facts.limit || facts.isOverloaded,
  };
}

/** The reasons that hold, in the order of the set. */
export function reasonsNotReady(facts: ReadinessFacts): ReadyReason[] {
  const holds = notReady(facts);
  return readyReasons.filter((reason) => holds[reason]);
}
