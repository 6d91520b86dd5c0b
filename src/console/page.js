/**
 * The start page: figures polled from a report, messages heard over the WebSocket, a form to publish. Plain
 * browser code without a build. Everything that comes from outside is shown as text, never as markup.
 */

const pollMs = 2_000;
/** While a token is asked for: the gateway may come back without one. */
const refusedPollMs = 10_000;
const chartMs = 120_000;
/** Between two points further apart nobody knows what was: the line has a gap there. */
const gapMs = 3 * pollMs;
const messagesMax = 50;
const messageCharactersMax = 2_000;
const tokenKey = 'tidegauge.token';

const element = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

function say(id, text, mood = '') {
  const target = element(id);
  // A live region is read out at each change: only then.
  if (target.textContent !== text) target.textContent = text;
  target.className = `state ${mood}`;
}

function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = count;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${fine.format(amount)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds < 120) return `${whole.format(seconds)} s`;
  if (seconds < 7_200) return `${whole.format(seconds / 60)} min`;
  if (seconds < 172_800) return `${fine.format(seconds / 3_600)} h`;
  return `${fine.format(seconds / 86_400)} days`;
}

// --- the token, where the gateway asks for one

/** What a header can carry; anything else was copied wrongly. */
const isToken = (text) => /^[\x21-\x7e]+$/.test(text);

let token = sessionStorage.getItem(tokenKey);
if (token !== null && !isToken(token)) token = null;

function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set('authorization', `Bearer ${token}`);
  return fetch(path, { ...options, headers, signal: AbortSignal.timeout(10_000) });
}

/** Who wants it: the figures, or the form to publish, where the figures are public. */
let tokenIsFor;

function askForToken(wantedBy, wasWrong) {
  tokenIsFor = wantedBy;
  const form = element('token-form');
  if (form.hidden) {
    form.hidden = false;
    element('token').focus();
  }
  const text = wasWrong ? 'that token was refused' : 'a token is needed';
  say('token-state', text, 'bad');
  if (wantedBy === 'figures') noFigures(text);
}

element('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const given = element('token').value.trim();
  element('token').value = '';
  if (!isToken(given)) return askForToken(tokenIsFor, true);
  token = given;
  sessionStorage.setItem(tokenKey, token);
  element('token-form').hidden = true;
  if (tokenIsFor === 'publish') say('publish-state', 'the token is kept; publish again to use it');
  poll();
});

// --- figures

const history = [];
let pollTimer;

async function poll() {
  clearTimeout(pollTimer);
  let nextMs = pollMs;
  try {
    const response = await request('metrics/enhanced?summary=1');
    if (response.status === 401) {
      askForToken('figures', token !== null);
      nextMs = refusedPollMs;
    } else {
      if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
      showFigures(await response.json());
      if (tokenIsFor === 'figures') element('token-form').hidden = true;
    }
  } catch (error) {
    noFigures(`no figures: ${error.message}`);
  }
  // Whoever gave a token meanwhile has begun anew.
  clearTimeout(pollTimer);
  pollTimer = setTimeout(poll, nextMs);
}

/** What is shown is of some time ago. */
function noFigures(why) {
  say('figures-state', why, 'bad');
  element('figures').classList.add('stale');
}

function showFigures({ connections, system, runtime, uptime_seconds: uptime }) {
  element('figures').classList.remove('stale');
  remember({
    readMs: performance.now(),
    at: uptime,
    active: connections.active,
    sent: connections.messages_sent_total,
  });
  const show = (id, text, more) => {
    element(id).textContent = text;
    element(`${id}-more`).textContent = more;
  };
  show(
    'active',
    whole.format(connections.active),
    `open now; ${whole.format(connections.total)} in total, ${whole.format(connections.peak)} at the peak`,
  );
  show(
    'sent',
    compact.format(connections.messages_sent_total),
    `${bytes(connections.bytes_sent_total)} of payload`,
  );
  show(
    'received',
    compact.format(connections.messages_recv_total),
    `${bytes(connections.bytes_recv_total)} of payload`,
  );
  const { memory, cpu } = system;
  show(
    'heap',
    bytes(memory.heap_alloc_mb * 2 ** 20),
    `allocated; ${bytes(memory.sys_total_mb * 2 ** 20)} in all`,
  );
  const limit = runtime.cpu.limit_cores ?? cpu.cores;
  show('cpu', `${fine.format(cpu.percent)} %`, `of ${fine.format(limit)} CPUs`);
  const busy = runtime.scheduler.event_loop_utilization ?? 0;
  const late = runtime.scheduler.delay_p99_seconds ?? 0;
  show('loop', `${fine.format(100 * busy)} %`, `busy; delays p99 ${fine.format(1_000 * late)} ms`);
  say('figures-state', 'live', 'good');
  element('uptime').textContent = `up for ${duration(uptime)}`;
}

