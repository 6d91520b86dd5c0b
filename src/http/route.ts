/**
 * A route as the groups declare it: plain data and a handler. The app decides on which port it is served and
 * puts the guard in front of it, so that no group can forget its own.
 */
import type { RouterContext } from '@koa/router';

/**
 * open: for anybody. report: needs the token where one is set. action: changes something; needs the token, or
 * without one set, a caller on this machine.
 */
export type Access = 'open' | 'report' | 'action';

export type RouteContext = RouterContext;

export type Route = {
  method: 'GET' | 'POST' | 'DELETE';
  /** A template for the router; it is also the value of the attribute http.route. */
  path: string;
  access: Access;
  handle(context: RouteContext): void | Promise<void>;
};

export const jsonType = 'application/json; charset=utf-8';

type Answer = { status: number; body: unknown; set(name: string, value: string): void };

/**
 * Answers with a document. It is made text here, not by koa after the handlers: what cannot be made text must
 * still reach the error exit.
 */
export function answerJson(context: Answer, document: object, status = 200): void {
  answerText(context, JSON.stringify(document), status);
}

/** Likewise with a document that is text already, or the bytes of one. */
export function answerText(context: Answer, text: string | Buffer, status = 200): void {
  context.status = status;
  context.set('content-type', jsonType);
  context.body = text;
}
