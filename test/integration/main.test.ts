/** The program as its user meets it: start, faults in the settings, leaving. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { spawnGateway, startGateway } from '../support/gateway-process.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

test('it starts without any setting, says where, and what was published is heard', async () => {
  const gateway = await startGateway();
  try {
    assert.match(gateway.child.log(), /runs on its in-memory bus/);
    const client = await connectClient(gateway.wsUrl);
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${gateway.url}/publish/public.hello`, {
      method: 'POST',
      body: '{"hello":"tide"}',
      headers,
    });
    assert.equal(answer.status, 202);
    await until('the message', () => client.messages.includes('{"hello":"tide"}'));
  } finally {
    await gateway.stop();
  }
});

test('it serves and leaves in order where its log cannot be written', async () => {
  const full = openSync('/dev/full', 'w');
  const port = await freePort();
  const main = join(import.meta.dirname, '../../src/main.ts');
  const program = spawn(process.execPath, [main], {
    stdio: ['ignore', full, 'pipe'],
    env: { PATH: process.env.PATH, PORT: String(port) },
  });
  const said = text(program.stderr!);
  const ended = once(program, 'exit');
  try {
    const probe = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/livez`)
        .then(({ ok }) => ok)
        .catch(() => false);
    await until('it serves', probe);
    program.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
    assert.match(await said, /^the log cannot be written \(ENOSPC.*\); lines are lost until it can$/m);
  } finally {
    program.kill('SIGKILL');
    closeSync(full);
  }
});

test('settings that cannot be used are all listed, and the exit code is 78', async () => {
  const child = await spawnGateway({
    PORT: 'many',
    TIDEGAUGE_SUBJECT: 'a',
    TIDEGAUGE_ADMIN_TOKEN: 'hush',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon',
  });
  assert.deepEqual(await child.exited, { code: 78, signal: null });
  const said = child.log();
  assert.match(said, /^PORT: "many" cannot be used; it must be a whole number from 0 to 65535$/m);
  assert.match(said, /^TIDEGAUGE_SUBJECT is not a setting; did you mean TIDEGAUGE_SUBJECTS\?$/m);
  assert.match(said, /^TIDEGAUGE_ADMIN_TOKEN: the value cannot be used/m);
  assert.match(said, /OTEL_EXPORTER_OTLP_PROTOCOL.*carrier-pigeon/);
  assert.doesNotMatch(said, /hush|at .*\.ts:\d/);
});

test('--check-config shows what is in force, without secrets, and does not start', async () => {
  const settings = {
    TIDEGAUGE_PING_INTERVAL: '9s',
    TIDEGAUGE_ADMIN_TOKEN: 'open-sesame',
    OTEL_SERVICE_NAME: 'harbour',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://me:sesame@collector:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=sesame',
    OTEL_METRIC_EXPORT_INTERVAL: ' ',
  };
  const child = await spawnGateway(settings, ['--check-config']);
  assert.deepEqual(await child.exited, { code: 0, signal: null });
  assert.match(child.log(), /^TIDEGAUGE_PING_INTERVAL=9000ms$/m);
  const otel = child
    .log()
    .split('\n')
    .filter((line) => line.startsWith('OTEL_'));
  assert.deepEqual(otel, [
    'OTEL_EXPORTER_OTLP_ENDPOINT=http://…@collector:4318',
    'OTEL_EXPORTER_OTLP_HEADERS (set, not shown)',
    'OTEL_SERVICE_NAME=harbour',
  ]);
  assert.doesNotMatch(child.log(), /sesame|listening/);
});

describe('a file that cannot be used is one clear line and exit code 78, with --check-config too', () => {
  // Neither is in this file.
  const file = import.meta.filename;
  const faults = {
    'NATS_CREDS=/nowhere/at.creds': /^NATS_CREDS: the credentials file \/nowhere\/at\.creds cannot be read/m,
    [`NATS_CREDS=${file}`]: /^NATS_CREDS: the credentials file .* cannot be used: /m,
    'NATS_TLS_CA=/nowhere': /^NATS_TLS_CA: the authority file \/nowhere cannot be read/m,
    [`NATS_TLS_CA=${file}`]: /^NATS_TLS_CA: the authority file .* cannot be used: it holds no certificate/m,
  };
  for (const [setting, fault] of Object.entries(faults)) {
    test(setting.replace(file, 'a file of another kind'), async () => {
      const [name, path] = setting.split('=') as [string, string];
      for (const args of [[], ['--check-config']]) {
        const child = await spawnGateway({ NATS_URL: 'nats://127.0.0.1:4222', [name]: path }, args);
        assert.equal((await child.exited).code, 78);
        assert.match(child.log(), fault);
        assert.doesNotMatch(child.log(), /at .*\.ts:\d/);
      }
    });
  }
});

test('an unknown option is refused with the usage', async () => {
  const child = await spawnGateway({}, ['--daemonize']);
  assert.equal((await child.exited).code, 78);
  assert.match(child.log(), /Usage: npm start/);
});

test('a port that is taken is one clear line and exit code 1', async () => {
  const first = await startGateway();
  try {
    const child = await spawnGateway({ PORT: new URL(first.url).port });
    assert.equal((await child.exited).code, 1);
    assert.match(child.log(), /cannot listen.*EADDRINUSE/);
  } finally {
    await first.stop();
  }
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`on ${signal} it says goodbye to every client and exits with 0`, async () => {
    const gateway = await startGateway();
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectClient(gateway.wsUrl)));
    gateway.child.signal(signal);
    for (const { closed } of clients) assert.deepEqual(await closed, { code: 1012, reason: 'drain' });
    assert.deepEqual(await gateway.child.exited, { code: 0, signal: null });
    const drained = gateway.lines().find(({ msg }) => msg === 'drained') as unknown as {
      closed: { drain: number };
    };
    assert.equal(drained.closed.drain, 20);
  });
}
