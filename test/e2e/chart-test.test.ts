/**
 * The program of `helm test`, outside of a cluster: started as its pod starts it, against a real gateway and a real
 * nats-server. That it passes inside one is the matter of the cluster test.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { chartPath, renderManifests } from '../support/chart.ts';
import { type Child, createTempFolder, startChild } from '../support/child.ts';
import { startGateway } from '../support/gateway-process.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';

const root = join(import.meta.dirname, '../..');
const program = readFileSync(join(chartPath, 'files/helm-test.mjs'), 'utf8');
/** Far above what a pass takes; a test that waits for a failure asks for less. */
const patientSeconds = '60';

async function runProgram(env: Record<string, string>): Promise<{ code: number | null; log: string }> {
  const folder = createTempFolder('helm-test');
  const child: Child = await startChild(process.execPath, ['--input-type=module', '--eval', program], {
    logFile: join(folder.path, 'log'),
    // The image's working folder has the gateway's own modules, as this one has.
    cwd: root,
    env: { PATH: process.env.PATH ?? '', TEST_TIMEOUT_SECONDS: patientSeconds, ...env },
  });
  const { code } = await child.exited;
  const log = child.log();
  folder.remove();
  return { code, log };
}

describe('with NATS', { skip: await skipWithout('nats-server') }, () => {
  test('passes when the message has come back, with what NATS asks for', async (t) => {
    const nats = await startNatsServer({ args: ['--auth', 'not-a-real-token'] });
    t.after(() => nats.stop());
    const settings = { NATS_URL: nats.url, NATS_TOKEN: 'not-a-real-token' };
    const gateway = await startGateway({ ...settings, TIDEGAUGE_ORIGINS: 'https://app.example.com' });
    t.after(() => gateway.stop());
    const { code, log } = await runProgram({
      ...settings,
      TEST_WEBSOCKET_URL: gateway.wsUrl,
      TEST_SUBJECT: 'public.helm-test',
    });
    assert.equal(code, 0, log);
    assert.match(log, /publishing by nats:.*\nthe message has come back/);
  });

  test('fails when the message cannot come back, and says what it was about', async (t) => {
    const [nats, other] = [await startNatsServer(), await startNatsServer()];
    t.after(() => Promise.all([nats.stop(), other.stop()]));
    const gateway = await startGateway({ NATS_URL: nats.url });
    t.after(() => gateway.stop());
    const env = { NATS_URL: other.url, TEST_WEBSOCKET_URL: gateway.wsUrl, TEST_SUBJECT: 'public.helm-test' };
    // On a busy machine the little time that is enough elsewhere may be over before it has come to publishing.
    for (const seconds of ['3', '15', patientSeconds]) {
      const { code, log } = await runProgram({ ...env, TEST_TIMEOUT_SECONDS: seconds });
      assert.equal(code, 1, log);
      assert.match(log, /failed: .*: not within \d+ s/);
      if (/failed: publishing by nats:/.test(log)) return;
    }
    assert.fail('it never came to publishing');
  });
});

test('publishes through the admin port where there is a token and no NATS', async (t) => {
  const token = 'not-a-real-token';
  const gateway = await startGateway({ ADMIN_PORT: '0', TIDEGAUGE_ADMIN_TOKEN: token });
  t.after(() => gateway.stop());
  const env = {
    TEST_WEBSOCKET_URL: gateway.wsUrl,
    TEST_ADMIN_URL: gateway.adminUrl,
    TEST_SUBJECT: 'public.helm-test',
  };
  const passed = await runProgram({ ...env, TIDEGAUGE_ADMIN_TOKEN: token });
  assert.equal(passed.code, 0, passed.log);
  assert.match(passed.log, /publishing by http:.*\nthe message has come back/);

  const failed = await runProgram({ ...env, TIDEGAUGE_ADMIN_TOKEN: 'another-token' });
  assert.notEqual(failed.code, 0);
  assert.match(failed.log, /POST \/publish answered 40[13]/);
});

test('asks for a pong at least, and says that nothing was published', async (t) => {
  const gateway = await startGateway();
  t.after(() => gateway.stop());
  const { code, log } = await runProgram({ TEST_WEBSOCKET_URL: gateway.wsUrl, TEST_SUBJECT: 'public.a' });
  assert.equal(code, 0, log);
  assert.match(log, /nothing was published/);
});

test('fails where nobody listens, and says so', async () => {
  const { code, log } = await runProgram({
    TEST_WEBSOCKET_URL: 'ws://127.0.0.1:1/ws',
    TEST_TIMEOUT_SECONDS: '2',
  });
  assert.equal(code, 1, log);
  assert.match(log, /failed: opening ws:\/\/127\.0\.0\.1:1\/ws: not within 2 s/);
});

test('its pod runs this program, with nothing in it that Kubernetes would replace', {
  skip: await skipWithout('helm'),
}, async () => {
  const { testPod } = await renderManifests({ set: 'existing-secret' });
  const [container] = testPod.spec.containers;
  assert.deepEqual(container.command, ['node', '--input-type=module', '--eval']);
  assert.equal(container.args[0].trim(), program.trim());
  assert.ok(!program.includes('$('));
  const env = Object.fromEntries(
    container.env.map(({ name, value, valueFrom }: Record<string, unknown>) => [name, value ?? valueFrom]),
  );
  assert.equal(env.TEST_WEBSOCKET_URL, 'ws://tide-tidegauge.harbour.svc:80/ws');
  assert.equal(env.TEST_SUBJECT, 'public.helm-test');
  assert.deepEqual(env.NATS_URL, { secretKeyRef: { name: 'tidegauge-credentials', key: 'nats-url' } });
  const used = [...program.matchAll(/\b(?:TEST|NATS|TIDEGAUGE)_[A-Z_]+\b/g)].map(([name]) => name);
  for (const name of used.filter((one) => one.startsWith('TEST_'))) assert.ok(name in env, name);
});
