/**
 * The demonstration: a price feed and a few clients that behave as clients do, in a process of their own, so
 * that every figure of the gateway moves and none of them is about the demonstration. It uses only what any
 * user has: POST /publish and the WebSocket.
 *
 * Started by `npm run demo` as a child of the gateway; it ends with it. Not a load test: about 200 deliveries
 * a second.
 */

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
  every(1_000, () =>
    publish(target, 'public.trades', { symbol: oneOf(symbols), amount: Math.ceil(Math.random() * 100) }),
  );

  for (let index = 0; index < 12; index += 1) stay(target, index);
  every(3_000, () => visit(target));
  every(10_000, () => fetch(new URL('/ws', target.clientUrl)).then(discard));
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

/** A client that looks in: it says something odd now and then, and leaves with a close code or without. */
function visit(target: DemoTarget): void {
  const socket = connect(target);
  socket.onopen = () => {
    say(socket, oneOf([{ type: 'heartbeat' }, { type: 'subscribe', channels: ['secret.things'] }, 'hello?']));
    setTimeout(() => socket.close(oneOf([1000, 3000])), 2_000 + Math.random() * 4_000);
  };
}

function connect(target: DemoTarget): WebSocket {
  const socket = new WebSocket(new URL('/ws', target.clientUrl.replace(/^http/, 'ws')));
  socket.onerror = () => {};
  return socket;
}

function say(socket: WebSocket, message: unknown): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

async function publish(target: DemoTarget, subject: string, message: unknown): Promise<void> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (target.adminToken !== undefined) headers.authorization = `Bearer ${target.adminToken}`;
  const body = JSON.stringify(message);
  await fetch(new URL(`/publish/${subject}`, target.adminUrl), { method: 'POST', headers, body }).then(
    discard,
  );
}

async function discard(response: Response): Promise<void> {
  await response.arrayBuffer();
}

/** Does it again and again; a time that fails (the gateway is leaving) is passed over. */
function every(intervalMs: number, act: () => void | Promise<void>): NodeJS.Timeout {
  return setInterval(() => Promise.resolve(act()).catch(() => {}), intervalMs);
}

function oneOf<Choice>(choices: readonly Choice[]): Choice {
  return choices[Math.floor(Math.random() * choices.length)]!;
}
