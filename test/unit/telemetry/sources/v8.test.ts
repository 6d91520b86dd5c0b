/** The mapping from V8's spaces to Go's names, its invariants, and the closed set of resource types. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import v8 from 'node:v8';
import fc from 'fast-check';
import { heapSpaces } from '../../../../src/telemetry/catalogue/runtime.ts';
import { resourceTypes } from '../../../../src/telemetry/figures.ts';
import {
  countResources,
  createHeapReader,
  createResourceCounter,
  goMemory,
} from '../../../../src/telemetry/sources/v8.ts';

const space = (size: number, used: number, available: number, physical: number, name = 'old_space') => ({
  name,
  size,
  used,
  available,
  physical,
});
const none = { stackBytes: 0, residentBytes: 0, swapBytes: 0 };

describe('goMemory', () => {
  it('counts what is free within the spaces as idle', () => {
    const go = goMemory([space(100, 60, 30, 100), space(50, 50, 0, 50)], {
      stackBytes: 7,
      residentBytes: 1000,
      swapBytes: 20,
    });
    assert.deepEqual(go, {
      heap_alloc: 110,
      heap_sys: 150,
      heap_idle: 30,
      heap_inuse: 120,
      heap_released: 0,
      stack_inuse: 7,
      sys_total: 1020,
    });
  });

  it('does not count as idle what a space could still take but does not hold', () => {
    assert.equal(goMemory([space(0, 0, 1_048_512, 0)], none).heap_idle, 0);
  });

  it('counts memory that was never touched as released, and back into the total', () => {
    const go = goMemory([space(100, 40, 10, 70)], { ...none, residentBytes: 500 });
    assert.deepEqual([go.heap_idle, go.heap_released, go.sys_total], [30, 30, 530]);
  });

  it('never counts more as idle than what holds no objects', () => {
    const go = goMemory([space(100, 95, 5, 20)], none);
    assert.deepEqual([go.heap_idle, go.heap_inuse, go.heap_released], [5, 95, 5]);
  });

  it('holds its three invariants for any spaces, odd ones included', () => {
    const bytes = fc.oneof(fc.nat(1000), fc.nat({ max: 2 ** 44 }));
    const anySpace = fc.tuple(bytes, bytes, bytes, bytes).map((values) => space(...values));
    fc.assert(
      fc.property(fc.array(anySpace, { maxLength: 14 }), bytes, bytes, (spaces, residentBytes, swapBytes) => {
        const go = goMemory(spaces, { stackBytes: 1, residentBytes, swapBytes });
        assert.equal(go.heap_sys, go.heap_idle + go.heap_inuse);
        assert.ok(go.heap_released <= go.heap_idle);
        assert.ok(go.heap_alloc <= go.heap_inuse);
        assert.equal(go.sys_total, residentBytes + swapBytes + go.heap_released);
        for (const value of Object.values(go)) assert.ok(Number.isSafeInteger(value) && value >= 0);
      }),
      { numRuns: 5000 },
    );
  });

  it('follows the table of the contract wherever a heap is as large as what is in it', () => {
    const sane = fc
      .tuple(fc.nat(1e9), fc.nat(1e9), fc.nat(1e9), fc.nat(1e9))
      .map(([used, more, available, physical]) =>
        space(used + more, used, available, Math.min(physical, used + more)),
      );
    fc.assert(
      fc.property(fc.array(sane, { maxLength: 14 }), (spaces) => {
        const sum = (pick: (each: (typeof spaces)[number]) => number) =>
          spaces.reduce((total, each) => total + pick(each), 0);
        const s = sum((each) => each.size);
        const u = sum((each) => each.used);
        const p = sum((each) => each.physical);
        const f = sum((each) => Math.min(each.available, each.size - each.used));
        const go = goMemory(spaces, none);
        assert.equal(go.heap_alloc, u);
        assert.equal(go.heap_sys, s);
        assert.equal(go.heap_idle, Math.min(s - u, Math.max(s - p, f)));
        assert.equal(go.heap_released, Math.min(s - p, go.heap_idle));
      }),
    );
  });
});

describe('createHeapReader', () => {
  const readHeap = createHeapReader();

  it('gives the spaces by names that the catalogue knows', () => {
    const names = readHeap().spaces.map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => !heapSpaces.some((known) => known === name)),
      [],
    );
    assert.ok(names.includes('old_space') && names.length >= 8);
  });

  it('takes each figure from the field that its name means', (context) => {
    const read = createHeapReader();
    const heap = {
      ...v8.getHeapStatistics(),
      heap_size_limit: 11,
      malloced_memory: 12,
      total_allocated_bytes: 13,
    };
    context.mock.method(v8, 'getHeapStatistics', () => heap);
    context.mock.method(v8, 'getHeapSpaceStatistics', () => [
      {
        space_name: 'old_space',
        space_size: 4,
        space_used_size: 1,
        space_available_size: 2,
        physical_space_size: 3,
      },
    ]);
    context.mock.method(process, 'memoryUsage', () => ({ external: 22, arrayBuffers: 21 }));
    assert.deepEqual(read(), {
      spaces: [space(4, 1, 2, 3)],
      heapLimitBytes: 11,
      externalBytes: 22,
      arrayBufferBytes: 21,
      mallocedBytes: 12,
      allocatedBytes: 13,
    });
  });

  it('agrees with what V8 says in sum', () => {
    const { spaces, heapLimitBytes, allocatedBytes } = readHeap();
    const heap = v8.getHeapStatistics();
    const size = spaces.reduce((total, each) => total + each.size, 0);
    assert.ok(Math.abs(size - heap.total_heap_size) <= 4 * 1024 * 1024);
    assert.equal(heapLimitBytes, heap.heap_size_limit);
    assert.ok(allocatedBytes! > 0 && allocatedBytes! <= heap.total_allocated_bytes);
  });

  it('counts allocations on, whatever is collected', () => {
    const before = readHeap().allocatedBytes!;
    const kept = Array.from({ length: 100_000 }, (_, index) => [index]);
    assert.ok(readHeap().allocatedBytes! - before >= kept.length * 16);
  });

  it('does not count as allocated what V8 adds for being asked', () => {
    const reads = 300;
    const naively = () =>
      (v8.getHeapStatistics() as { total_allocated_bytes?: number }).total_allocated_bytes!;
    const [before, naivelyBefore] = [readHeap().allocatedBytes!, naively()];
    for (let read = 1; read < reads; read++) readHeap();
    const grown = readHeap().allocatedBytes! - before;
    assert.ok(naively() - naivelyBefore > reads * 50_000, 'V8 still does it');
    // A read's own lists take 7,500.
    assert.ok(grown >= 0 && grown < reads * 15_000, `${grown / reads} bytes a read`);
  });

  it('does not count what is left of an area of another space that something has begun', () => {
    const reads = 300;
    const before = readHeap().allocatedBytes!;
    // A function of its own text is compiled, and its code stands in the old and in the trusted space.
    for (let read = 1; read < reads; read++) {
      new Function(`return ${Math.random()}`)();
      readHeap();
    }
    const grown = readHeap().allocatedBytes! - before;
    assert.ok(grown > reads * 1_000 && grown < reads * 30_000, `${grown / reads} bytes a read`);
  });

  it('takes what the spaces have grown by without a collection, and V8’s total, less what asking adds, with one', (context) => {
    /** A question adds so much, which is what is left of the young space's area. */
    const asking = 1_000;
    const heap = { total: 0, young: 0, old: 0 };
    const space = (name: string, used: number) => ({
      space_name: name,
      space_size: 4e6,
      space_used_size: used,
      space_available_size: 0,
      physical_space_size: 4e6,
    });
    const others = v8.getHeapStatistics();
    context.mock.method(v8, 'getHeapStatistics', () => {
      heap.total += asking;
      return { ...others, total_allocated_bytes: heap.total };
    });
    context.mock.method(v8, 'getHeapSpaceStatistics', () => [
      space('new_space', heap.young),
      space('old_space', heap.old),
    ]);
    const read = createHeapReader();
    const grown = (total: number, young: number, old: number): number => {
      const before = read().allocatedBytes!;
      heap.total += total;
      heap.young += young;
      heap.old += old;
      return read().allocatedBytes! - before;
    };
    heap.total = 50e6;
    [heap.young, heap.old] = [600_000, 3e6];
    assert.equal(read().allocatedBytes, 50e6, 'all that was before the first question');
    assert.equal(grown(700, 700, 0), 700);
    assert.equal(grown(200_700, 700, 0), 700, 'the rest is of an area in another space');
    // Each pair of readings begins with one in which nothing has happened: nothing is left then.
    assert.equal(
      grown(500_000, -600_000, 700_000),
      500_000,
      'the young space has been emptied into the old one',
    );
    assert.equal(grown(5e6, 700, 0), 5e6, 'so much cannot be left');
    assert.equal(grown(2e6, -700, -9_000), 2e6);
  });

  it('does not take for allocated by a collection what was left in another space before it', (context) => {
    const heap = { total: 1e6, young: 5_000 };
    const others = v8.getHeapStatistics();
    context.mock.method(v8, 'getHeapStatistics', () => ({ ...others, total_allocated_bytes: heap.total }));
    context.mock.method(v8, 'getHeapSpaceStatistics', () => [
      {
        space_name: 'new_space',
        space_size: 1e6,
        space_used_size: heap.young,
        space_available_size: 0,
        physical_space_size: 1e6,
      },
    ]);
    const read = createHeapReader();
    const before = read().allocatedBytes!;
    heap.total += 300_050;
    heap.young += 50;
    assert.equal(read().allocatedBytes! - before, 50);
    heap.total += 1e6;
    heap.young = 0;
    assert.equal(read().allocatedBytes! - before, 50 + 1e6 - 300_000);
  });

  it('counts 100 MB as 100 MB, however often it is read meanwhile', () => {
    const before = readHeap().allocatedBytes!;
    let last: unknown;
    for (let round = 0; round < 100; round++) {
      for (let array = 0; array < 100; array++) last = new Array(1_250).fill(array);
      readHeap();
    }
    const grown = readHeap().allocatedBytes! - before;
    assert.ok(Array.isArray(last));
    assert.ok(grown > 98e6 && grown < 110e6, `${grown} bytes`);
  });

  it('never falls, collections in between or not', () => {
    let before = 0;
    for (let round = 0; round < 2_000; round++) {
      if (round % 7 === 0) Array.from({ length: 5_000 }, (_, index) => [index]);
      const now = readHeap().allocatedBytes!;
      assert.ok(now >= before);
      before = now;
    }
  });
});

