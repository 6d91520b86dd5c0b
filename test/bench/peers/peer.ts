/**
 * What every peer of the bench does alike, so that they differ only in how they send: hears everything under
 * public.> from the NATS server in NATS_URL, listens on a free port of the loopback, says where, and goes at SIGTERM.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from '@nats-io/transport-node';

export type Hear = (subject: string, payload: Uint8Array) => void;

/** Resolves when messages come. Without NATS_URL none will. */
export async function feed(hear: Hear): Promise<void> {
  const servers = process.env.NATS_URL;
  if (servers === undefined) return;
  const nats = await connect({ servers, maxReconnectAttempts: -1 });
  nats.subscribe('public.>', {
    callback: (_error, message) => hear(message.subject, message.data),
  });
  await nats.flush();
}

/** A plain HTTP server; `serve` attaches what upgrades. */
export async function listen(serve: (server: Server) => void): Promise<void> {
  const server = createServer();
  serve(server);
  process.once('SIGTERM', () => process.exit(0));
  await new Promise<void>((resolve) =>
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => resolve()),
  );
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${port}` }));
}

/** The channels in a subscribe message of the gateway's own kind; undefined for anything else. */
export function channelsOf(data: Buffer): string[] | undefined {
  const { type, channels } = JSON.parse(data.toString()) as { type: string; channels: string[] };
  return type === 'subscribe' ? channels : undefined;
}

/** Said when the channels are in force. */
export const subscribed = '{"type":"subscribed"}';

/** Who hears what: everything, until the first subscribe; then the channels asked for. */
export class Audience<Member> {
  readonly #everything = new Set<Member>();
  readonly #channels = new Map<string, Set<Member>>();

  join(member: Member): void {
    this.#everything.add(member);
  }

  subscribe(member: Member, channels: readonly string[]): void {
    this.#everything.delete(member);
    for (const channel of channels) {
      const members = this.#channels.get(channel) ?? new Set();
      this.#channels.set(channel, members.add(member));
    }
  }

  leave(member: Member): void {
    this.#everything.delete(member);
    for (const members of this.#channels.values()) members.delete(member);
  }

  each(subject: string, visit: (member: Member) => void): void {
    this.#everything.forEach(visit);
    this.#channels.get(subject)?.forEach(visit);
  }
}
