/**
 * The conversation with one client: what it asks, and what we answer. Rules about channels live here; how
 * bytes reach the client is the connection's business, and who hears what is the hub's.
 */
import { isAllowed, isPattern, subjectLengthMax, subjectTokensMax } from '../bus/subjects.ts';
import { type Connection, OWN_WAITING_MAX, type Reply } from './connection.ts';
import { encodeTextFrame } from './frame.ts';
import type { Hub } from './hub.ts';
import type { Ledger } from './ledger.ts';
import {
  type ClientMessage,
  encodeServerMessage,
  type GapReason,
  type MessageError,
  parseClientMessage,
  type ServerMessage,
} from './protocol.ts';
import { ReceiveBudget, type ReceiveLimits } from './receive-budget.ts';
import type { GatewayRecorder } from './recorder.ts';

export type SessionRules = ReceiveLimits & {
  capabilities: readonly string[];
  /** Patterns heard by a client that has never subscribed. */
  defaultChannels: readonly string[];
  allowedChannels: readonly string[];
  subscriptionsMax: number;
};

export type SessionSurroundings = {
  hub: Hub;
  ledger: Ledger;
  rules: SessionRules;
  recorder: Pick<GatewayRecorder, 'messageSize'>;
  /** Monotonic milliseconds, and Unix milliseconds. */
  nowMs(): number;
  unixMs(): number;
  nonce(): string;
  /** Monotonic milliseconds at which the gateway started. */
  startedMs: number;
  /** For how long it stood still not long ago. */
  recentStallMs(nowMs: number): number;
} & BusAnswers;

/** What the bus says of what it has been asked for. */
export type BusAnswers = {
  /** Undefined where all that has been subscribed to is in force; else resolves when it is, or the bus has gone. */
  inForce(): Promise<void> | undefined;
  /** Whether the bus does not let us hear a channel that is wanted, as far as is known. */
  isRefused(channel: string): boolean;
};

/** What an answer that waits holds besides the names of its channels, roughly. */
const ANSWER_BYTES = 200;

/** Letters of a channel that an error repeats: enough to tell it from others. */
const QUOTED_MAX = 64;

function quoted(channel: string): string {
  return JSON.stringify(channel.length > QUOTED_MAX ? `${channel.slice(0, QUOTED_MAX)}...` : channel);
}

function channelGrammar(channel: string): string {
  const grammar = `a NATS subject or a pattern with * and a final >, of at most ${subjectLengthMax} characters and ${subjectTokensMax} tokens`;
  return `${quoted(channel)} is no channel: that is ${grammar}.`;
}

/** Welcomes a new client and lets it hear the default channels. */
export function welcome(connection: Connection, around: SessionSurroundings): void {
  const now = around.unixMs();
  say(connection, around, {
    type: 'connectionEstablished',
    timestamp: now,
    nonce: around.nonce(),
    clientId: connection.id,
    serverTime: now,
    capabilities: around.rules.capabilities,
  });
  around.hub.assign(connection, around.rules.defaultChannels);
}

/** A data message from the client. */
export function receive(
  connection: Connection,
  data: Buffer,
  isBinary: boolean,
  around: SessionSurroundings,
): void {
  const nowMs = around.nowMs();
  connection.received(data.length, nowMs);
  around.recorder.messageSize(data.length, 'receive');
  // What was under way when a close began is counted, not answered.
  if (connection.state === 'closing') return spendClosing(connection, nowMs, around);
  if (isBinary) return connection.close('protocol_error', 1003);
  if (!spend(connection, nowMs, around)) {
    around.ledger.messagesRejected.rate_limited += 1;
    return;
  }
  const parsed = parseClientMessage(data.toString('utf8'));
  if ('error' in parsed) return refuse(connection, around, parsed.error, parsed.explanation);
  answer(connection, parsed.message, around);
}

/**
 * A ping, or a pong that nobody waits for. It comes out of the same budget as a message: each costs us a turn of the parser,
 * and a ping a write.
 */
export function receiveControlFrame(connection: Connection, around: SessionSurroundings): void {
  const nowMs = around.nowMs();
  if (connection.state === 'closing') spendClosing(connection, nowMs, around);
  else spend(connection, nowMs, around);
}

/** Whoever floods us goes on until the close has been waited for, unless it is cut. */
function spendClosing(connection: Connection, nowMs: number, around: SessionSurroundings): void {
  if (!budgetOf(connection, nowMs, around).spendClosing(nowMs)) connection.terminate('policy');
}

function budgetOf(connection: Connection, nowMs: number, around: SessionSurroundings): ReceiveBudget {
  if (connection.receiveBudget === undefined) {
    connection.receiveBudget = new ReceiveBudget(around.rules, nowMs);
    // As those had it that were there when we had stood still.
    connection.receiveBudget.credit(Math.min(around.recentStallMs(nowMs), nowMs - connection.openedAtMs));
  }
  return connection.receiveBudget;
}

/** Whether the client may send that much. If not it has been told, or is being closed. */
function spend(connection: Connection, nowMs: number, around: SessionSurroundings): boolean {
  const verdict = budgetOf(connection, nowMs, around).spend(nowMs);
  if (verdict === 'close') {
    connection.close('policy');
  } else if (verdict === 'warn') {
    const { receiveRate } = around.rules;
    const message = `At most ${receiveRate} messages per second, pings among them; the connection is closed if this goes on.`;
    say(connection, around, { type: 'error', code: 'rate_limited', message });
  }
  return verdict === 'use';
}