function remember(point) {
  const last = history.at(-1);
  // The gateway has been restarted: its counters begin anew.
  if (last && (point.at < last.at || point.sent < last.sent)) history.length = 0;
  history.push(point);
  // One more than is drawn, for the first rate.
  while (history.length > 1 && history[1].readMs < point.readMs - chartMs) history.shift();
  drawChart(
    'active',
    history.map(({ readMs, active }) => ({ readMs, value: active })),
  );
  drawChart('rate', rates());
}

/** Between two points; none over a gap, for what was sent in it was sent nobody knows when. */
function rates() {
  return history.slice(1).flatMap((now, index) => {
    const before = history[index];
    const isGap = now.readMs - before.readMs > gapMs;
    if (isGap || now.at <= before.at) return [];
    return [{ readMs: now.readMs, value: (now.sent - before.sent) / (now.at - before.at) }];
  });
}

function drawChart(name, points) {
  if (points.length === 0) return;
  const endMs = points.at(-1).readMs;
  const values = points.map(({ value }) => value);
  const most = Math.max(...values);
  const scale = most > 0 ? 56 / most : 0;
  const steps = points.map(({ readMs, value }, index) => {
    const goesOn = index > 0 && readMs - points[index - 1].readMs <= gapMs;
    const x = 300 - ((endMs - readMs) * 300) / chartMs;
    return `${goesOn ? 'L' : 'M'}${x},${58 - value * scale}`;
  });
  element(`${name}-chart`).firstElementChild.setAttribute('d', steps.join(''));
  const least = Math.min(...values);
  element(`${name}-range`).textContent =
    `${fine.format(least)} to ${fine.format(most)}, now ${fine.format(values.at(-1))}`;
}

// --- live messages

/** What this page is subscribed to, and what it has asked for: who publishes can say what looks like an answer. */
const channels = new Set();
const asked = { subscribed: new Set(), unsubscribed: new Set() };
const messages = [];
let heard = 0;
let isPaused = false;
let isDrawn = true;
let socket;
let attempts = 0;
let address = new URL('ws', location.href.replace(/^http/, 'ws')).href;

function connect() {
  let isOpen = false;
  say('socket-state', 'connecting');
  try {
    socket = new WebSocket(address);
  } catch (error) {
    return say('socket-state', error.message, 'bad');
  }
  const current = socket;
  current.addEventListener('open', () => {
    isOpen = true;
    attempts = 0;
    say('socket-state', `connected to ${new URL(address).host}`, 'good');
    element('address-form').hidden = true;
    for (const names of Object.values(asked)) names.clear();
    if (channels.size > 0) ask('subscribe', [...channels]);
    element('channel-hint').textContent = hint.byDefault;
  });
  current.addEventListener('message', ({ data }) => {
    if (current === socket) hear(data);
  });
  current.addEventListener('close', ({ code, reason }) => {
    // Replaced by another one in the meantime.
    if (current !== socket) return;
    if (isOpen) comeBack(`closed with ${code}${reason ? `, ${reason}` : ''}`);
    else lookWhyRefused();
  });
}

/** A browser tells a page nothing of why an upgrade was refused. The same path, asked as a page, tells more. */
async function lookWhyRefused() {
  const page = new URL(address.replace(/^ws/, 'http'));
  if (page.origin === location.origin) {
    const status = await fetch(page).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 404) {
      say('socket-state', 'not on this port', 'bad');
      element('address-form').hidden = false;
      return;
    }
  }
  // On another port this page is of a foreign origin, unless the gateway listens on loopback only.
  const isForeign = page.origin !== location.origin;
  comeBack(
    isForeign
      ? 'refused (TIDEGAUGE_ORIGINS must name this page), or not reachable'
      : 'refused, or not reachable',
  );
}

/** Later each time, and at random, lest all pages return at once. */
function comeBack(why) {
  const waitMs = Math.min(30_000, 500 * 2 ** attempts) * (0.5 + Math.random() / 2);
  attempts += 1;
  say('socket-state', `${why}; trying again`, 'bad');
  const left = socket;
  setTimeout(() => left === socket && connect(), waitMs);
}

