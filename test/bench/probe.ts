/**
 * How long a question takes while the server is busy: one client asks each quarter of a second and the answer is
 * timed, from the write to the read. A question without an answer counts with the time it has waited so far, for
 * leaving it out would flatter the server that never answers.
 */
import { monotonicMs } from './clock.ts';
import { LatencyHistogram, type LatencySummary } from './histogram.ts';

/** Asked of the application, by a message that it parses; or of its WebSocket library, by a control frame. */
export type ProbeKind = 'json' | 'control';

export type ProbeSummary = LatencySummary & { asked: number; unanswered: number };

type Asker = { send(opcode: number, payload: string): void };

const PROBE_INTERVAL_MS = 250;
const TEXT = 0x1;
const PING = 0x9;

export class Probe {
  readonly #kind: ProbeKind;
  readonly #asker: Asker;
  readonly #histogram = new LatencyHistogram();
  /** Questions that wait for their answers, oldest first. */
  readonly #waiting: { number: number; askedMs: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #asked = 0;
  #counted = 0;

  constructor(kind: ProbeKind, asker: Asker) {
    this.#kind = kind;
    this.#asker = asker;
  }

  start(): void {
    this.#timer = setInterval(() => this.#ask(), PROBE_INTERVAL_MS);
  }

  /** Answers that come from now on are counted, the ones to older questions too. */
  beginWindow(): void {
    this.#histogram.clear();
    this.#counted = this.#waiting.length;
  }

  /** Stops asking; what has not been answered is counted as it stands. */
  endWindow(): ProbeSummary {
    clearInterval(this.#timer);
    const nowMs = monotonicMs();
    for (const { askedMs } of this.#waiting) this.#histogram.record(nowMs - askedMs);
    return { ...this.#histogram.summary(), asked: this.#counted, unanswered: this.#waiting.length };
  }

  /** `start` is how the answer begins: the number asked with in a pong frame; messages are answered in order. */
  answered(start: Buffer): void {
    const nowMs = monotonicMs();
    // Of several pings that wait, a server may answer only the last (RFC 6455 section 5.5.3).
    const number = this.#kind === 'control' ? Number(start.toString('latin1')) : this.#waiting[0]?.number;
    while (this.#waiting.length > 0 && this.#waiting[0]!.number <= number!) {
      this.#histogram.record(nowMs - this.#waiting.shift()!.askedMs);
    }
  }

  #ask(): void {
    this.#asked += 1;
    this.#counted += 1;
    this.#waiting.push({ number: this.#asked, askedMs: monotonicMs() });
    if (this.#kind === 'control') this.#asker.send(PING, String(this.#asked));
    else this.#asker.send(TEXT, JSON.stringify({ type: 'ping', timestamp: this.#asked }));
  }
}
