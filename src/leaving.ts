/**
 * What leaving may take beyond its delay and its window, whatever peers, broker, collector and callers do. Kept by
 * the drain, the service and the process edge; whoever has to know how long to wait for the process reads the sum.
 */
import { LAST_CLOSES_MS } from './gateway/drain.ts';

/** For the bus to take what was published. */
export const BUS_DRAIN_MS = 2_000;
/** For the last export, which has the final totals. */
export const LAST_EXPORT_MS = 5_000;
/** For HTTP callers to get the answers that they wait for. */
export const LAST_ANSWERS_MS = 400;

/** For the last log lines to be taken. */
export const LAST_LINES_MS = 100;

export const LEAVING_MARGIN_MS: number =
  LAST_CLOSES_MS + BUS_DRAIN_MS + LAST_EXPORT_MS + LAST_ANSWERS_MS + LAST_LINES_MS;
