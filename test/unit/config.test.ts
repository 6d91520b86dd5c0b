import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSettings, parseSizeBytes, renderSettings, settingDeclarations } from '../../src/config.ts';
import { parseDurationMs } from '../../src/durations.ts';

function settingsOf(env: Record<string, string>) {
  const { settings, faults } = parseSettings(env);
  assert.deepEqual(faults, undefined);
  return settings!;
}

function faultsOf(env: Record<string, string>): string[] {
  const { faults } = parseSettings(env);
  assert.ok(faults !== undefined, 'the settings were accepted');
  return faults;
}

describe('settings', () => {
  test('have the documented defaults', () => {
    const settings = settingsOf({});
    assert.equal(settings.host, '127.0.0.1');
    assert.equal(settings.port, 3002);
    assert.equal(settings.adminHost, '127.0.0.1');
    assert.equal(settings.natsUrl, undefined);
    assert.deepEqual(settings.subjects, ['public.>']);
    assert.deepEqual(settings.allowedChannels, ['public.>']);
    assert.deepEqual(settings.publishSubjects, ['public.>']);
    assert.equal(settings.bufferedMax, 1_048_576);
    assert.equal(settings.messageSizeMax, 16_384);
    assert.equal(settings.dedupeWindowMs, 120_000);
    assert.equal(settings.connectionsMax, 50_000);
    assert.deepEqual(settings.capabilities, ['price-updates', 'trade-notifications', 'market-stats']);
  });

  test('have the defaults of the contract, each of them', () => {
    const defaults = Object.fromEntries(settingDeclarations.map((one) => [one.env, one.default]));
    assert.deepEqual(defaults, {
      HOST: '127.0.0.1',
      PORT: '3002',
      ADMIN_HOST: undefined,
      ADMIN_PORT: undefined,
      NATS_URL: undefined,
      NATS_CREDS: undefined,
      NATS_TOKEN: undefined,
      NATS_USER: undefined,
      NATS_PASSWORD: undefined,
      NATS_TLS_CA: undefined,
      TIDEGAUGE_READY_BUS_GRACE: '15s',
      TIDEGAUGE_SUBJECTS: 'public.>',
      TIDEGAUGE_ALLOWED_CHANNELS: undefined,
      TIDEGAUGE_SAMPLE_INTERVAL: '5s',
      TIDEGAUGE_MAX_CONNECTIONS: '50000',
      TIDEGAUGE_MAX_MESSAGE_SIZE: '16KiB',
      TIDEGAUGE_MAX_BUFFERED: '1MiB',
      TIDEGAUGE_MAX_BUFFERED_AGE: '10s',
      TIDEGAUGE_SLOW_POLICY: 'disconnect',
      TIDEGAUGE_PING_INTERVAL: '25s',
      TIDEGAUGE_PONG_TIMEOUT: '10s',
      TIDEGAUGE_MAX_IDLE: '0',
      TIDEGAUGE_MAX_CONNECTIONS_PER_IP: '0',
      TIDEGAUGE_TRUSTED_PROXIES: undefined,
      TIDEGAUGE_MAX_AGE: '0',
      TIDEGAUGE_DEDUPE_WINDOW: '2m',
      TIDEGAUGE_DEDUPE_ENTRIES: '100000',
      TIDEGAUGE_DEDUPE_BY: 'msg-id',
      TIDEGAUGE_PUBLISH_SUBJECTS: undefined,
      TIDEGAUGE_MAX_PUBLISH_SIZE: '1MiB',
      TIDEGAUGE_CAPABILITIES: 'price-updates,trade-notifications,market-stats',
      TIDEGAUGE_MAX_SUBSCRIPTIONS: '100',
      TIDEGAUGE_RECEIVE_RATE: '50',
      TIDEGAUGE_RECEIVE_BURST: '100',
      TIDEGAUGE_BAD_MESSAGES: '10',
      TIDEGAUGE_FLUSH_PACING: '0.5',
      TIDEGAUGE_MAX_PENDING: '64MiB',
      TIDEGAUGE_MAX_FANOUT_LAG: '1s',
      TIDEGAUGE_REUSE_PORT: 'false',
      TIDEGAUGE_PUBLIC_REPORTS: 'false',
      TIDEGAUGE_ORIGINS: undefined,
      TIDEGAUGE_CORS_ORIGINS: 'http://localhost:*,http://127.0.0.1:*',
      TIDEGAUGE_ADMIN_TOKEN: undefined,
      TIDEGAUGE_REMOTE_ADDR: 'full',
      TIDEGAUGE_DRAIN_DELAY: '0s',
      TIDEGAUGE_DRAIN_WINDOW: '10s',
      TIDEGAUGE_LOG_LEVEL: 'info',
    });
  });

  test('that follow others follow what was set', () => {
    const settings = settingsOf({
      HOST: '0.0.0.0',
      TIDEGAUGE_SUBJECTS: 'a.>, b.*',
      TIDEGAUGE_ALLOWED_CHANNELS: '>',
    });
    assert.equal(settings.adminHost, '0.0.0.0');
    assert.deepEqual(settings.publishSubjects, ['a.>', 'b.*']);
    assert.deepEqual(settings.allowedChannels, ['>']);
  });

  test('count an empty or blank value as unset', () => {
    const { port, natsCreds } = settingsOf({ PORT: '', NATS_URL: '', NATS_CREDS: ' ' });
    assert.deepEqual([port, natsCreds], [3002, undefined]);
  });

  test('are refused all at once, each with name, value and remedy', () => {
    const faults = faultsOf({
      PORT: '70000',
      TIDEGAUGE_PING_INTERVAL: '5 seconds',
      TIDEGAUGE_MAX_BUFFERED: '-1',
      TIDEGAUGE_SUBJECTS: 'a..b',
      TIDEGAUGE_LOG_LEVEL: 'loud',
      TIDEGAUGE_PUBLIC_REPORTS: 'yes',
    });
    assert.equal(faults.length, 6);
    assert.match(faults[0]!, /^PORT: "70000" .* from 0 to 65535$/);
    const all = faults.join('\n');
    for (const value of ['70000', '5 seconds', 'a..b', '-1', 'yes', 'loud']) {
      assert.match(all, new RegExp(`"${value}" cannot be used; it must be `));
    }
  });

  test('take no origin that would match none, or another one', () => {
    for (const origin of [
      'https://*.example.com',
      'http://a\\b',
      'https://*',
      'example.com',
      'https://a/b',
    ]) {
      const [fault] = faultsOf({ TIDEGAUGE_ORIGINS: origin });
      assert.match(fault!, /^TIDEGAUGE_ORIGINS: .*must be origins such as/, origin);
    }
  });

  test('never repeat a secret in a fault', () => {
    const [fault] = faultsOf({ TIDEGAUGE_ADMIN_TOKEN: 'short' });
    assert.match(fault!, /^TIDEGAUGE_ADMIN_TOKEN: the value cannot be used/);
    assert.doesNotMatch(fault!, /short/);
    const [inAddress] = faultsOf({ NATS_URL: 'nats://user:p/ss,word@h:4222' });
    assert.match(inAddress!, /^NATS_URL: the value cannot be used; it must be .* without credentials/);
    assert.doesNotMatch(inAddress!, /user|word/);
  });

  test('that do not exist are refused, and the nearest is suggested', () => {
    assert.match(faultsOf({ TIDEGAUGE_PING_INTERVALL: '5s' })[0]!, /did you mean TIDEGAUGE_PING_INTERVAL\?$/);
    assert.match(faultsOf({ TIDEGAUGE_MAX_BUFFER: '1MiB' })[0]!, /did you mean TIDEGAUGE_MAX_BUFFERED\?$/);
  });

  test('that are like no other are refused without a guess', () => {
    assert.deepEqual(faultsOf({ TIDEGAUGE_FOO: '1' }), ['TIDEGAUGE_FOO is not a setting']);
    assert.deepEqual(faultsOf({ TIDEGAUGE_JWT_SECRET: 'x' }), ['TIDEGAUGE_JWT_SECRET is not a setting']);
  });

  test('let pass what Kubernetes injects for a Service named tidegauge', () => {
    settingsOf({
      TIDEGAUGE_SERVICE_HOST: '10.0.0.1',
      TIDEGAUGE_SERVICE_PORT_HTTP: '80',
      TIDEGAUGE_PORT: 'tcp://10.0.0.1:80',
      TIDEGAUGE_PORT_80_TCP_ADDR: '10.0.0.1',
    });
  });

  test('that contradict each other are refused', () => {
    assert.match(faultsOf({ NATS_TOKEN: 'x' })[0]!, /NATS_URL is not/);
    assert.match(faultsOf({ NATS_URL: 'nats://h:4222', NATS_USER: 'me' })[0]!, /belong together/);
    const onePort = { PORT: '3002', ADMIN_PORT: '3002' };
    for (const hosts of [
      {},
      { HOST: '10.0.0.5', ADMIN_HOST: '0.0.0.0' },
      { HOST: '::', ADMIN_HOST: '10.0.0.5' },
    ])
      assert.match(faultsOf({ ...onePort, ...hosts })[0]!, /choose another/);
    assert.equal(settingsOf({ ...onePort, HOST: '10.0.0.5', ADMIN_HOST: '127.0.0.1' }).adminPort, 3002);
    assert.match(faultsOf({ NATS_URL: 'nats://user:secret@h:4222' })[0]!, /without credentials/);
  });

  test('name a host where one is asked for', () => {
    const hosts = [
      'localhost',
      '0.0.0.0',
      '::',
      '::1',
      'fe80::1%eth0',
      'a-b.example.com.',
      'my_host',
      '1e9',
      'x'.repeat(253),
    ];
    for (const HOST of hosts) assert.equal(settingsOf({ HOST }).host, HOST);
    const others = [
      '>',
      ',,',
      '..',
      '∞',
      '-1',
      '1.5',
      '256.0.0.1',
      '[::1]',
      'a:1',
      'a/b',
      'a b',
      'x'.repeat(254),
    ];
    for (const HOST of others) assert.match(faultsOf({ HOST })[0]!, /an address or a host name$/);
    assert.match(faultsOf({ ADMIN_HOST: '>' })[0]!, /^ADMIN_HOST: ">"/);
  });

  test('name servers of NATS with a port, a scheme, or neither', () => {
    const servers = ['h', 'h:4222', 'nats://h:4222', 'tls://10.0.0.1:1', 'nats://[::1]:4222', '[::1]'];
    assert.deepEqual(settingsOf({ NATS_URL: servers.join(', ') }).natsUrl, servers);
    for (const other of [
      'h:99999',
      'h:0',
      'h:',
      '>',
      '∞',
      '-1',
      '1.5',
      '..',
      'http://h:1',
      'nats://',
      '[h]:1',
      '::1',
      '[::1',
      'nats://[fe80::1%eth0]:4222',
      'h:1:2',
    ])
      assert.match(
        faultsOf({ NATS_URL: `h:4222,${other}` })[0]!,
        /^NATS_URL: .* such as nats:\/\/host:4222/,
        other,
      );
  });

  test('are shown without secrets', () => {
    const text = renderSettings(
      settingsOf({ NATS_URL: 'h:4222', NATS_TOKEN: 'sesame', TIDEGAUGE_ADMIN_TOKEN: 'open-sesame' }),
    );
    assert.doesNotMatch(text, /sesame/);
    assert.match(text, /^NATS_TOKEN \(set, not shown\)$/m);
    assert.match(text, /^TIDEGAUGE_PING_INTERVAL=25000ms$/m);
    assert.equal(text.split('\n').length, settingDeclarations.length);
  });

  test('are secret where they are a token or a password, and no other is', () => {
    const secrets = settingDeclarations.filter(({ isSecret }) => isSecret).map(({ env }) => env);
    assert.deepEqual(secrets.toSorted(), ['NATS_PASSWORD', 'NATS_TOKEN', 'TIDEGAUGE_ADMIN_TOKEN']);
    const text = renderSettings(settingsOf({ NATS_URL: 'h', NATS_USER: 'me', NATS_PASSWORD: 'sesame' }));
    assert.doesNotMatch(text, /sesame/);
    assert.match(text, /^NATS_PASSWORD \(set, not shown\)$/m);
  });

  test('accept the least and the most that they say, and nothing beyond', () => {
    const said = /^a (?:whole number|number|duration|size) from (\S+) to ([^\s,]+)/;
    const bounded = settingDeclarations.filter(({ accepts }) => said.test(accepts));
    assert.ok(bounded.length >= 20);
    for (const { env, kind, accepts, schema } of bounded) {
      const [, least, most] = said.exec(accepts)! as unknown as [string, string, string];
      const takes = (text: string): boolean => schema.safeParse(text).success;
      const read = { duration: parseDurationMs, size: parseSizeBytes }[kind as string] ?? Number;
      const unit = { duration: 'ms', size: 'B' }[kind as string] ?? '';
      const step = kind === 'number' ? 0.001 : 1;
      assert.ok(takes(least) && takes(most), `${env} takes ${least} and ${most}`);
      assert.ok(!takes(`${read(most)! + step}${unit}`), `${env} takes more than ${most}`);
      if (read(least)! > 0)
        assert.ok(!takes(`${read(least)! - step}${unit}`), `${env} takes less than ${least}`);
    }
  });

  test('take free ports for both listeners, and a name of 64 characters for a capability', () => {
    assert.equal(settingsOf({ PORT: '0', ADMIN_PORT: '0' }).adminPort, 0);
    assert.deepEqual(settingsOf({ TIDEGAUGE_CAPABILITIES: 'x'.repeat(64) }).capabilities, ['x'.repeat(64)]);
    assert.match(faultsOf({ TIDEGAUGE_CAPABILITIES: 'x'.repeat(65) })[0]!, /at most 64 each/);
  });

  test('are like another one when three letters differ, and not when four do', () => {
    assert.match(faultsOf({ TIDEGAUGE_PING_INTER: '5s' })[0]!, /did you mean TIDEGAUGE_PING_INTERVAL\?$/);
    assert.deepEqual(faultsOf({ TIDEGAUGE_PING_INTE: '5s' }), ['TIDEGAUGE_PING_INTE is not a setting']);
  });

  test('each accept their own default', () => {
    for (const { env, schema, default: preset } of settingDeclarations) {
      if (preset !== undefined) assert.ok(schema.safeParse(preset).success, env);
    }
  });
});

