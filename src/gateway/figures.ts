/**
 * The gateway's figures at one instant, put together from ledger, table and hub when somebody collects.
 * It only reads. The checks on the way are the invariants that hold at every instant; a violation is a bug
 * in the gateway, and is itself a figure.
 */
import type { GatewayFigures } from '../telemetry/figures.ts';
import type { CloseReason } from './close-codes.ts';
import type { Connections } from './connections.ts';
import type { Hub } from './hub.ts';
import type { ConnectionCounts, Ledger } from './ledger.ts';

type Parts = { ledger: Ledger; connections: Connections; hub: Hub };
type Situation = Pick<GatewayFigures, 'connectionLimit' | 'drainRemaining' | 'notReady'> & {
  nowMs: number;
  fanoutLagMaxMs: number;
  /** What the last audit of the ledger found. */
  auditDrift: number;
};

export function gatewayFigures({ ledger, connections, hub }: Parts, situation: Situation): GatewayFigures {
  const { nowMs, fanoutLagMaxMs, auditDrift, ...given } = situation;
  const live = connections.figures(nowMs);
  const { counts } = ledger;
  const { receive, transmit } = ledger.controlFrames;
  return {
    ...given,
    active: connections.size,
    states: { open: live.open, congested: live.congested, closing: live.closing },
    opened: ledger.opened,
    closed: { ...ledger.closed },
    peak: connections.peak,
    connectionTime: (ledger.endedMs + live.ageMs) / 1000,
    handshakes: { ...ledger.handshakes, rejected: { ...ledger.handshakes.rejected } },
    messages: { receive: counts.messagesReceived, transmit: counts.messagesSent },
    payloadBytes: { receive: counts.payloadBytesReceived, transmit: counts.payloadBytesSent },
    wireBytes: { receive: ledger.wire.received, transmit: ledger.wire.sent },
    controlFrames: { receive: { ...receive }, transmit: { ...transmit } },
    messagesRejected: { ...ledger.messagesRejected },
    gaps: { ...ledger.gaps },
    deliveries: {
      matched: counts.matched,
      sent: counts.delivered,
      queued: counts.queued,
      dropped: {
        slow_consumer: counts.droppedSlow,
        conflated: counts.droppedConflated,
        closed: counts.droppedClosed,
        overload: counts.droppedOverload,
      },
    },
    sendQueue: {
      bytes: live.queueBytes,
      largestBytes: live.largestQueueBytes,
      connections: connections.congested.size,
    },
    pingTimeouts: ledger.pingTimeouts,
    subscriptions: hub.subscriptionCount,
    channels: hub.channelCount,
    audiences: hub.audienceCount,
    flush: {
      pendingMessages: hub.pendingMessages,
      lagSeconds: hub.lagMs(nowMs) / 1000,
      lagLimitSeconds: fanoutLagMaxMs / 1000,
    },
    closesInProgress: live.closing,
    ledgerDrift: auditDrift + drift(ledger, connections, counts),
  };
}

/** How many of the invariants do not hold now. */
function drift(ledger: Ledger, connections: Connections, counts: ConnectionCounts): number {
  const closed = sum(ledger.closed);
  const { begun, active, rejected } = ledger.handshakes;
  const holds = [
    connections.size === ledger.opened - closed,
    begun === ledger.opened + sum(rejected) + active,
    counts.matched === counts.delivered + counts.queued + droppedOf(counts),
    ledger.ended.queued === 0,
  ];
  return holds.filter((one) => !one).length;
}

function droppedOf(counts: ConnectionCounts): number {
  return counts.droppedSlow + counts.droppedConflated + counts.droppedClosed + counts.droppedOverload;
}

function sum(counts: Readonly<Record<CloseReason | string, number>>): number {
  return Object.values(counts).reduce((total, one) => total + one, 0);
}
