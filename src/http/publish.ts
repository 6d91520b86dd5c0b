/**
 * POST /publish/:subject: the body's bytes become one message on the bus, unread and unchanged. 202 means that
 * the broker has answered a ping behind it, so it has taken the message; not that anybody received it.
 */
import { BusUnansweredError, BusUnavailableError } from '../bus/bus.ts';
import { isSubject, matches, subjectLengthMax, subjectTokensMax } from '../bus/subjects.ts';
import { readBody } from './body.ts';
import type { HttpDependencies } from './dependencies.ts';
import { HttpError } from './errors.ts';
import { parseQuery } from './query.ts';
import { answerJson, type Route } from './route.ts';

/** Visible ASCII: it becomes a header of the broker's protocol. */
const messageIdPattern = /^[\x21-\x7e]{1,256}$/;

export function publishRoute(
  dependencies: Pick<HttpDependencies, 'settings' | 'busState' | 'publish'>,
): Route {
  const { publishSubjects, publishSizeMax } = dependencies.settings;
  return {
    method: 'POST',
    path: '/publish/:subject',
    access: 'action',
    async handle(context) {
      parseQuery(context.querystring, {});
      const subject = allowedSubject(context.params.subject ?? '', publishSubjects);
      const options = messageIdOptions(context.get('nats-msg-id'));
      // Asked before the body is read, and found out again below, for the bus may leave in the meantime.
      if (dependencies.busState() !== 'connected') throw busUnavailable();
      const payload = await readBody(context.req, context.res, publishSizeMax);
      try {
        if ((await dependencies.publish(subject, payload, options)) === 'denied') throw deniedByBus();
      } catch (error) {
        if (error instanceof BusUnavailableError) throw busUnavailable();
        if (error instanceof BusUnansweredError) throw busUnanswered();
        if (error instanceof RangeError) throw tooLargeForBus(payload.length);
        throw error;
      }
      answerJson(context, { published: { subject, bytes: payload.length } }, 202);
    },
  };
}

function allowedSubject(subject: string, patterns: readonly string[]): string {
  if (!isSubject(subject)) {
    const remedy = `Publish to a literal subject: at most ${subjectTokensMax} tokens joined by dots, without blanks and wildcards, of ${subjectLengthMax} characters in all.`;
    throw new HttpError(400, 'bad_subject', remedy);
  }
  if (!patterns.some((pattern) => matches(pattern, subject))) {
    const remedy = `Messages may be published within ${patterns.join(', ')}; see TIDEGAUGE_PUBLISH_SUBJECTS.`;
    throw new HttpError(403, 'forbidden_subject', remedy);
  }
  return subject;
}

function busUnavailable(): HttpError {
  return new HttpError(
    503,
    'bus_unavailable',
    'The message bus is away, or takes nothing; nothing was published. Try again.',
  );
}

function busUnanswered(): HttpError {
  return new HttpError(
    503,
    'bus_unanswered',
    'The message bus has not answered: the message may have been published, or may still be. With a Nats-Msg-Id it can be sent again without being heard twice.',
  );
}

function deniedByBus(): HttpError {
  return new HttpError(
    403,
    'forbidden_subject',
    'The message bus does not let this gateway publish there; see the permissions of its user.',
  );
}

/** The broker has a bound of its own, which may be below ours. */
function tooLargeForBus(bytes: number): HttpError {
  return new HttpError(413, 'too_large', `The message bus takes no message of ${bytes} bytes.`);
}

function messageIdOptions(messageId: string): { messageId?: string } {
  if (messageId === '') return {};
  if (!messageIdPattern.test(messageId)) {
    const remedy = 'Nats-Msg-Id must be given once, and be 1 to 256 visible ASCII characters.';
    throw new HttpError(400, 'bad_message_id', remedy);
  }
  return { messageId };
}
