/**
 * The chart against what it is made from: generated files are fresh, each setting has its place, no object of the schema
 * takes unknown keys, and no series is named that the gateway does not have. None of it needs Helm.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { chartFolder, generatedFiles, strayFiles } from '../../helm/generate.ts';
import { otelSettings } from '../../helm/otel-settings.ts';
import { chartSettings } from '../../helm/settings.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { settingDeclarations } from '../../src/config.ts';
import { renderSettingsPage } from '../../src/settings-page.ts';
import { instruments } from '../../src/telemetry/catalogue.ts';
import { seriesName } from '../../src/telemetry/metric-names.ts';
import { parseOtelEnv } from '../../src/telemetry/otel-env.ts';

const read = (file: string): string => readFileSync(join(chartFolder, file), 'utf8');
const values = parse(read('values.yaml'));
const schema: Schema = JSON.parse(read('values.schema.json'));

type Schema = {
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  additionalProperties?: boolean | Schema;
  $comment?: string;
  description?: string;
};

for (const [file, content] of generatedFiles()) {
  test(`helm/tidegauge/${file} is what \`npm run generate\` would write`, () => {
    assert.ok(existsSync(join(chartFolder, file)), 'it is not there');
    assert.equal(read(file), content);
  });
}

test('no copy is left of a dashboard or a rule that has gone', () => {
  assert.deepEqual(strayFiles(), []);
});

test('the chart says the version of the application that it installs', () => {
  const chart = parse(read('Chart.yaml'));
  assert.equal(chart.appVersion, packageJson.version);
  assert.equal(chart.annotations['artifacthub.io/license'], packageJson.license);
  assert.ok(parse(chart.annotations['artifacthub.io/changes']).length > 0);
});

describe('settings', () => {
  const places = ['settings', 'secrets', 'files'] as const;

  test('each setting of the gateway has exactly one place in the values', () => {
    const names = [...settingDeclarations, ...otelSettings].map(({ env }) => env);
    for (const name of names) {
      const found = places.filter((place) => schema.properties![place]!.properties![name] !== undefined);
      assert.equal(found.length, 1, `${name}: ${found}`);
    }
    const shown = places.flatMap((place) => Object.keys(schema.properties![place]!.properties!));
    assert.deepEqual(shown.sort(), chartSettings.map(({ env }) => env).sort());
  });

  test('secrets are never among what goes into a ConfigMap, and paths are mounted', () => {
    const { settings, secrets, files } = schema.properties!;
    for (const { env, isSecret, isFile } of chartSettings) {
      assert.equal(settings!.properties![env] !== undefined, !isSecret && !isFile, env);
      assert.equal(secrets!.properties![env] !== undefined, isSecret, env);
      assert.equal(files!.properties![env] !== undefined, isFile, env);
    }
    const paths = settingDeclarations.filter(({ doc }) => /\bpath\b/i.test(doc)).map(({ env }) => env);
    assert.deepEqual(
      paths,
      Object.keys(files!.properties!).filter((env) => env.startsWith('NATS_')),
    );
  });

  test('the OpenTelemetry variables are those that the gateway reads', () => {
    // The page names what is general; each of those has a twin for metrics.
    const documented = [...renderSettingsPage().matchAll(/`(OTEL_[A-Z_]+)`/g)].map(([, name]) => name!);
    const known = new Set(otelSettings.map(({ env }) => env));
    assert.ok(documented.length > 10);
    for (const name of documented) assert.ok(known.has(name) || name === 'OTEL_RESOURCE_ATTRIBUTES', name);

    for (const { env, kind, bounds, choices, accepts } of otelSettings) {
      // No default is the last of its choices, or true.
      const sample =
        choices?.at(-1) ?? { integer: String(bounds?.[0]), flag: 'true', list: 'otlp' }[kind as 'flag'];
      const text = /URL/.test(accepts) ? 'http://c:1' : /pairs/.test(accepts) ? 'a=b' : 'word';
      // OTLP has to be on for its options to be in force; INSECURE counts for an address without a scheme only.
      const base: Record<string, string> = /INSECURE/.test(env)
        ? { OTEL_EXPORTER_OTLP_ENDPOINT: 'c:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
        : { OTEL_METRICS_EXPORTER: env === 'OTEL_METRICS_EXPORTER' ? 'console' : 'otlp' };
      const before = parseOtelEnv(base);
      const after = parseOtelEnv({ ...base, [env]: sample ?? text });
      assert.notDeepEqual(after, before, `${env}=${sample ?? text} changes nothing`);
    }
  });
});

describe('the schema', () => {
  const open: string[] = [];
  const objects: string[] = [];
  walk(schema, '');

  function walk(node: Schema, path: string): void {
    if (node.type === 'object') {
      objects.push(path);
      // A map takes any key, but only values of its kind.
      const isClosed = node.additionalProperties === false || typeof node.additionalProperties === 'object';
      if (!isClosed) {
        assert.match(node.$comment ?? '', /^open: ./, `${path} is open without a reason`);
        open.push(path);
      }
    }
    for (const [key, child] of Object.entries(node.properties ?? {}))
      walk(child, path === '' ? key : `${path}.${key}`);
    for (const child of node.anyOf ?? []) walk(child, path);
    if (node.items !== undefined) walk(node.items, `${path}[]`);
    if (typeof node.additionalProperties === 'object') walk(node.additionalProperties, `${path}.*`);
  }

  test('takes unknown keys nowhere but where the structure is not ours', () => {
    assert.ok(objects.length > 100);
    assert.deepEqual(
      open.filter((path) => !path.startsWith('extraVolumes[].')),
      [
        'extraObjects[]',
        'nats',
        'nats.reloader',
        'nats.natsBox',
        'nats.podTemplate',
        'nats.container',
        'global',
      ],
    );
  });

  test('describes every value, as values.yaml has them', () => {
    assert.deepEqual(Object.keys(schema.properties!), Object.keys(values));
    for (const [key, { description }] of Object.entries(schema.properties!)) assert.ok(description, key);
  });
});

test('no series is named in the chart that the gateway does not have', () => {
  const known = new Set(instruments.map(({ name, unit, kind }) => seriesName(name, unit, kind)));
  const files = ['templates/**/*.{yaml,tpl,txt}', 'files/prometheus-adapter.yaml'];
  const used = files
    .flatMap((pattern) => globSync(pattern, { cwd: chartFolder }))
    .flatMap((file) => [...read(file).matchAll(/\btidegauge_[a-z_]+/g)].map(([series]) => series));
  assert.ok(used.length >= 6);
  for (const series of used) assert.ok(known.has(series), series);
});