/** False when there is nobody to say it to. */
function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

/** To subscribe or unsubscribe; the answer is called `subscribed` or `unsubscribed`. */
function ask(type, names) {
  if (!send({ type, channels: names })) return false;
  for (const name of names) asked[`${type}d`].add(name);
  return true;
}

const hint = {
  byDefault: element('channel-hint').textContent,
  chosen: 'This page hears its subscriptions, and nothing else.',
  nothing: 'The last subscription has gone, so this page hears nothing until the next one.',
};

const ownTypes = new Set([
  'connectionEstablished',
  'subscribed',
  'unsubscribed',
  'pong',
  'heartbeat',
  'gap',
  'reconnect',
  'error',
]);

function hear(data) {
  heard += 1;
  const text = typeof data === 'string' ? data : `${data.size} bytes that are not text`;
  const isOurs = looksLikeOurs(text);
  if (!isPaused) messages.unshift({ at: new Date(), text: text.slice(0, messageCharactersMax), isOurs });
  if (messages.length > messagesMax) messages.pop();
  draw();
}

/**
 * Whether it has the form of what the gateway itself says. A publisher may have said it all the same, so it changes what
 * this page is subscribed to only where the page has asked for just that.
 */
function looksLikeOurs(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return false;
  }
  if (message === null || !ownTypes.has(message.type)) return false;
  const { type, channels: names } = message;
  if (type === 'error' && asked.subscribed.size > 0) say('subscribe-state', String(message.message), 'bad');
  if (Object.hasOwn(asked, type) && Array.isArray(names)) settle(type, names);
  return true;
}

function settle(type, names) {
  for (const name of names) {
    if (!asked[type].delete(name)) continue;
    if (type === 'subscribed') channels.add(name);
    else channels.delete(name);
    element('channel-hint').textContent = channels.size > 0 ? hint.chosen : hint.nothing;
  }
  const list = element('channels');
  const hadFocus = list.contains(document.activeElement);
  const items = [...channels].map((name) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = `${name} ×`;
    button.setAttribute('aria-label', `Unsubscribe from ${name}`);
    button.addEventListener('click', () => ask('unsubscribe', [name]));
    const item = document.createElement('li');
    item.append(button);
    return item;
  });
  list.replaceChildren(...items);
  if (hadFocus) (list.querySelector('button') ?? element('channel')).focus();
}

/** Once per frame of the screen, however many messages come. */
function draw() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    element('heard').textContent = whole.format(heard);
    const items = messages.map(({ at, text, isOurs }) => {
      const item = document.createElement('li');
      const time = document.createElement('time');
      time.dateTime = at.toISOString();
      time.textContent = clock.format(at);
      const content = document.createElement('span');
      content.textContent = text === '' ? '(empty)' : text;
      if (isOurs) content.className = 'ours';
      item.append(time, content);
      return item;
    });
    element('messages').replaceChildren(...items);
  });
}

element('subscribe-form').addEventListener('submit', (event) => {
  event.preventDefault();
  say('subscribe-state', '');
  // Without a connection it stays, for when there is one.
  if (ask('subscribe', [element('channel').value.trim()])) element('channel').value = '';
});
element('address-form').addEventListener('submit', (event) => {
  event.preventDefault();
  address = element('address').value.trim();
  attempts = 0;
  connect();
});
element('pause').addEventListener('click', ({ currentTarget }) => {
  isPaused = !isPaused;
  currentTarget.setAttribute('aria-pressed', String(isPaused));
});
element('clear').addEventListener('click', () => {
  messages.length = 0;
  draw();
});

// --- publishing

let isPublishing = false;

element('publish-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  // A button that is disabled loses the focus.
  if (isPublishing) return;
  isPublishing = true;
  say('publish-state', 'publishing');
  try {
    const subject = element('subject').value.trim();
    // A browser takes these for a way up the path, however they are written.
    if (subject === '.' || subject === '..') throw new Error(`${subject} is no subject`);
    const response = await request(`publish/${encodeURIComponent(subject)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: element('payload').value,
    });
    const answer = await response.json();
    if (response.status === 401) askForToken('publish', token !== null);
    if (!response.ok) throw new Error(answer.error.message);
    const { bytes: size } = answer.published;
    say('publish-state', `${whole.format(size)} bytes published on ${subject}`, 'good');
  } catch (error) {
    say('publish-state', error.message, 'bad');
  }
  isPublishing = false;
});

poll();
connect();
