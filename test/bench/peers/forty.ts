/**
 * The floor: forty lines that frame each message once and write all that wait together, one write per client and
 * flush, with no accounting, no bounds and no policies. PACING is the share of a flush's duration that the next one
 * waits, 0 for flushing again at once; a flush under half a millisecond makes nobody wait.
 */
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { channelsOf, feed, listen, subscribed } from './peer.ts';
import { textFrame } from './text-frame.ts';

const pacing = Number(process.env.PACING ?? 0);
const SHORT_FLUSH_MS = 0.5;

type Member = { socket: Duplex; pending: Buffer[] };
const everything = new Set<Member>();
const channels = new Map<string, Set<Member>>();
let pending: Buffer[] = [];
const dirty: Member[] = [];
let isScheduled = false;
let nextFlushMs = 0;

function flush(): void {
  isScheduled = false;
  const startMs = performance.now();
  if (pending.length > 0) {
    const chunk = pending.length === 1 ? pending[0]! : Buffer.concat(pending);
    for (const { socket } of everything) socket.write(chunk);
    pending = [];
  }
  for (const member of dirty) {
    member.socket.write(member.pending.length === 1 ? member.pending[0]! : Buffer.concat(member.pending));
    member.pending.length = 0;
  }
  dirty.length = 0;
  const endMs = performance.now();
  const tookMs = endMs - startMs;
  nextFlushMs = tookMs < SHORT_FLUSH_MS ? 0 : endMs + tookMs * pacing;
}

await feed((subject, payload) => {
  const frame = textFrame(payload);
  if (everything.size > 0) pending.push(frame);
  for (const member of channels.get(subject) ?? []) {
    if (member.pending.length === 0) dirty.push(member);
    member.pending.push(frame);
  }
  if (isScheduled) return;
  isScheduled = true;
  const waitMs = nextFlushMs - performance.now();
  if (waitMs > 0) setTimeout(flush, waitMs);
  else setImmediate(flush);
});

await listen((server) => {
  const websockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
  server.on('upgrade', (request, socket, head) => {
    websockets.handleUpgrade(request, socket, head, (websocket) => {
      const member: Member = { socket, pending: [] };
      everything.add(member);
      websocket.on('error', () => {});
      websocket.on('close', () => {
        everything.delete(member);
        for (const members of channels.values()) members.delete(member);
      });
      websocket.on('message', (data: Buffer) => {
        const asked = channelsOf(data);
        if (asked === undefined) return;
        everything.delete(member);
        for (const channel of asked) channels.set(channel, (channels.get(channel) ?? new Set()).add(member));
        websocket.send(subscribed);
      });
    });
  });
});
