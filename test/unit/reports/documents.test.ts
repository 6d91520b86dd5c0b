/**
 * Every figure of every document, from a collection made by hand in which no two figures are equal: a figure
 * read from the wrong instrument, or with the wrong attribute, shows.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionPage } from '../../../src/reports/connections.ts';
import { enhanced } from '../../../src/reports/enhanced.ts';
import { health, healthSummary } from '../../../src/reports/health.ts';
import { stats } from '../../../src/reports/stats.ts';
import { system } from '../../../src/reports/system.ts';
import { pageOf, rowWith } from '../../support/connection-rows.ts';
import { fullReadings, readingsOf, withOneOf } from '../../support/readings.ts';

const readings = readingsOf(fullReadings, 1_703_123_456_789);
const page: ConnectionPage = {
  rows: [
    rowWith({
      id: 'client_abc123',
      remoteAddr: '192.168.1.100:54321',
      durationSeconds: 67.3,
      messagesSent: 45,
      messagesReceived: 12,
      bytesSent: 4500,
      bytesReceived: 1200,
      idleSeconds: 2.1,
    }),
  ],
  next: 'more',
  isTruncated: true,
};
const noRows: ConnectionPage = pageOf([]);

test('stats shows each of its figures', () => {
  assert.deepEqual(stats(readings), {
    connections: { active: 6 },
    system: { memory: { heap_alloc: 8_388_608 }, goroutines: 23 },
    nats: { InMsgs: 777, OutMsgs: 55, InBytes: 77_700, OutBytes: 5_500, Reconnects: 8 },
    hub: {
      connected_clients: 6,
      seen_nonces: 401,
      broadcast_queue: 17,
      register_queue: 12,
      unregister_queue: 3,
    },
    uptime_seconds: 128,
  });
});

test('system shows each of its figures, memory in MiB and unrounded', () => {
  assert.deepEqual(system(readings, 4), {
    timestamp: 1_703_123_456,
    system: {
      memory: {
        heap_alloc_mb: 8,
        heap_sys_mb: 12.5,
        heap_idle_mb: 4.25,
        heap_inuse_mb: 8.25,
        heap_released_mb: 0.125,
        stack_inuse_mb: 135_168 / 2 ** 20,
        sys_total_mb: 90.125,
        gc_count: 7,
        gc_cpu_percent: 0.048828125,
        goroutines: 23,
      },
      cpu: { percent: 12.5, cores: 4 },
    },
    performance: { memory_mb: 8, cpu_percent: 12.5, goroutines: 23, active_conns: 6 },
  });
});

test('enhanced shows each of its figures, and the page of rows as it was given', () => {
  const document = enhanced(readings, page, 4);
  const { system: systemPart, performance } = system(readings, 4);
  assert.deepEqual(document, {
    timestamp: 1_703_123_456,
    uptime_seconds: 128,
    last_update: 1_703_123_453,
    connections: {
      active: 6,
      total: 16,
      peak: 9,
      messages_sent_total: 1250,
      messages_recv_total: 340,
      bytes_sent_total: 125_000,
      bytes_recv_total: 34_000,
      avg_duration_sec: 45.25,
      connections: [
        {
          id: 'client_abc123',
          remote_addr: '192.168.1.100:54321',
          duration_sec: 67.3,
          messages_sent: 45,
          messages_recv: 12,
          bytes_sent: 4500,
          bytes_recv: 1200,
          idle_sec: 2.1,
        },
      ],
      connections_truncated: true,
      connections_next: 'more',
    },
    system: systemPart,
    performance,
    runtime: {
      memory: {
        heap_used: 8 * 2 ** 20,
        heap_total: 12.5 * 2 ** 20,
        heap_limit: 2 ** 32,
        external: 1_700_000,
        array_buffers: 650_000,
        rss: 90 * 2 ** 20,
        spaces: {
          new_space: { used: 3 * 2 ** 20, size: 2 ** 22, available: 2 ** 20, physical: 3.75 * 2 ** 20 },
          old_space: {
            used: 5 * 2 ** 20,
            size: 8.5 * 2 ** 20,
            available: 3.5 * 2 ** 20,
            physical: 8.25 * 2 ** 20,
          },
        },
      },
      gc: {
        count: { major: 2, minor: 5, incremental: 11, weakcb: 1 },
        pause_seconds: { major: 0.0625, minor: 0.03125, incremental: 0.0234375, weakcb: 0.0078125 },
      },
      scheduler: {
        event_loop_utilization: 0.375,
        delay_p50_seconds: 0.0001,
        delay_p99_seconds: 0.0012,
        delay_max_seconds: 0.0048,
        active_resources: 23,
      },
      cpu: { user_seconds: 11.5, system_seconds: 2.25, limit_cores: 2, throttled_seconds: 1.75 },
      timestamp: 1_703_123_456,
    },
  });
});

test('health shows each of its figures, memory in bytes', () => {
  assert.deepEqual(health(readings), {
    status: 'healthy',
    timestamp: 1_703_123_456,
    uptime: 128,
    reasons: [],
    services: {
      websocket: { status: 'healthy', clients: 6 },
      nats: { status: 'connected', connected: true },
    },
    system: {
      goroutines: 23,
      memory: {
        alloc: 8_388_608,
        total_alloc: 99_999_999,
        sys: 90.125 * 2 ** 20,
        heap_alloc: 8_388_608,
        heap_sys: 12.5 * 2 ** 20,
        heap_idle: 4.25 * 2 ** 20,
        heap_inuse: 8.25 * 2 ** 20,
        stack_inuse: 135_168,
        stack_sys: 135_168,
        num_gc: 7,
        gc_cpu_fraction: 0.00048828125,
      },
    },
  });
});

test('health is degraded while the bus is away and no reason holds', () => {
  for (const state of ['connecting', 'reconnecting', 'draining', 'closed']) {
    const document = health(readingsOf(withOneOf('tidegauge.bus.state', 'tidegauge.bus.state', state)));
    assert.equal(document.status, 'degraded', state);
    assert.deepEqual(document.reasons, ['bus'], 'which keeps nobody from coming, and is why all is not well');
    assert.deepEqual(document.services.nats, { status: state, connected: false });
    assert.equal(document.services.websocket.status, 'healthy');
  }
});

test('health is unhealthy for each reason, and says that clients are refused where they are', () => {
  const refusing = { starting: 'healthy', draining: 'unhealthy', bus: 'healthy', capacity: 'unhealthy' };
  for (const [reason, websocket] of Object.entries(refusing)) {
    const document = health(readingsOf(withOneOf('tidegauge.ready', 'tidegauge.ready.reason', reason)));
    assert.equal(document.status, 'unhealthy', reason);
    assert.deepEqual(document.reasons, [reason]);
    assert.equal(document.services.websocket.status, websocket, reason);
  }
});

test('health is unhealthy, not degraded, while the bus is away and a reason holds', () => {
  const away = withOneOf('tidegauge.bus.state', 'tidegauge.bus.state', 'reconnecting');
  for (const reason of ['starting', 'draining', 'bus', 'capacity']) {
    const notReady = withOneOf('tidegauge.ready', 'tidegauge.ready.reason', reason)['tidegauge.ready']!;
    const document = health(readingsOf({ ...away, 'tidegauge.ready': notReady }));
    assert.equal(document.status, 'unhealthy', reason);
    assert.deepEqual(document.reasons, [reason]);
  }
});

test('the summary of health is the head of the whole document, without figures of clients and memory', () => {
  const { services: _services, system: _system, ...head } = health(readings);
  assert.deepEqual(healthSummary(readings), head);
});

test('cpu percent is cut at 100, though a quota may be exceeded for a short while', () => {
  const busy = readingsOf({ ...fullReadings, 'process.cpu.utilization': [[{ 'cpu.mode': 'user' }, 1.3]] });
  assert.equal(system(busy, 4).system.cpu.percent, 100);
  assert.equal(system(busy, 4).performance.cpu_percent, 100);
});

test('an empty collection gives zeros, never a NaN or a missing key', () => {
  const empty = readingsOf({}, 5_999);
  const documents = [stats(empty), system(empty, 1), enhanced(empty, noRows, 1), health(empty)];
  for (const document of documents) {
    JSON.stringify(document, (key, value: unknown) => {
      assert.ok(value === undefined || typeof value !== 'number' || Number.isFinite(value), key);
      return value;
    });
  }
  const { connections, runtime, last_update } = enhanced(empty, noRows, 1);
  assert.equal(connections.avg_duration_sec, 0);
  assert.deepEqual(connections.connections, []);
  assert.equal(last_update, 5);
  assert.deepEqual(JSON.parse(JSON.stringify(runtime)), {
    memory: { spaces: {} },
    gc: { count: {}, pause_seconds: {} },
    scheduler: {},
    cpu: {},
    timestamp: 5,
  });
});

test('the reports change neither readings nor page, and give the same document twice', () => {
  const before = structuredClone({ fullReadings, page });
  assert.deepEqual(enhanced(readings, page, 4), enhanced(readings, page, 4));
  assert.deepEqual({ fullReadings, page }, before);
});
