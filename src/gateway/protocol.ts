/**
 * What clients and gateway say to each other in text frames: the types of both sides, parsing and encoding.
 * Pure. Published messages are not described here: they pass as they came.
 */

/** Why a client's message was answered with an error. */
export const messageErrors = [
  'malformed',
  'unknown_type',
  'bad_channel',
  'forbidden',
  'too_many_subscriptions',
  'rate_limited',
] as const;
export type MessageError = (typeof messageErrors)[number];

/** Why a client may have missed something. */
export const gapReasons = ['bus', 'slow', 'overload'] as const;
export type GapReason = (typeof gapReasons)[number];

export type ClientMessage =
  | { type: 'ping'; timestamp: unknown }
  | { type: 'heartbeat' }
  | { type: 'subscribe'; channels: string[] }
  | { type: 'unsubscribe'; channels: string[] };

export type ServerMessage =
  | {
      type: 'connectionEstablished';
      timestamp: number;
      nonce: string;
      clientId: string;
      serverTime: number;
      capabilities: readonly string[];
    }
  | { type: 'pong'; timestamp: number; nonce: string; originalTimestamp: unknown; clientId: string }
  | { type: 'heartbeat'; timestamp: number; nonce: string; serverTime: number; uptime: number }
  | { type: 'subscribed'; channels: readonly string[] }
  | { type: 'unsubscribed'; channels: readonly string[] }
  | { type: 'gap'; reason: GapReason; dropped: number | null }
  | { type: 'reconnect'; afterMs: number }
  | { type: 'error'; code: MessageError; message: string };

export type ParsedMessage = { message: ClientMessage } | { error: MessageError; explanation: string };

/**
 * Understands one text frame. Answers a fault instead of throwing; the explanation is for the person who
 * writes the client and repeats nothing of the input.
 */
export function parseClientMessage(text: string): ParsedMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault('malformed', 'A message must be JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fault('malformed', 'A message must be a JSON object.');
  }
  const { type, channels, timestamp } = value as Record<string, unknown>;
  switch (type) {
    case 'ping':
      // What is echoed must be worth echoing: a nested value could be made to answer with more than was asked.
      if (typeof timestamp === 'object' && timestamp !== null)
        return fault('malformed', 'timestamp must not be an object.');
      return { message: { type, timestamp: timestamp ?? null } };
    case 'heartbeat':
      return { message: { type } };
    case 'subscribe':
    case 'unsubscribe':
      if (
        !Array.isArray(channels) ||
        channels.length === 0 ||
        !channels.every((one) => typeof one === 'string')
      ) {
        return fault('malformed', 'channels must be an array of strings, with at least one.');
      }
      return { message: { type, channels } };
    default:
      return fault('unknown_type', 'type must be ping, heartbeat, subscribe or unsubscribe.');
  }
}

function fault(error: MessageError, explanation: string): ParsedMessage {
  return { error, explanation };
}

export function encodeServerMessage(message: ServerMessage): string {
  return JSON.stringify(message);
}
