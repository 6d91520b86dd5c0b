/**
 * What `helm test` runs: opens a WebSocket as a client would, publishes a message as a publisher would, and waits until
 * it has come back.
 *
 * It runs in the gateway's own image, which has no shell, as `node --input-type=module --eval`: so modules are found from
 * the image's working folder, and the NATS client is there. Where there is no NATS it publishes through the gateway,
 * which takes that from outside of its pod only with a token; without one, it can but ask for an answer.
 * Kubernetes replaces a dollar sign before a bracket in arguments, hence there is none.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const { TEST_WEBSOCKET_URL, TEST_ADMIN_URL, TEST_SUBJECT, TEST_TIMEOUT_SECONDS } = process.env;
const { NATS_URL, NATS_TOKEN, NATS_USER, NATS_PASSWORD, NATS_CREDS, NATS_TLS_CA, TIDEGAUGE_ADMIN_TOKEN } =
  process.env;
const retryMs = 500;

let step = '';
let lastError;
function begin(what) {
  step = what;
  lastError = undefined;
  console.log(what);
}

setTimeout(() => {
  console.error(`failed: ${step}: not within ${TEST_TIMEOUT_SECONDS} s`, lastError ?? '');
  process.exit(1);
}, Number(TEST_TIMEOUT_SECONDS) * 1000);

/** A new pod may not be in the Service yet: tries until it is. */
async function open() {
  for (;;) {
    const socket = new WebSocket(TEST_WEBSOCKET_URL);
    const isOpen = await new Promise((resolve) => {
      socket.addEventListener('open', () => resolve(true), { once: true });
      socket.addEventListener('error', (event) => {
        lastError = event.message;
        resolve(false);
      });
    });
    if (isOpen) return socket;
    await wait(retryMs);
  }
}

function heard(socket, isIt) {
  return new Promise((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => isIt(data) && resolve());
    socket.addEventListener('close', ({ code }) => reject(new Error(`the gateway closed with ${code}`)));
  });
}

function isOfType(type) {
  return (data) => {
    try {
      return JSON.parse(data).type === type;
    } catch {
      return false;
    }
  };
}

async function natsPublisher() {
  const { connect, credsAuthenticator } = await import('@nats-io/transport-node');
  const connection = await connect({
    servers: NATS_URL.split(','),
    name: 'helm test',
    timeout: 10_000,
    ...(NATS_TOKEN && { token: NATS_TOKEN }),
    ...(NATS_USER && { user: NATS_USER, pass: NATS_PASSWORD }),
    ...(NATS_CREDS && { authenticator: credsAuthenticator(readFileSync(NATS_CREDS)) }),
    ...(NATS_TLS_CA && { tls: { caFile: NATS_TLS_CA } }),
  });
  return (payload) => {
    connection.publish(TEST_SUBJECT, payload);
    return connection.flush();
  };
}

function gatewayPublisher() {
  return async (body) => {
    const answer = await fetch(`${TEST_ADMIN_URL}/publish/${TEST_SUBJECT}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TIDEGAUGE_ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body,
    });
    if (answer.status !== 202)
      throw new Error(`POST /publish answered ${answer.status}: ${await answer.text()}`);
  };
}

begin(`opening ${TEST_WEBSOCKET_URL}`);
const socket = await open();

begin('asking for a pong');
const pong = heard(socket, isOfType('pong'));
socket.send(JSON.stringify({ type: 'ping', timestamp: Date.now() }));
await pong;

if (!NATS_URL && !TIDEGAUGE_ADMIN_TOKEN) {
  console.log('nothing was published: that takes settings.NATS_URL, nats.enabled or a TIDEGAUGE_ADMIN_TOKEN');
} else {
  begin(`subscribing to ${TEST_SUBJECT}`);
  const subscribed = heard(socket, isOfType('subscribed'));
  socket.send(JSON.stringify({ type: 'subscribe', channels: [TEST_SUBJECT] }));
  await subscribed;

  begin(`publishing ${NATS_URL ? `by ${NATS_URL}` : `by ${TEST_ADMIN_URL}`}`);
  const publish = NATS_URL ? await natsPublisher() : gatewayPublisher();
  const payload = JSON.stringify({ type: 'helm-test', id: randomUUID() });
  const arrived = heard(socket, (data) => data === payload).then(() => true);
  // The gateway may still be asking the bus for this subject: what is published before that is for nobody.
  do await publish(payload);
  while (!(await Promise.race([arrived, wait(retryMs, false)])));
  console.log('the message has come back');
}
socket.close(1000);
process.exit(0);
