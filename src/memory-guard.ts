/**
 * Whether memory is so nearly used up that newcomers must wait. The kernel kills who goes over the container's limit, and V8
 * ends who goes over that of its heap, and with the process go all clients that were well.
 *
 * A compaction copies: near the limit of the heap, or when many have left, it takes two fifths of the heap at once. That
 * much is kept free beside the working set, as Kubernetes reckons it.
 */
import type { ContainerFigures } from './telemetry/figures.ts';

export type MemorySources = {
  container(): Pick<ContainerFigures, 'workingSetBytes' | 'memoryLimitBytes'> | undefined;
  /** Of the process. */
  residentBytes(): number;
  heap(): { sizeBytes: number; usedBytes: number; limitBytes: number };
  nowMs(): number;
};

/** Of the container's limit: kept free at least, and at most. */
const RESERVE_LEAST = 0.1;
const RESERVE_MOST = 0.4;
/** Of the heap: what a compaction may take. */
const COMPACTION = 0.4;
/** Of the heap's limit: what may be in use, garbage that nobody has collected yet included. */
const HEAP_USED_MOST = 0.8;
/** Of what may be used: short from the whole on, until it is below this. */
const ENOUGH_BELOW = 0.95;
/** Below this share of either limit nothing else is looked at: the heap costs more than all the rest. */
const SAFE_BELOW = 0.5;
/** Thousands may come in a second, with a hundred kilobytes each. */
const LOOK_EACH_MS = 10;
const LOOK_WHILE_SAFE_EACH_MS = 50;
/** Where the container has none: limits are seldom set while one runs. */
const LOOK_FOR_LIMIT_EACH_MS = 30_000;

export class MemoryGuard {
  readonly #sources: MemorySources;
  readonly #heapLimit: number;
  #nextLookMs = Number.NEGATIVE_INFINITY;
  #nextContainerLookMs = Number.NEGATIVE_INFINITY;
  #isShort = false;

  constructor(sources: MemorySources) {
    this.#sources = sources;
    this.#heapLimit = sources.heap().limitBytes;
  }

  get isShort(): boolean {
    const nowMs = this.#sources.nowMs();
    if (nowMs >= this.#nextLookMs) this.#look(nowMs);
    return this.#isShort;
  }

  #look(nowMs: number): void {
    const { workingSetBytes, memoryLimitBytes: limit = Number.POSITIVE_INFINITY } = this.#container(nowMs);
    const used = workingSetBytes ?? this.#sources.residentBytes();
    if (used < SAFE_BELOW * Math.min(limit, this.#heapLimit)) {
      this.#isShort = false;
      this.#nextLookMs = nowMs + LOOK_WHILE_SAFE_EACH_MS;
      return;
    }
    this.#nextLookMs = nowMs + LOOK_EACH_MS;
    const heap = this.#sources.heap();
    const reserve = Math.min(
      RESERVE_MOST * limit,
      Math.max(RESERVE_LEAST * limit, COMPACTION * heap.sizeBytes),
    );
    const ofContainer = limit === Number.POSITIVE_INFINITY ? 0 : (used + reserve) / limit;
    const ofHeap = heap.usedBytes / (HEAP_USED_MOST * heap.limitBytes);
    this.#isShort = Math.max(ofContainer, ofHeap) >= (this.#isShort ? ENOUGH_BELOW : 1);
  }

  #container(nowMs: number): ReturnType<MemorySources['container']> & object {
    if (nowMs < this.#nextContainerLookMs) return {};
    const container = this.#sources.container() ?? {};
    if (container.memoryLimitBytes === undefined) this.#nextContainerLookMs = nowMs + LOOK_FOR_LIMIT_EACH_MS;
    return container;
  }
}