describe('countResources', () => {
  it('counts by type, all types present, unknown ones together', () => {
    const counts = countResources([
      'Timeout',
      'TCPSocketWrap',
      'Timeout',
      'SomethingNew',
      '__proto__',
      'other',
    ]);
    assert.deepEqual(Object.keys(counts), [...resourceTypes]);
    assert.deepEqual([counts.Timeout, counts.TCPSocketWrap, counts.other, counts.PipeWrap], [2, 1, 3, 0]);
  });
});

describe('createResourceCounter', () => {
  const build = (length: number) => {
    const now = { ms: 5_000 };
    const list: { length: number; lookedAt: number; descriptors?: number } = { length, lookedAt: 0 };
    const count = createResourceCounter({
      nowMs: () => now.ms,
      descriptors: () => list.descriptors,
      list: () => {
        list.lookedAt += 1;
        return Array.from({ length: list.length }, () => 'TCPSocketWrap');
      },
    });
    return { now, list, sockets: () => count().TCPSocketWrap };
  };

  it('counts at each reading while there are few', () => {
    const { list, sockets } = build(0);
    list.descriptors = 20;
    for (const length of [0, 7, 1_000, 3]) {
      list.length = length;
      assert.equal(sockets(), length);
    }
    assert.equal(list.lookedAt, 4);
  });

  it('asks for a long list again after twice as many milliseconds as it has entries', () => {
    const { now, list, sockets } = build(10_000);
    assert.equal(sockets(), 10_000);
    list.length = 4_000;
    now.ms += 19_999;
    assert.equal(sockets(), 10_000);
    assert.equal(list.lookedAt, 1);
    now.ms += 1;
    assert.equal(sockets(), 4_000);
    list.length = 2;
    now.ms += 8_000;
    assert.equal(sockets(), 2);
    assert.equal(sockets(), 2);
    assert.equal(list.lookedAt, 4);
  });

  it('asks for it six times more seldom while nearly as many descriptors are open', () => {
    const { now, list, sockets } = build(10_000);
    list.descriptors = 10_020;
    assert.equal(sockets(), 10_000);
    list.length = 10_001;
    for (let rest = 1; rest < 6; rest += 1) {
      list.descriptors = 10_020 + (rest % 2 === 0 ? 10 : -10);
      now.ms += 20_000;
      assert.equal(sockets(), 10_000);
    }
    assert.equal(list.lookedAt, 1);
    now.ms += 20_000;
    assert.equal(sockets(), 10_001, 'two minutes later all the same');
    list.descriptors = 10_022;
    list.length = 10_013;
    now.ms += 20_002;
    assert.equal(sockets(), 10_013, 'a dozen have come');
    delete list.descriptors;
    list.length = 10_014;
    now.ms += 20_026;
    assert.equal(sockets(), 10_014, 'nobody tells');
    assert.equal(list.lookedAt, 4);
  });

  it('asks Node, if nobody else', () => {
    const counts = createResourceCounter({ nowMs: () => 0 })();
    const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
    assert.equal(total, process.getActiveResourcesInfo().length);
  });
});
