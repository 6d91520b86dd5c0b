/** From raw runs to the figures that are compared: one flat record for each run, and medians over rounds. */
import type { ContenderName } from './contenders.ts';
import type { Run } from './run.ts';
import { median } from './statistics.ts';

/** Milliseconds, MiB, and shares of one core. NaN where a figure does not exist. */
export type Figures = {
  deliveriesPerSecond: number;
  cpuMicrosPerDelivery: number;
  /** CPU of the server in cores, helper threads included. */
  cpuCores: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  pongP99Ms: number;
  loopP99Ms: number;
  residentMiB: number;
  /** Memory at the end of the window over that at its beginning. */
  residentGrowth: number;
  /** What the reading clients should have got, less what they got until nothing more came; below 0: too much. */
  undelivered: number;
  /** By the gateway's own account. */
  dropped: number;
  unaccounted: number;
  batchMean: number;
  /** What others took of the server's core, the host's other machines included: disturbance. */
  strangerCores: number;
  /** Of the load client, in cores; near 1 it was the limit. */
  loadClientCores: number;
  /** Sent over what should have been: below 1 the publisher or the NATS server was the limit. */
  publishedShare: number;
};

/** One run in its place. */
export type Placed = {
  workload: string;
  contender: ContenderName;
  round: number;
  figures: Figures;
  aborted: string | undefined;
  run: Run;
};

export function figuresOf(run: Run, rate: number): Figures {
  const { measured, published, account, loop, expected } = run;
  const { frames, seconds, server, latency, probe } = measured;
  return {
    deliveriesPerSecond: frames / seconds,
    cpuMicrosPerDelivery: frames === 0 ? Number.NaN : (server.cpuSeconds / frames) * 1e6,
    cpuCores: server.cpuSeconds / seconds,
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
    p999Ms: latency.p999Ms,
    pongP99Ms: probe.p99Ms,
    loopP99Ms: loop === undefined || loop.windows === 0 ? Number.NaN : loop.delayP99MaxMs,
    residentMiB: server.endMiB,
    residentGrowth: server.endMiB / server.beginMiB,
    undelivered: measured.aborted ? Number.NaN : expected - measured.reading.frames,
    dropped: account ? Object.values(account.droppedByReason).reduce((sum, one) => sum + one, 0) : Number.NaN,
    unaccounted: account ? account.unaccounted : Number.NaN,
    batchMean: account ? account.batchMean : Number.NaN,
    strangerCores: strangers(run),
    loadClientCores: measured.ownCpuShare,
    publishedShare: published.seconds === 0 ? Number.NaN : published.sent / (rate * published.seconds),
  };
}

function strangers({ measured, serverCore }: Run): number {
  const core = serverCore === undefined ? undefined : measured.cores[serverCore];
  if (core === undefined) return Number.NaN;
  // Ticks of the core and of the process are rounded each for itself.
  return Math.max(0, core.busy + core.stolen - measured.server.cpuSeconds / measured.seconds);
}

/** All runs of the bench so far, and what is asked of them. */
export class Results {
  readonly placed: Placed[] = [];

  of(workload: string, contender: ContenderName): Placed[] {
    return this.placed.filter((one) => one.workload === workload && one.contender === contender);
  }

  median(workload: string, contender: ContenderName, figure: keyof Figures): number {
    return median(this.of(workload, contender).map(({ figures }) => figures[figure]));
  }

  /** The largest of all rounds, for what must never happen. NaN without any. */
  worst(workload: string, contender: ContenderName, figure: keyof Figures): number {
    const numbers = this.of(workload, contender).map(({ figures }) => figures[figure]);
    return numbers.length === 0 ? Number.NaN : Math.max(...numbers);
  }

  /** The median over rounds of the ratio within a round, in which both had the same machine to themselves. */
  ratio(
    figure: keyof Figures,
    above: { workload: string; contender: ContenderName },
    below: { workload: string; contender: ContenderName },
  ): number {
    const others = new Map(
      this.of(below.workload, below.contender).map((one) => [one.round, one.figures[figure]]),
    );
    return median(
      this.of(above.workload, above.contender).map(
        ({ round, figures }) => figures[figure] / (others.get(round) ?? Number.NaN),
      ),
    );
  }
}
