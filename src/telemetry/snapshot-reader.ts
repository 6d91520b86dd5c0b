/**
 * The reader in memory, behind the JSON reports: one collection of all instruments of the service, as Readings. It asks
 * for them as the SDK's readers do, and without the SDK, whose own instruments no report shows. Since the start, so
 * what somebody else collects or exports changes nothing here.
 *
 * All figures are read before `collect` returns, in the same synchronous stretch. So rows taken just before or after the
 * call, without an `await` between, are of the same instant. It follows that a collection cannot be shared with whoever
 * asks later: by then its figures are of the past.
 * `collectShared` is for those who need no rows: it waits for the end of the turn of the event loop, and everybody
 * who has asked by then gets the same collection, read after they asked. A storm of requests costs one
 * collection per turn.
 */
import { lastKept } from '../last-kept.ts';
import type { Readings } from '../reports/readings.ts';
import { shared } from '../shared.ts';
import { CollectedReadings } from './collected-readings.ts';
import type { OwnMetrics } from './own-metrics.ts';

export type SnapshotReader = {
  /** Reads now. Rejects with SnapshotClosedError after the end. */
  collect(): Promise<Readings>;
  /** Reads at the end of this turn, once for all who ask until then. Rejects as `collect` does. */
  collectShared(): Promise<Readings>;
  /** The end: whoever asks from here on is refused. */
  close(): void;
};

export class SnapshotClosedError extends Error {
  override name = 'SnapshotClosedError';
  constructor() {
    super('telemetry has been shut down, so no more figures are collected');
  }
}

export function createSnapshotReader(own: OwnMetrics): SnapshotReader {
  const collectNow = own.collector();
  const keep = lastKept<Readings>();
  let isClosed = false;
  const collect = async (): Promise<Readings> => {
    if (isClosed) throw new SnapshotClosedError();
    const timestampMs = Date.now();
    return keep(new CollectedReadings(timestampMs, collectNow().scopeMetrics));
  };
  return {
    collect,
    collectShared: shared(collect),
    close() {
      isClosed = true;
    },
  };
}
