/** The small report for a client in a browser: GET /stats. A pure function of one collection. */
import { activeConnections, amount, goMemoryBytes, goroutines, total, uptimeSeconds } from './amounts.ts';
import type { Readings } from './readings.ts';

export type StatsDocument = {
  connections: { active: number };
  /** Bytes. */
  system: { memory: { heap_alloc: number }; goroutines: number };
  /** Spelled as Go spells the fields of nats.Statistics. The in-memory bus counts its own traffic. */
  nats: { InMsgs: number; OutMsgs: number; InBytes: number; OutBytes: number; Reconnects: number };
  hub: {
    connected_clients: number;
    /** Entries in the duplicate window. */
    seen_nonces: number;
    /** Messages that wait for the flush. */
    broadcast_queue: number;
    /** Handshakes in progress. */
    register_queue: number;
    /** Closes in progress. */
    unregister_queue: number;
  };
  uptime_seconds: number;
};

export function stats(readings: Readings): StatsDocument {
  const active = activeConnections(readings);
  return {
    connections: { active },
    system: {
      memory: { heap_alloc: goMemoryBytes(readings, 'heap_alloc') },
      goroutines: goroutines(readings),
    },
    nats: {
      InMsgs: total(readings, 'messaging.client.consumed.messages'),
      OutMsgs: total(readings, 'messaging.client.sent.messages'),
      InBytes: amount(readings, 'tidegauge.bus.io', { 'network.io.direction': 'receive' }),
      OutBytes: amount(readings, 'tidegauge.bus.io', { 'network.io.direction': 'transmit' }),
      Reconnects: total(readings, 'tidegauge.bus.reconnects'),
    },
    hub: {
      connected_clients: active,
      seen_nonces: amount(readings, 'tidegauge.dedupe.entries'),
      broadcast_queue: amount(readings, 'tidegauge.flush.pending'),
      register_queue: amount(readings, 'tidegauge.handshake.active'),
      unregister_queue: amount(readings, 'tidegauge.connection.state', {
        'tidegauge.connection.state': 'closing',
      }),
    },
    uptime_seconds: uptimeSeconds(readings),
  };
}
