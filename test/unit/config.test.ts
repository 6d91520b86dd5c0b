import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  parseDurationMs,
  parseSettings,
  parseSizeBytes,
  renderSettings,
  settingDeclarations,
} from '../../src/config.ts';

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
  assert.deepEqual(['10', '1KiB', '1.5MiB', '2kB'].map(parseSizeBytes), [10, 1_024, 1_572_864, 2_000]);
  assert.deepEqual(['', 'KiB', '-1', '1kib', '1 MiB'].map(parseSizeBytes), Array(5).fill(undefined));
});
