/**
 * An HTTP agent whose requests take no longer than so long, whatever the other side does. The exporter's own time-out is
 * one of idleness: a collector that sends a byte now and then keeps a request for ever, and thirty such requests keep
 * the exporter from exporting anything until the process ends.
 *
 * A socket gets its time when it is opened for a request, or taken out of those that were kept; it is let off when it
 * is put back among them.
 */
import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { type AgentOptions as SecureAgentOptions, Agent as SecureHttpAgent } from 'node:https';
import type { Duplex } from 'node:stream';

export function createDeadlineAgent(
  protocol: string,
  deadlineMs: number,
  options: AgentOptions & SecureAgentOptions,
): HttpAgent {
  const agent = protocol === 'https:' ? new SecureHttpAgent(options) : new HttpAgent(options);
  const timers = new WeakMap<Duplex, NodeJS.Timeout>();
  const letOff = (socket: Duplex): void => clearTimeout(timers.get(socket));
  const limit = (socket: Duplex): void => {
    const end = setTimeout(() => socket.destroy(timedOut(deadlineMs)), deadlineMs);
    end.unref();
    timers.set(socket, end);
  };

  const { createConnection, keepSocketAlive, reuseSocket } = agent;
  agent.createConnection = (...args) => {
    const socket = createConnection.apply(agent, args);
    if (socket !== undefined && socket !== null) {
      limit(socket);
      socket.once('close', () => letOff(socket));
    }
    return socket;
  };
  agent.keepSocketAlive = (socket) => {
    letOff(socket);
    // Whether it is kept is the answer, though the types do not say so.
    return keepSocketAlive.call(agent, socket);
  };
  agent.reuseSocket = (socket, request) => {
    limit(socket);
    reuseSocket.call(agent, socket, request);
  };
  return agent;
}

/** Of the kind that the exporter knows for one after which trying again makes sense. */
function timedOut(deadlineMs: number): Error {
  const error = new Error(`the request was not answered within ${deadlineMs} ms`);
  return Object.assign(error, { code: 'ETIMEDOUT' });
}
