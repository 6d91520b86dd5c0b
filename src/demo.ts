/**
 * The demonstration: a price feed and a few clients that behave as clients do, in a process of their own, so
 * that every figure of the gateway moves and none of them is about the demonstration. It uses only what any
 * user has: POST /publish and the WebSocket.
 *
 * Started by `npm run demo` as a child of the gateway; it ends with it. Not a load test: about 200 deliveries
 * a second.
 */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';

/** What the parent tells: where the gateway is. */
export type DemoTarget = { clientUrl: string; adminUrl: string; adminToken: string | undefined };

const symbols = ['BTC', 'ETH', 'SOL', 'ADA', 'DOT'] as const;

process.once('message', (target: DemoTarget) => run(target));
process.once('disconnect', () => process.exit(0));

function run(target: DemoTarget): void {
  const prices = new Map<string, number>(symbols.map((symbol, index) => [symbol, 1_000 / (index + 1)]));
  every(100, () => {
    const symbol = oneOf(symbols);
    const price = prices.get(symbol)! * (1 + (Math.random() - 0.5) / 100);
    prices.set(symbol, price);
    return publish(target, `public.prices.${symbol}`, {
      symbol,
      price: Number(price.toFixed(4)),
      at: Date.now(),
    });
  });
  let trades = 0;
  every(1_000, async () => {
    trades += 1;
    const trade = { symbol: oneOf(symbols), amount: Math.ceil(Math.random() * 100) };
    await publish(target, 'public.trades', trade, `trade-${trades}`);
    // A publisher that got no answer tries again; the gateway knows the message by its id.
    if (trades % 5 === 0) await publish(target, 'public.trades', trade, `trade-${trades}`);
  });

  for (let index = 0; index < 12; index += 1) stay(target, index);
  let visits = 0;
  every(1_500, () => {
    visitors[visits % visitors.length]!(target);
    visits += 1;
  });
}

/** A client that stays: every third hears everything, the others what they subscribe to. */
function stay(target: DemoTarget, index: number): void {
  const socket = connect(target);
  socket.onopen = () => {
    if (index % 3 === 1)
      say(socket, { type: 'subscribe', channels: [`public.prices.${symbols[index % symbols.length]}`] });
    if (index % 3 === 2) say(socket, { type: 'subscribe', channels: ['public.prices.*'] });
  };
  const chatter = every(2_000 + index * 300, () => say(socket, { type: 'ping', timestamp: Date.now() }));
  // Gone with the gateway, or cut by it: back after a moment, as a client should be.
  socket.onclose = () => {
    clearInterval(chatter);
    setTimeout(() => stay(target, index), 1_000 + Math.random() * 2_000);
  };
}

/** Those who come and go, one after the other, each in a way of its own. */
const visitors: readonly ((target: DemoTarget) => void)[] = [
  (target) => visit(target, { type: 'heartbeat' }, 1000),
  (target) => visit(target, { type: 'subscribe', channels: ['secret.things'] }, 3000),
  vanish,
  (target) => visit(target, 'hello?', 1000),
  (target) => void connect(target, '/nowhere'),
  (target) => visit(target, { type: 'subscribe', channels: ['not a channel'] }, 1000),
  ignore,
];

/** A client that looks in, says something, odd or not, and leaves with a close code. */
function visit(target: DemoTarget, message: unknown, closeCode: number): void {
  const socket = connect(target);
  socket.onopen = () => {
    say(socket, message);
    setTimeout(() => socket.close(closeCode), 2_000);
  };
}

/** A client that is suddenly gone, without a close frame. */
function vanish(target: DemoTarget): void {
  connectRaw(target, (end) => setTimeout(end, 500));
}

/** A client that answers no ping, until the gateway has enough of it. */
function ignore(target: DemoTarget): void {
  connectRaw(target, () => {});
}

function connect(target: DemoTarget, path = '/ws'): WebSocket {
  const socket = new WebSocket(new URL(path, target.clientUrl.replace(/^http/, 'ws')));
  socket.onerror = () => {};
  return socket;
}

/** A client without a library, for what none of them would do. It sends one ping and listens to nothing. */
function connectRaw(target: DemoTarget, opened: (end: () => void) => void): void {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
  };
  const dial = request(new URL('/ws', target.clientUrl), { headers });
  dial.on('upgrade', (_response, socket) => {
    socket.on('error', () => {});
    socket.resume();
    socket.write(emptyPing);
    opened(() => socket.destroy());
  });
  dial.on('response', (response) => response.resume());
  dial.on('error', () => {});
  dial.end();
}

/** A ping frame of RFC 6455 section 5.5.2, without a payload, masked with zeroes. */
const emptyPing = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);

function say(socket: WebSocket, message: unknown): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

async function publish(target: DemoTarget, subject: string, message: unknown, id?: string): Promise<void> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (id !== undefined) headers['nats-msg-id'] = id;
  if (target.adminToken !== undefined) headers.authorization = `Bearer ${target.adminToken}`;
  const body = JSON.stringify(message);
  const response = await fetch(new URL(`/publish/${subject}`, target.adminUrl), {
    method: 'POST',
    headers,
    body,
  });
  const answer = await response.text();
  // A broker that is away (503) is part of what there is to see; settings that allow none of this are not.
  if (response.status >= 400 && response.status < 500) complain(`${subject} is refused: ${answer}`);
}

let hasComplained = false;

/** Once: the rest would be the same. */
function complain(message: string): void {
  if (!hasComplained) console.error(`demo: ${message}`);
  hasComplained = true;
}

/** Does it again and again; a time that fails (the gateway is leaving) is passed over. */
function every(intervalMs: number, act: () => void | Promise<void>): NodeJS.Timeout {
  return setInterval(() => Promise.resolve(act()).catch(() => {}), intervalMs);
}

function oneOf<Choice>(choices: readonly Choice[]): Choice {
  return choices[Math.floor(Math.random() * choices.length)]!;
}
