/**
 * The closed set of reasons for which a connection ends: for each, the close code, who begins it, and when.
 * A reason joins the set together with the feature that can cause it. Codes: RFC 6455 section 7.4, and our
 * own from 4400 on. Whether a client should come back is for it to decide by the code: 1006 and 1012 mean yes,
 * with jitter; 4408 and 4409 mean yes, after looking at its own speed or network.
 */

/** In place of a close code (RFC 6455 section 7.4.1): a frame without one, and an end without a frame. */
export const NO_CODE = 1005;
export const NO_FRAME = 1006;

export const closeInitiators = ['client', 'server', 'network'] as const;
export type CloseInitiator = (typeof closeInitiators)[number];

type CloseKind = {
  /** The code in our close frame, or, for a client's own close, the code that it sends. */
  code: number;
  initiator: CloseInitiator;
  when: string;
};

const kinds = {
  normal: { code: 1000, initiator: 'client', when: 'the client closed, with 1000 or without a code' },
  going_away: { code: 1001, initiator: 'client', when: 'the client navigated away or shut down' },
  client_error: { code: 1002, initiator: 'client', when: 'the client closed with any other code' },
  no_close_frame: {
    code: NO_FRAME,
    initiator: 'network',
    when: 'the TCP connection ended without a close frame',
  },
  protocol_error: {
    code: 1002,
    initiator: 'server',
    when: 'the client broke RFC 6455, sent binary data or invalid UTF-8',
  },
  message_too_big: {
    code: 1009,
    initiator: 'server',
    when: 'a message was larger than TIDEGAUGE_MAX_MESSAGE_SIZE',
  },
  policy: {
    code: 1008,
    initiator: 'server',
    when: 'the client went on over TIDEGAUGE_RECEIVE_RATE, sent too much that cannot be used, or a message in too many pieces',
  },
  slow_consumer: {
    code: 4408,
    initiator: 'server',
    when: 'unsent data passed TIDEGAUGE_MAX_BUFFERED or _AGE',
  },
  ping_timeout: {
    code: 4409,
    initiator: 'server',
    when: 'a ping stayed unanswered for TIDEGAUGE_PONG_TIMEOUT',
  },
  idle: {
    code: 1000,
    initiator: 'server',
    when: 'there was no message in either direction for nine tenths of TIDEGAUGE_MAX_IDLE, or up to all of it',
  },
  max_age: {
    code: 1012,
    initiator: 'server',
    when: 'the connection was as old as TIDEGAUGE_MAX_AGE, or nine tenths of it',
  },
  admin: {
    code: 1012,
    initiator: 'server',
    when: 'somebody asked for it with DELETE /connections/:id, perhaps with another code',
  },
  drain: { code: 1012, initiator: 'server', when: 'this gateway is shutting down' },
} as const satisfies Record<string, CloseKind>;

export type CloseReason = keyof typeof kinds;
export const closeKinds: Readonly<Record<CloseReason, CloseKind>> = kinds;
export const closeReasons = Object.keys(kinds) as CloseReason[];

/** The reason for an end that the client began, by the code of its close frame. */
export function clientCloseReason(code: number): CloseReason {
  if (code === 1000 || code === NO_CODE) return 'normal';
  if (code === 1001) return 'going_away';
  if (code === NO_FRAME) return 'no_close_frame';
  return 'client_error';
}
