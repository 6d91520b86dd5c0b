/**
 * compose.yaml against what it names: no engine is needed, so a word that is wrong is found here. Keys are those of the
 * Compose specification that the file uses; versions are those that the tests run against.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { parseSettings } from '../../src/config.ts';
import { LEAVING_MARGIN_MS } from '../../src/leaving.ts';
import { checkTelemetryEnv } from '../../src/telemetry/sdk.ts';
import { parts } from '../tools/parts.ts';

type Service = {
  image: string;
  build?: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  tmpfs?: string[];
  depends_on?: string[];
  stop_grace_period?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  mem_limit?: string;
};

const root = join(import.meta.dirname, '../..');
const file = parse(readFileSync(join(root, 'compose.yaml'), 'utf8'), { uniqueKeys: true }) as {
  name: string;
  services: Record<string, Service>;
  volumes: Record<string, null>;
};
const { gateway, nats, collector, prometheus, grafana } = file.services as Record<string, Service>;
const services = Object.entries(file.services);
/** `SOURCE:TARGET[:ro]` */
const mounts = services.flatMap(([name, { volumes = [] }]) =>
  volumes.map((mount) => ({ name, source: mount.split(':')[0]!, target: mount.split(':')[1]! })),
);
/** Where a path inside a container comes from, in this tree. */
function sourceOf(service: string, path: string): string | undefined {
  const mount = mounts
    .filter(({ name, target }) => name === service && (path === target || path.startsWith(`${target}/`)))
    .sort((one, other) => other.target.length - one.target.length)[0];
  return mount && join(root, mount.source, path.slice(mount.target.length));
}

describe('compose.yaml', () => {
  test('has the five services, and no key that Compose does not know', () => {
    assert.deepEqual(Object.keys(file).sort(), ['name', 'services', 'volumes']);
    assert.deepEqual(Object.keys(file.services), ['gateway', 'nats', 'collector', 'prometheus', 'grafana']);
    const known = [
      ...['build', 'image', 'command', 'environment', 'ports', 'volumes', 'tmpfs', 'depends_on', 'restart'],
      ...['read_only', 'cap_drop', 'security_opt', 'mem_limit', 'ulimits', 'stop_grace_period'],
    ];
    for (const [name, service] of services)
      assert.deepEqual(
        Object.keys(service).filter((key) => !known.includes(key)),
        [],
        name,
      );
  });

  test('runs the versions that the tests run against', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.deepEqual([gateway?.image, gateway?.build], [`tidegauge:${version}`, '.']);
    assert.equal(nats?.image, `nats:${parts['nats-server'].version}`);
    assert.equal(prometheus?.image, `prom/prometheus:v${parts.prometheus.version}`);
    assert.equal(collector?.image, `otel/opentelemetry-collector-contrib:${parts.otelcol.version}`);
    assert.match(grafana?.image ?? '', /^grafana\/grafana:\d+\.\d+\.\d+$/);
  });

  test('names services and volumes that there are', () => {
    for (const [name, { depends_on: needed = [] }] of services)
      for (const other of needed) assert.ok(other in file.services, `${name} needs ${other}`);
    const named = mounts.filter(({ source }) => !source.startsWith('.')).map(({ source }) => source);
    assert.deepEqual(named.sort(), Object.keys(file.volumes).sort());
    for (const [name, { environment = {} }] of services)
      for (const value of Object.values(environment)) {
        const host = /^(?:https?|nats):\/\/([^:/]+)/.exec(value)?.[1];
        assert.ok(host === undefined || host in file.services, `${name} is sent to ${value}`);
      }
  });

  test('opens ports of the loopback address only', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    assert.ok(ports.length >= 4);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
  });

  test('mounts what there is, read only', () => {
    const fromTree = services.flatMap(([, { volumes = [] }]) =>
      volumes.filter((mount) => mount.startsWith('.')),
    );
    assert.ok(fromTree.length >= 4);
    for (const mount of fromTree) {
      assert.ok(mount.endsWith(':ro'), mount);
      assert.ok(existsSync(join(root, mount.split(':')[0]!)), mount);
    }
  });

  test('names files that are mounted', () => {
    const words = [...(collector?.command ?? []), ...(prometheus?.command ?? [])];
    const named = [
      ...words.flatMap((word) => /\/etc\/.*/.exec(word)?.[0] ?? []).map((path) => ({ path })),
      { path: grafana?.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH ?? '' },
    ];
    assert.equal(named.length, 4);
    for (const { path } of named) {
      const source = ['collector', 'prometheus', 'grafana'].map((name) => sourceOf(name, path)).find(Boolean);
      assert.ok(source !== undefined && existsSync(source), path);
    }
  });

  test('gives each program settings that it knows', () => {
    const environment = { HOST: '0.0.0.0', ...gateway?.environment, TIDEGAUGE_ADMIN_TOKEN: '' };
    const { settings, faults } = parseSettings(environment);
    assert.deepEqual([faults, checkTelemetryEnv(environment)], [undefined, []]);
    const graceMs = Number(/^(\d+)s$/.exec(gateway?.stop_grace_period ?? '')?.[1]) * 1000;
    assert.ok(graceMs > settings!.drainDelayMs + settings!.drainWindowMs + LEAVING_MARGIN_MS, `${graceMs}`);

    const texts = (collector?.command ?? [])
      .filter((word) => word.startsWith('/'))
      .map((path) => readFileSync(sourceOf('collector', path)!, 'utf8'))
      .join('\n');
    for (const name of Object.keys(collector?.environment ?? {}))
      assert.ok(texts.includes(`\${env:${name}`), name);
    assert.equal(collector?.environment?.COLLECTOR_STORAGE, collector?.tmpfs?.[0]?.split(':')[0]);
    const source = readFileSync(
      sourceOf('grafana', '/etc/grafana/provisioning/datasources/prometheus.yaml')!,
      'utf8',
    );
    assert.match(source, /url: \$PROMETHEUS_URL$/m);
    const seconds = Number(gateway?.environment?.OTEL_METRIC_EXPORT_INTERVAL) / 1000;
    assert.match(source, new RegExp(`timeInterval: ${seconds}s$`, 'm'));
  });

  test('leads figures from the gateway to Grafana by ports that somebody listens on', () => {
    const portOf = (url = ''): string | undefined => /:(\d+)(?:\/|$)/.exec(url)?.[1];
    const { OTEL_EXPORTER_OTLP_ENDPOINT, NATS_URL } = gateway!.environment!;
    const { COLLECTOR_OTLP_HTTP, PROMETHEUS_OTLP_URL } = collector!.environment!;
    assert.equal(portOf(OTEL_EXPORTER_OTLP_ENDPOINT), portOf(COLLECTOR_OTLP_HTTP));
    assert.match(COLLECTOR_OTLP_HTTP!, /^0\.0\.0\.0:/);
    assert.equal(portOf(NATS_URL), '4222');
    const ofPrometheus = [PROMETHEUS_OTLP_URL, grafana?.environment?.PROMETHEUS_URL];
    assert.deepEqual(ofPrometheus.map(portOf), ['9090', '9090']);
    assert.match(PROMETHEUS_OTLP_URL!, /\/api\/v1\/otlp$/);
    assert.ok(prometheus?.command?.includes('--web.enable-otlp-receiver'));
  });

  test('gives the gateway no rights, and a bound of memory', () => {
    const { read_only, cap_drop, security_opt, mem_limit } = gateway!;
    assert.deepEqual([read_only, cap_drop, security_opt], [true, ['ALL'], ['no-new-privileges:true']]);
    assert.match(mem_limit!, /^\d+m$/);
  });
});
