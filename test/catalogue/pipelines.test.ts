/** What otel/ says of itself is true: command lines name files that are there, and variables are those that are used. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseEnv } from 'node:util';
import { parse } from 'yaml';
import { parseOtelEnv } from '../../src/telemetry/otel-env.ts';
import { checkTelemetryEnv } from '../../src/telemetry/sdk.ts';

const otel = join(import.meta.dirname, '../../otel');
const read = (file: string): string => readFileSync(join(otel, file), 'utf8');
const list = (folder: string, ending: string): string[] =>
  readdirSync(join(otel, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
    .sort();

const pipelineFiles = list('collector', '.yaml').filter((file) => !file.endsWith('kubernetes-rbac.yaml'));
const readme = read('README.md');

describe('a collector file', () => {
  for (const file of pipelineFiles) {
    const text = read(file);
    const comments = text.match(/^#.*$/gm)!.join('\n');

    test(`${file} explains each variable that it uses, in its head and in the README`, () => {
      const used = new Set([...text.matchAll(/(?:\$\{env:|from_env_var: )(\w+)/g)].map(([, name]) => name!));
      assert.deepEqual(
        [...used].filter((name) => !comments.includes(name)),
        [],
      );
      assert.deepEqual(
        [...used].filter((name) => !readme.includes(name)),
        [],
      );
      const explained = new Set(comments.match(/\b(?:COLLECTOR|PROMETHEUS|K8S|DEBUG)_[A-Z_0-9]+\b/g) ?? []);
      assert.deepEqual(
        [...explained].filter((name) => !used.has(name)),
        [],
      );
    });

    test(`${file} is shown in a command line of the README`, () => {
      assert.ok(readme.includes(`--config ${file.replace('collector/', '')}`), file);
    });
  }

  test('that takes anything in has the memory limiter first', () => {
    for (const file of pipelineFiles) {
      const { service } = parse(read(file)) as {
        service: { pipelines: Record<string, { receivers?: string[]; processors?: string[] }> };
      };
      for (const [name, { processors, receivers }] of Object.entries(service.pipelines)) {
        // The pipelines behind the connector get what another has let pass.
        if (receivers?.includes('forward') === true) assert.equal(processors, undefined, name);
        else assert.equal(processors?.[0], 'memory_limiter', `${file} ${name}`);
      }
    }
  });

  test('that is an exit adds a pipeline and an exporter, and touches nothing that others have', () => {
    const files = list('collector/exits', '.yaml');
    const merged = new Set<string>();
    for (const file of files) {
      const { exporters, service, ...rest } = parse(read(file)) as {
        exporters: Record<string, unknown>;
        service: { pipelines: Record<string, unknown> };
      };
      assert.deepEqual([Object.keys(rest), Object.keys(service)], [[], ['pipelines']], file);
      for (const name of [...Object.keys(exporters), ...Object.keys(service.pipelines)]) {
        assert.ok(!merged.has(name), `${name} is in two exits`);
        merged.add(name);
      }
    }
    assert.ok(files.length >= 4);
  });
});

test('command lines in otel/ name files that are there', () => {
  const texts = ['README.md', ...pipelineFiles, ...list('prometheus', '.yml'), ...list('env', '.env')];
  let seen = 0;
  for (const file of texts) {
    for (const [, option, path] of read(file).matchAll(
      /--(config|config\.file|env-file)[ =](\S+\.(?:ya?ml|env))/g,
    )) {
      seen += 1;
      const folder = option === 'config' ? 'collector' : option === 'config.file' ? 'prometheus' : '..';
      assert.ok(existsSync(join(otel, folder, path!)), `${file}: ${path}`);
    }
  }
  assert.ok(seen > 10, String(seen));
});

describe('a sample of the environment', () => {
  for (const file of list('env', '.env')) {
    const env = parseEnv(read(file)) as Record<string, string>;

    test(`${file} has no fault, and every variable in it is one that is read`, () => {
      assert.deepEqual(checkTelemetryEnv(env), []);
      const asked = new Set<string>();
      const watched = new Proxy(env, {
        get(target, name: string) {
          asked.add(name);
          return target[name];
        },
      });
      parseOtelEnv(watched);
      assert.deepEqual(
        Object.keys(env).filter((name) => !asked.has(name)),
        [],
      );
    });
  }

  test('for a push says where to, how often, and with which temporality; for a scrape that there is no push', () => {
    const settings = (file: string) => parseOtelEnv(parseEnv(read(file)) as Record<string, string>).settings;
    const [push, delta, scrape] = ['env/push.env', 'env/push-delta.env', 'env/scrape.env'].map(settings);
    assert.equal(push?.otlp?.url, 'http://127.0.0.1:4318/v1/metrics');
    assert.deepEqual([push?.otlp?.temporality, delta?.otlp?.temporality], ['cumulative', 'delta']);
    assert.equal(push?.exportIntervalMs, 15_000);
    assert.equal(scrape?.otlp, undefined);
    const withEndpoint = {
      ...parseEnv(read('env/scrape.env')),
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    };
    assert.equal(parseOtelEnv(withEndpoint as Record<string, string>).settings.otlp, undefined);
  });
});
