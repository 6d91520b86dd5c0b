/**
 * Memory as V8 sees it, and how it maps to the names that Go's runtime has for such things. It does not know the
 * collector's pauses nor the event loop. A read costs 18 us, half of it memoryUsage, which is the only way to the
 * array buffers.
 */
import v8 from 'node:v8';
import type { GoMemoryKind, HeapSpace, ResourceType, RuntimeFigures } from '../figures.ts';
import { resourceTypes } from '../figures.ts';

export type HeapFigures = Pick<
  RuntimeFigures,
  'spaces' | 'heapLimitBytes' | 'externalBytes' | 'arrayBufferBytes' | 'mallocedBytes' | 'allocatedBytes'
>;

/** Missing from the types, and before Node 26 from the answer. */
type HeapStatistics = v8.HeapInfo & { total_allocated_bytes?: number };

/**
 * Bytes allocated on the heap since the start. V8 has a total, and adds to it whenever it is asked for heap statistics,
 * or collects: what is left of the areas that it allocates from, 0.1 to 3 MB, which nobody has used. Without a collection
 * between two readings the spaces have grown by just what was allocated, so that is taken. With one it is V8's total,
 * less what asking is known to add: too much by what was left at the collection itself, some hundred kilobytes for at
 * least a megabyte that was collected.
 */
function createAllocationAccount(): (asked: AskedForAllocation) => number {
  let before: { total: number; used: number; young: number } | undefined;
  let allocated = 0;
  /** Of the areas in the other spaces, which something has begun since the last reading; as last seen. */
  let leftInOthers = 0;

  return ({ first, second, last, spaces }) => {
    // The young space's area is the same for the first two questions, so each has added as much to the total.
    const total = first - (second - first);
    const used = spaces.reduce((sum, space) => sum + space.used, 0);
    const young = spaces.find(({ name }) => name === 'new_space')?.used ?? 0;
    if (before === undefined) {
      allocated = total;
    } else {
      const grown = total - before.total;
      const spacesGrown = used - before.used;
      const left = grown - spacesGrown;
      // A collection would have emptied the young space, or made more of a difference than the areas can.
      if (spacesGrown >= 0 && young >= before.young && left <= leftInOthersMax) {
        allocated += spacesGrown;
        leftInOthers = Math.max(0, left);
      } else {
        allocated += Math.max(0, grown - leftInOthers);
      }
    }
    before = { total: last, used, young };
    return allocated;
  };
}

/** V8's total, asked twice before all other questions and once after them, and the spaces in between. */
type AskedForAllocation = { first: number; second: number; last: number; spaces: readonly HeapSpace[] };

/** An area is at most a page of 256 KB; those of the old, the code and the trusted space. */
const leftInOthersMax = 3 * 256 * 1024;

export function createHeapReader(): () => HeapFigures {
  const account = createAllocationAccount();

  return () => {
    const heap: HeapStatistics = v8.getHeapStatistics();
    const { total_allocated_bytes: second }: HeapStatistics = v8.getHeapStatistics();
    const spaces = v8.getHeapSpaceStatistics().map((space) => ({
      name: space.space_name,
      size: space.space_size,
      used: space.space_used_size,
      available: space.space_available_size,
      physical: space.physical_space_size,
    }));
    const memory = process.memoryUsage();
    const { total_allocated_bytes: last }: HeapStatistics = v8.getHeapStatistics();
    const { total_allocated_bytes: first } = heap;
    return {
      spaces,
      heapLimitBytes: heap.heap_size_limit,
      externalBytes: memory.external,
      arrayBufferBytes: memory.arrayBuffers,
      mallocedBytes: heap.malloced_memory,
      ...(first === undefined || second === undefined || last === undefined
        ? {}
        : { allocatedBytes: account({ first, second, last, spaces }) }),
    };
  };
}

export function sumSpaces(spaces: readonly HeapSpace[]): Omit<HeapSpace, 'name'> {
  const sum = { size: 0, used: 0, available: 0, physical: 0 };
  for (const space of spaces) {
    sum.size += space.size;
    sum.used += space.used;
    sum.available += space.available;
    sum.physical += space.physical;
  }
  return sum;
}