function answer(connection: Connection, message: ClientMessage, around: SessionSurroundings): void {
  const timestamp = around.unixMs();
  switch (message.type) {
    case 'ping': {
      const pong = {
        timestamp,
        nonce: around.nonce(),
        originalTimestamp: message.timestamp,
        clientId: connection.id,
      };
      return say(connection, around, { type: 'pong', ...pong });
    }
    case 'heartbeat': {
      const uptime = Math.round(around.nowMs() - around.startedMs);
      return say(connection, around, {
        type: 'heartbeat',
        timestamp,
        nonce: around.nonce(),
        serverTime: timestamp,
        uptime,
      });
    }
    case 'subscribe':
      return subscribe(connection, message.channels, around);
    case 'unsubscribe':
      return unsubscribe(connection, message.channels, around);
  }
}

/** All of the channels, or none of them and an error. */
function subscribe(connection: Connection, channels: readonly string[], around: SessionSurroundings): void {
  const { rules } = around;
  const bad = channels.find((channel) => !isPattern(channel));
  if (bad !== undefined) return refuse(connection, around, 'bad_channel', channelGrammar(bad));
  const forbidden = channels.find((channel) => !isAllowed(channel, rules.allowedChannels));
  if (forbidden !== undefined) {
    return refuse(connection, around, 'forbidden', `${quoted(forbidden)} is not for this client to hear.`);
  }
  const wanted = new Set([...(connection.channels ?? []), ...channels]);
  if (wanted.size > rules.subscriptionsMax) {
    return refuse(
      connection,
      around,
      'too_many_subscriptions',
      `At most ${rules.subscriptionsMax} channels at a time.`,
    );
  }
  connection.channels = wanted;
  around.hub.assign(connection, wanted);
  reply(connection, around, channels, around.inForce(), () => {
    const refused = channels.find((channel) => around.isRefused(channel));
    if (refused !== undefined) {
      const message = `The message bus does not let this gateway hear ${quoted(refused)} for now.`;
      say(connection, around, { type: 'error', code: 'forbidden', message });
    }
    say(connection, around, { type: 'subscribed', channels });
  });
}

/**
 * Whoever fetches a state when he has been told that he is subscribed must miss nothing from there on, so it is told when the
 * broker has the subscription. Answers keep their order. Whoever asks for more than may wait has them at once, and hears of a
 * gap when the broker has answered.
 */
function reply(
  connection: Connection,
  around: SessionSurroundings,
  channels: readonly string[],
  inForce: Promise<void> | undefined,
  sayIt: () => void,
): void {
  if (inForce === undefined && connection.replies === undefined) return sayIt();
  connection.replies ??= [];
  const { replies } = connection;
  const bytes = channels.reduce((sum, { length }) => sum + length, ANSWER_BYTES);
  const one: Reply = { say: sayIt, bytes, isReady: inForce === undefined, isEarly: false };
  replies.push(one);
  void inForce?.then(() => {
    one.isReady = true;
    if (one.isEarly) around.hub.missBus(connection);
    else sayReady(connection);
  });
  if (replies.reduce((sum, waiting) => sum + waiting.bytes, 0) <= OWN_WAITING_MAX) return;
  const last = replies.findLast(({ isReady }) => !isReady);
  if (last !== undefined) last.isEarly = true;
  for (const waiting of replies) waiting.isReady = true;
  sayReady(connection);
}

function sayReady(connection: Connection): void {
  const replies = connection.replies ?? [];
  while (replies[0]?.isReady === true) replies.shift()!.say();
  if (replies.length === 0) connection.replies = undefined;
}

function unsubscribe(connection: Connection, channels: readonly string[], around: SessionSurroundings): void {
  const bad = channels.find((channel) => !isPattern(channel));
  if (bad !== undefined) return refuse(connection, around, 'bad_channel', channelGrammar(bad));
  if (connection.channels !== undefined) {
    for (const channel of channels) connection.channels.delete(channel);
    around.hub.assign(connection, connection.channels);
  }
  reply(connection, around, channels, undefined, () =>
    say(connection, around, { type: 'unsubscribed', channels }),
  );
}

/** A message that cannot be used: the client is told why, and after too many of them closed. */
function refuse(
  connection: Connection,
  around: SessionSurroundings,
  code: MessageError,
  message: string,
): void {
  around.ledger.messagesRejected[code] += 1;
  reply(connection, around, [], undefined, () => say(connection, around, { type: 'error', code, message }));
  if (!connection.receiveBudget!.spendBad(around.nowMs())) connection.close('policy');
}

/** Tells the client that it may have missed something; `null` where nobody can know how much. */
export function sayGap(
  connection: Connection,
  reason: GapReason,
  dropped: number | null,
  around: Pick<SessionSurroundings, 'ledger' | 'nowMs'>,
): void {
  const frame = encodeTextFrame(encodeServerMessage({ type: 'gap', reason, dropped }));
  if (!connection.sayAnyway(frame, around.nowMs())) return;
  around.ledger.gaps[reason] += 1;
  connection.gaps += 1;
}

/** Tells the client that it will be closed, and in how many milliseconds it should reconnect. */
export function sayReconnect(
  connection: Connection,
  afterMs: number,
  around: Pick<SessionSurroundings, 'nowMs'>,
): void {
  say(connection, around, { type: 'reconnect', afterMs });
}

function say(
  connection: Connection,
  around: Pick<SessionSurroundings, 'nowMs'>,
  message: ServerMessage,
): void {
  connection.say(encodeTextFrame(encodeServerMessage(message)), around.nowMs());
}
