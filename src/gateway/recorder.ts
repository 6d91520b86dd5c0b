/**
 * What the gateway tells the outside when something happens that a counter cannot hold: durations and sizes.
 * Called once per fan-out, close, handshake or message, never once per delivery. Telemetry implements it with
 * histograms; the gateway does not know that.
 */

import type { RejectionReason } from './admission.ts';
import type { CloseReason } from './close-codes.ts';

export type GatewayRecorder = {
  handshake(seconds: number, rejected?: RejectionReason): void;
  connectionClosed(seconds: number, reason: CloseReason): void;
  /** Payload bytes of one data message; a transmitted one once per fan-out. */
  messageSize(bytes: number, direction: 'receive' | 'transmit'): void;
  /** From the bus's callback to the last write returned. Once per message that went to somebody. */
  fanoutDuration(seconds: number): void;
  /** Connections that one message went to. */
  fanoutRecipients(connections: number): void;
  /** Messages in one flush. */
  fanoutBatch(messages: number): void;
  /** Round trip of one of our pings. */
  pingRoundTrip(seconds: number): void;
};
