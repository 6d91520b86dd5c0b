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

type Settings = {
  processors?: {
    memory_limiter?: { check_interval: string; limit_percentage: number; spike_limit_percentage: number };
  };
  exporters?: Record<
    string,
    {
      timeout: string;
      retry_on_failure?: Record<string, unknown>;
      remote_write_queue?: Record<string, unknown>;
      sending_queue?: {
        storage: string;
        sizer: string;
        queue_size: number;
        num_consumers: number;
      };
    }
  >;
};

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

  test('refuses before the garbage collector of Go has to work against the limit', () => {
    const limiters = pipelineFiles.flatMap((file) => {
      const { processors } = parse(read(file)) as Settings;
      return processors?.memory_limiter === undefined ? [] : [processors.memory_limiter];
    });
    assert.equal(limiters.length, 2);
    const [, goPercentage] = /`GOMEMLIMIT` to (\d+) %/.exec(readme.replace(/\s+/g, ' ')) ?? [];
    for (const { limit_percentage: limit, spike_limit_percentage: spike, ...rest } of limiters) {
      assert.ok(spike < limit && limit < Number(goPercentage), `${spike} % of ${limit} %`);
      assert.deepEqual(rest, { check_interval: '1s' });
    }
  });

  test('that pushes keeps it on disk until it is taken, in order, and no more than the README says', () => {
    const kept: string[] = [];
    for (const file of pipelineFiles) {
      for (const [name, exporter] of Object.entries((parse(read(file)) as Settings).exporters ?? {})) {
        const { sending_queue: queue, retry_on_failure: retry } = exporter;
        if (queue === undefined) continue;
        kept.push(name);
        const { storage, sizer, queue_size: bytes, num_consumers: consumers, ...rest } = queue;
        assert.deepEqual([storage, sizer, consumers], ['file_storage', 'bytes', 1], `${file} ${name}`);
        assert.ok(readme.includes(`${bytes / 2 ** 20} MiB on disk for each queue`), `${bytes}`);
        // No batch: a push that is refused must not take others with it.
        assert.deepEqual(rest, {});
        assert.deepEqual(retry, { max_elapsed_time: '0s' }, `${file} ${name}`);
      }
    }
    assert.deepEqual(kept, ['otlp_http/gateway', 'otlp_http/prometheus']);
  });

  test('that cannot keep it on disk has no queue at all, and refuses what it cannot deliver', () => {
    const { exporters } = parse(read('collector/exits/prometheus-remote-write.yaml')) as Settings;
    const { remote_write_queue: queue, retry_on_failure: retry } = exporters!.prometheus_remote_write!;
    assert.deepEqual([queue, retry], [{ enabled: false }, { enabled: false }]);
  });

  test('gives up a slow backend before the one that pushes to it does', () => {
    const timeoutSeconds = (file: string, name: string): number => {
      const { exporters } = parse(read(`collector/${file}`)) as Settings;
      return Number.parseInt(exporters![name]!.timeout, 10);
    };
    const agent = timeoutSeconds('agent.yaml', 'otlp_http/gateway');
    assert.ok(timeoutSeconds('exits/prometheus-remote-write.yaml', 'prometheus_remote_write') > agent);
    assert.ok(timeoutSeconds('exits/prometheus-otlp.yaml', 'otlp_http/prometheus') > agent);
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

describe('the settings for a Prometheus that is pushed to', () => {
  const { otlp, storage } = parse(read('prometheus/push.yml')) as {
    otlp: { translation_strategy: string; promote_resource_attributes: string[] };
    storage: { tsdb: { out_of_order_time_window: string } };
  };

  test('make labels of the attributes that the README lists, and of no others', () => {
    const row = readme.split('\n').find((line) => line.includes('on every series, by `push.yml`'))!;
    const listed = [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, label]) => label);
    assert.deepEqual(
      otlp.promote_resource_attributes.map((name) => name.replaceAll('.', '_')),
      listed,
    );
  });

  test('let samples come as late as the README says', () => {
    assert.equal(storage.tsdb.out_of_order_time_window, '1d');
    assert.ok(readme.replace(/\s+/g, ' ').includes('a day in which samples may come out of order'));
  });
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
