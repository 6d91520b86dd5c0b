/**
 * What the gateway says about itself, asked over HTTP while it is under load: its account of the deliveries, and
 * how late its event loop was. Only what /proc and the clients cannot tell; costs and rates are never asked of it.
 */
export type GatewayAccount = {
  matched: number;
  sent: number;
  queued: number;
  droppedByReason: Record<string, number>;
  /** matched less all the others: 0, or a bug. */
  unaccounted: number;
  ledgerDrift: number;
  closedByReason: Record<string, number>;
  gapsByReason: Record<string, number>;
  /** Messages of which one slice wrote the last delivery, on the average of the slices that did. */
  batchMean: number;
  audiences: number;
  /** How often the broker was lost, which it also is when it throws out who reads too slowly. */
  busDisconnectsByReason: Record<string, number>;
};

/** The worst of the sampler's windows, and the largest queue met. */
export type LoopWatch = { delayP99MaxMs: number; windows: number };

const ASK_LIMIT_MS = 10_000;

export async function askAccount(url: string): Promise<GatewayAccount> {
  const text = await ask(`${url}/metrics`);
  const one = (name: string): number => samples(text, name)[0]?.value ?? 0;
  const by = (name: string, label: string): Record<string, number> =>
    Object.fromEntries(
      samples(text, name)
        .filter(({ value }) => value > 0)
        .map(({ labels, value }) => [new RegExp(`${label}="([^"]*)"`).exec(labels)?.[1] ?? 'other', value]),
    );
  const droppedByReason = by('tidegauge_deliveries_dropped_total', 'tidegauge_drop_reason');
  const matched = one('tidegauge_deliveries_matched_total');
  const sent = one('tidegauge_deliveries_sent_total');
  const queued = one('tidegauge_deliveries_queued');
  const dropped = Object.values(droppedByReason).reduce((sum, value) => sum + value, 0);
  const batch = samples(text, 'tidegauge_fanout_batch_sum')[0]?.value ?? 0;
  return {
    matched,
    sent,
    queued,
    droppedByReason,
    unaccounted: matched - sent - queued - dropped,
    ledgerDrift: one('tidegauge_ledger_drift'),
    closedByReason: by('tidegauge_connection_closed_total', 'tidegauge_close_reason'),
    gapsByReason: by('tidegauge_gaps_total', 'tidegauge_gap_reason'),
    batchMean: batch / Math.max(1, one('tidegauge_fanout_batch_count')),
    audiences: one('tidegauge_audience_active'),
    busDisconnectsByReason: by('tidegauge_bus_disconnects_total', 'error_type'),
  };
}

/** Asks once for each of the sampler's windows until told to stop. Answers that do not come count for nothing. */
export function watchLoop(url: string, sampleSeconds: number): { stop(): LoopWatch } {
  const watch: LoopWatch = { delayP99MaxMs: 0, windows: 0 };
  const look = async (): Promise<void> => {
    const { runtime } = JSON.parse(await ask(`${url}/metrics/enhanced?summary=1`)) as {
      runtime: { scheduler: { delay_p99_seconds: number } };
    };
    watch.delayP99MaxMs = Math.max(watch.delayP99MaxMs, runtime.scheduler.delay_p99_seconds * 1000);
    watch.windows += 1;
  };
  const timer = setInterval(() => void look().catch(() => {}), sampleSeconds * 1000);
  return {
    stop() {
      clearInterval(timer);
      return { ...watch };
    },
  };
}

/** A Prometheus server's part: fetches the text and throws it away. */
export function scrapeEachSecond(url: string): { stop(): void } {
  const timer = setInterval(() => void ask(`${url}/metrics`).catch(() => {}), 1_000);
  return { stop: () => clearInterval(timer) };
}

export async function ask(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(ASK_LIMIT_MS) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text}`);
  return text;
}

function samples(text: string, name: string): { labels: string; value: number }[] {
  return [...text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)`, 'gm'))].map((match) => ({
    labels: match[1] ?? '',
    value: Number(match[2]),
  }));
}
