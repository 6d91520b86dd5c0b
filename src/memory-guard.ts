/**
 * Whether the container's memory is so nearly used up that newcomers must wait. The kernel kills who goes over the limit, and
 * with the process all clients that were well.
 *
 * It goes by the working set, as Kubernetes does. A limit of V8's heap is no such edge: what is garbage there is collected
 * before, and only then.
 */
import type { ContainerFigures } from './telemetry/figures.ts';

/** Of the limit. Between the two it stays as it is. */
const SHORT_FROM = 0.9;
const ENOUGH_BELOW = 0.85;
/** Thousands may come in a second, with a hundred kilobytes each. A look costs some 25 us. */
const LOOK_EACH_MS = 10;
/** Limits are seldom set while a container runs. */
const LOOK_FOR_LIMIT_EACH_MS = 30_000;

type Read = () => Pick<ContainerFigures, 'workingSetBytes' | 'memoryLimitBytes'> | undefined;

export class MemoryGuard {
  readonly #read: Read;
  readonly #nowMs: () => number;
  #nextLookMs = Number.NEGATIVE_INFINITY;
  #isShort = false;

  constructor(read: Read, nowMs: () => number) {
    this.#read = read;
    this.#nowMs = nowMs;
  }

  get isShort(): boolean {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#nextLookMs) this.#look(nowMs);
    return this.#isShort;
  }

  #look(nowMs: number): void {
    const { workingSetBytes, memoryLimitBytes } = this.#read() ?? {};
    if (memoryLimitBytes === undefined) {
      this.#isShort = false;
      this.#nextLookMs = nowMs + LOOK_FOR_LIMIT_EACH_MS;
      return;
    }
    this.#nextLookMs = nowMs + LOOK_EACH_MS;
    if (workingSetBytes === undefined) return;
    const share = workingSetBytes / memoryLimitBytes;
    this.#isShort = this.#isShort ? share >= ENOUGH_BELOW : share >= SHORT_FROM;
  }
}