/** What the operating system says of the process; 0 where it says nothing. */
export type ProcessMemory = { stackBytes: number; residentBytes: number; swapBytes: number };

/**
 * The nearest thing on V8 to each of Go's runtime.MemStats. Idle is what the heap holds without objects: memory never
 * touched, or free within the spaces. Always true: sys = idle + inuse, released <= idle, alloc <= inuse.
 */
export function goMemory(spaces: readonly HeapSpace[], memory: ProcessMemory): Record<GoMemoryKind, number> {
  const { size, used, physical } = sumSpaces(spaces);
  let free = 0;
  for (const space of spaces) free += Math.min(space.available, Math.max(0, space.size - space.used));
  // V8 adds up its sizes at different moments, and objects just allocated may exceed the pages they are in.
  const sys = Math.max(size, used);
  const untouched = Math.max(0, sys - physical);
  const idle = Math.min(sys - used, Math.max(untouched, free));
  const released = Math.min(untouched, idle);
  return {
    heap_alloc: used,
    heap_sys: sys,
    heap_idle: idle,
    heap_inuse: sys - idle,
    heap_released: released,
    stack_inuse: memory.stackBytes,
    sys_total: memory.residentBytes + memory.swapBytes + released,
  };
}

export type ResourceCounts = Record<ResourceType, number>;

/** Up to so many are counted at each reading. */
const resourcesAlwaysCounted = 1_000;
/** How long a longer list is good for, for each of its entries: 20 s for one of ten thousand. */
const restMsPerResource = 2;
/** How many times as long while nearly as many descriptors are open as there were. */
const restsUnchanged = 6;
/** Of the resources: what the number of descriptors may differ by. */
const nearly = 0.001;

export type ResourceCounterOptions = {
  nowMs(): number;
  /** How many descriptors are open; undefined where that cannot be had at once. */
  descriptors?(): number | undefined;
  list?(): readonly string[];
};

/**
 * What keeps the event loop alive. Node makes a list with a string for each, 0.1 to 0.4 us and 32 bytes: at 10,000
 * connections more than all other figures together, and more for the garbage. So a long list is asked for again only
 * after a time by its length, some ten-thousandth of which it takes, whoever asks in between; and after several such times
 * where hardly anybody came or went meanwhile.
 */
export function createResourceCounter({
  nowMs,
  descriptors = () => undefined,
  list = () => process.getActiveResourcesInfo(),
}: ResourceCounterOptions): () => ResourceCounts {
  let counts: ResourceCounts = noResources;
  let length = 0;
  let descriptorsThen: number | undefined;
  let lookAgainAtMs = 0;
  let rests = 0;

  function isUnchanged(): boolean {
    const now = descriptors();
    if (now === undefined || descriptorsThen === undefined) return false;
    return Math.abs(now - descriptorsThen) <= nearly * length;
  }

  return () => {
    const startMs = nowMs();
    const isLong = length > resourcesAlwaysCounted;
    if (isLong && startMs < lookAgainAtMs) return counts;
    rests += 1;
    if (!isLong || rests >= restsUnchanged || !isUnchanged()) {
      const types = list();
      counts = countResources(types);
      length = types.length;
      descriptorsThen = descriptors();
      rests = 0;
    }
    lookAgainAtMs = startMs + restMsPerResource * length;
    return counts;
  };
}

/**
 * By type; types outside of the closed set count as `other`. The list is mostly of one type after the other, and each
 * entry is a string that V8 has never seen: comparing it with the one before is much cheaper than looking it up.
 */
export function countResources(types: readonly string[]): ResourceCounts {
  const counts = { ...noResources };
  let index = 0;
  while (index < types.length) {
    const type = types[index]!;
    const start = index;
    do index += 1;
    while (types[index] === type);
    counts[isResourceType(type) ? type : 'other'] += index - start;
  }
  return counts;
}

const noResources = Object.fromEntries(resourceTypes.map((type) => [type, 0])) as Readonly<ResourceCounts>;
const knownResources: ReadonlySet<string> = new Set(resourceTypes);

function isResourceType(type: string): type is ResourceType {
  return knownResources.has(type);
}