test('the window of the sampler is 250 ms to 60 s, and 5 s by default', () => {
  const name = 'TIDEGAUGE_SAMPLE_INTERVAL';
  const windowOf = (env: Record<string, string>) => settingsOf(env).sampleIntervalMs;
  assert.deepEqual([{}, { [name]: '250ms' }, { [name]: '60s' }].map(windowOf), [5_000, 250, 60_000]);
  for (const outside of ['249ms', '61s', '0'])
    assert.match(faultsOf({ [name]: outside }).join(), /SAMPLE_INTERVAL/);
});

test('durations and sizes are read with their units', () => {
  assert.deepEqual(
    ['0', '250ms', '1.5s', '2m', '1h'].map(parseDurationMs),
    [0, 250, 1_500, 120_000, 3_600_000],
  );
  assert.deepEqual(['', '5', 's', '-1s', '1d', '1 s'].map(parseDurationMs), Array(6).fill(undefined));
  assert.deepEqual(
    ['10', '1B', '1KiB', '1.5MiB', '2GiB', '2kB', '3MB', '4GB', '1.0009KiB', '0.5'].map(parseSizeBytes),
    [10, 1, 1_024, 1_572_864, 2 ** 31, 2_000, 3_000_000, 4_000_000_000, 1_024, 0],
  );
  assert.deepEqual(['', 'KiB', '-1', '1kib', '1 MiB'].map(parseSizeBytes), Array(5).fill(undefined));
});
