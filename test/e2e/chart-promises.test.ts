/**
 * What the chart promises about safety and about long-lived connections, asserted on the objects that it renders for
 * every committed value set, and on what single values change. That the objects are what Kubernetes understands is the
 * matter of chart-server.test.ts.
 */

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { chartSettings } from '../../helm/settings.ts';
import { MARGIN_MIN_SECONDS } from '../../helm/values.ts';
import { parseSettings } from '../../src/config.ts';
import { parseDurationMs } from '../../src/durations.ts';
import { LAST_EXPORT_MS, LEAVING_MARGIN_MS } from '../../src/leaving.ts';
import { checkTelemetryEnv } from '../../src/telemetry/otel-env.ts';
import {
  chartPath,
  type Manifests,
  readYaml,
  renderManifests,
  renderNotes,
  valueSets,
  type Yaml,
} from '../support/chart.ts';
import { skipWithout } from '../support/real-part.ts';

const skip = await skipWithout('helm');
const rendered = new Map<string, Manifests>();
before(async () => {
  if (skip !== false) return;
  for (const set of valueSets) rendered.set(set, await renderManifests({ set }));
});

/** A promise that no value set may break. */
function always(promise: string, check: (manifests: Manifests, set: string) => void): void {
  test(promise, { skip }, () => {
    assert.equal(rendered.size, valueSets.length);
    for (const [set, manifests] of rendered) {
      try {
        check(manifests, set);
      } catch (error) {
        throw new Error(`with the values ${set}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

const nats = { NATS_URL: 'nats://nats:4222' };
const withValues = (values: object) => renderManifests({ values });

/** The pods that are made, each with what it is made of. */
function pods(manifests: Manifests): { name: string; spec: Yaml }[] {
  return manifests.all.flatMap(({ kind, metadata, spec }) => {
    if (kind === 'Pod') return [{ name: metadata.name, spec }];
    return spec?.template?.spec?.containers ? [{ name: metadata.name, spec: spec.template.spec }] : [];
  });
}

/** What leads to the gateway from outside of the cluster, as paths with the service and port behind them. */
function publicPaths(manifests: Manifests): { path: string; type: string; service: string; port: unknown }[] {
  const ingress = manifests.of('Ingress').flatMap(({ spec }) =>
    spec.rules.flatMap((rule: Yaml) =>
      rule.http.paths.map(({ path, pathType, backend }: Yaml) => ({
        path,
        type: pathType,
        service: backend.service.name,
        port: backend.service.port.name,
      })),
    ),
  );
  const routes = manifests.of('HTTPRoute').flatMap(({ spec }) =>
    spec.rules.flatMap((rule: Yaml) =>
      rule.matches.flatMap(({ path }: Yaml) =>
        rule.backendRefs.map(({ name, port }: Yaml) => ({
          path: path.value,
          type: path.type,
          service: name,
          port,
        })),
      ),
    ),
  );
  return [...ingress, ...routes];
}

describe('whoever breaks in finds little', () => {
  always('every pod meets the Pod Security Standard restricted, and more', (manifests, set) => {
    assert.ok(pods(manifests).length > 0);
    for (const { name, spec } of pods(manifests)) {
      assert.equal(spec.automountServiceAccountToken, false, name);
      assert.equal(spec.enableServiceLinks, false, name);
      assert.equal(spec.securityContext.runAsNonRoot, true, name);
      assert.equal(spec.securityContext.seccompProfile.type, 'RuntimeDefault', name);
      if (set === 'open-shift') assert.equal('runAsUser' in spec.securityContext, false, name);
      else assert.ok(spec.securityContext.runAsUser >= 1000, name);
      assert.deepEqual(
        [spec.hostNetwork, spec.hostPID, spec.hostIPC],
        [undefined, undefined, undefined],
        name,
      );
      for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
        const { securityContext } = container;
        assert.equal(securityContext.allowPrivilegeEscalation, false, name);
        assert.equal(securityContext.readOnlyRootFilesystem, true, name);
        assert.deepEqual(securityContext.capabilities, { drop: ['ALL'] }, name);
        assert.equal(securityContext.privileged, undefined, name);
        assert.ok(container.ports?.every(({ hostPort }: Yaml) => hostPort === undefined) ?? true, name);
      }
    }
  });

  always('the account of the pods has no rights', (manifests) => {
    for (const kind of ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'])
      assert.deepEqual(manifests.of(kind), []);
    for (const account of manifests.of('ServiceAccount'))
      assert.equal(account.automountServiceAccountToken, false);
  });

  always('no secret is anywhere but in a Secret', (manifests) => {
    const shown = manifests.all.filter(({ kind }) => kind !== 'Secret');
    assert.doesNotMatch(JSON.stringify(shown), /not-a-real/);
    const secrets = new Set(chartSettings.filter(({ isSecret }) => isSecret).map(({ env }) => env));
    for (const { data } of manifests.of('ConfigMap'))
      assert.deepEqual(
        Object.keys(data ?? {}).filter((name) => secrets.has(name)),
        [],
      );
  });

  always(
    'from outside only /ws can be reached, and the reports that were asked for; never the admin port',
    (manifests, set) => {
      const reports = ['/stats', '/metrics/enhanced', '/metrics/system'];
      const allowed =
        manifests.environment().TIDEGAUGE_PUBLIC_REPORTS === 'true' ? ['/ws', ...reports] : ['/ws'];
      const found = publicPaths(manifests);
      if (['ingress', 'gateway-api', 'no-admin-port'].includes(set)) assert.ok(found.length > 0);
      const service = manifests.one('Service', manifests.deployment.metadata.name);
      for (const { path, type, service: name, port } of found) {
        assert.ok(allowed.includes(path), path);
        assert.equal(type, 'Exact');
        assert.equal(name, service.metadata.name);
        assert.ok(port === 'clients' || port === service.spec.ports[0].port, String(port));
      }
      assert.deepEqual(
        service.spec.ports.map((one: Yaml) => one.targetPort),
        ['clients'],
      );
    },
  );

  test('public reports are on the Ingress only when asked for', { skip }, () => {
    const paths = (set: string) => new Set(publicPaths(rendered.get(set)!).map(({ path }) => path));
    assert.deepEqual([...paths('ingress')], ['/ws', '/stats', '/metrics/enhanced', '/metrics/system']);
    assert.deepEqual([...paths('gateway-api')], ['/ws']);
  });

  always('the admin port has a headless Service of its own, which no load balancer serves', (manifests) => {
    const { ADMIN_PORT } = manifests.environment();
    const found = manifests.of('Service').filter(({ metadata }) => metadata.name.endsWith('-admin'));
    assert.equal(found.length, ADMIN_PORT === undefined ? 0 : 1);
    for (const { spec } of found) {
      assert.deepEqual(
        [spec.type, spec.clusterIP, spec.publishNotReadyAddresses],
        ['ClusterIP', 'None', true],
      );
      assert.deepEqual(
        spec.ports.map(({ port, targetPort }: Yaml) => [port, targetPort]),
        [[Number(ADMIN_PORT), 'admin']],
      );
    }
  });

  always('what is not let through by a rule is denied, both ways', (manifests, set) => {
    if (set === 'node-port') return assert.deepEqual(manifests.of('NetworkPolicy'), []);
    const { spec } = manifests.one('NetworkPolicy', manifests.deployment.metadata.name);
    assert.deepEqual(spec.policyTypes, ['Ingress', 'Egress']);
    assert.deepEqual(spec.podSelector.matchLabels, manifests.deployment.spec.selector.matchLabels);
    // Nobody reaches the admin port who is not named.
    for (const { ports, from } of spec.ingress) {
      assert.ok(ports.length > 0);
      if (ports.some(({ port }: Yaml) => port === 'admin')) assert.ok(from.length > 0);
    }
    for (const { ports } of spec.egress) assert.ok(ports.length > 0, 'a rule for every port');
  });

  test('egress is for names, for the ports of NATS and of the collector, and nothing else', {
    skip,
  }, async () => {
    const ports = (manifests: Manifests) =>
      manifests
        .one('NetworkPolicy', manifests.deployment.metadata.name)
        .spec.egress.flatMap(({ ports }: Yaml) =>
          ports.map(({ protocol, port }: Yaml) => `${protocol}/${port}`),
        )
        .sort();
    assert.deepEqual(ports(rendered.get('minimal')!), ['TCP/53', 'UDP/53']);
    assert.deepEqual(ports(rendered.get('subchart')!), ['TCP/4222', 'TCP/4318', 'TCP/53', 'UDP/53']);
    assert.deepEqual(ports(rendered.get('existing-secret')!), ['TCP/4222', 'TCP/53', 'UDP/53']);
    const endpoints: [url: string, port: string, protocol?: string][] = [
      ['http://collector', '80'],
      ['https://collector/v1/metrics', '443'],
      ['https://collector:4317/v1?x=:1', '4317'],
      ['http://[fd00::1]:4318', '4318'],
      ['collector:4317', '4317'],
      ['http://collector', '443', 'grpc'],
    ];
    for (const [url, port, protocol = null] of endpoints) {
      const settings = {
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://other:9',
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      };
      assert.deepEqual(
        ports(await withValues({ settings })),
        [`TCP/${port}`, 'TCP/53', 'UDP/53'].sort(),
        url,
      );
    }
    // Where only a Secret knows the address, the usual ports.
    const existingSecretKeys = { NATS_URL: 'nats', OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' };
    assert.deepEqual(ports(await withValues({ existingSecret: 'addresses', existingSecretKeys })), [
      'TCP/4222',
      'TCP/4317',
      'TCP/4318',
      'TCP/53',
      'UDP/53',
    ]);
  });

  test('the NATS beside the gateway is for the gateway, the test and the namespace', { skip }, () => {
    const manifests = rendered.get('subchart')!;
    const { spec } = manifests.one('NetworkPolicy', '-tidegauge-nats');
    const { template } = manifests.one('StatefulSet').spec;
    assert.ok(isSubset(spec.podSelector.matchLabels, template.metadata.labels));
    const [clients, members] = spec.ingress;
    assert.deepEqual(clients.ports, [{ protocol: 'TCP', port: 4222 }]);
    const selectors = clients.from.map(({ podSelector }: Yaml) => podSelector.matchLabels ?? {});
    assert.deepEqual(selectors[0], manifests.deployment.spec.selector.matchLabels);
    assert.ok(isSubset(selectors[1], manifests.testPod.metadata.labels));
    assert.deepEqual(selectors.slice(2), [{}]);
    assert.deepEqual(members.from, [{ podSelector: spec.podSelector }]);
  });

  test('the pod of helm test may come in where clients are restricted, and no Service takes it for a gateway', {
    skip,
  }, () => {
    const manifests = rendered.get('no-admin-port')!;
    const labels = manifests.testPod.metadata.labels;
    const peers = manifests.one('NetworkPolicy').spec.ingress[0].from;
    assert.ok(
      peers.some(({ podSelector }: Yaml) => isSubset(podSelector?.matchLabels ?? { none: '' }, labels)),
    );
    for (const { spec } of manifests.of('Service')) assert.equal(isSubset(spec.selector, labels), false);
  });
});

function isSubset(some: Record<string, string>, all: Record<string, string>): boolean {
  return Object.entries(some).every(([key, value]) => all[key] === value);
}

describe('settings', () => {
  always('what the container gets, the gateway accepts', (manifests) => {
    const env = manifests.environment();
    const { faults = [] } = parseSettings(env);
    assert.deepEqual([...faults, ...checkTelemetryEnv(env)], []);
  });

  test('every setting arrives as it was given, and the gateway accepts them all together', {
    skip,
  }, async () => {
    const samples: Record<string, string | number | boolean> = {
      PORT: 2001,
      ADMIN_HOST: '127.0.0.1',
      NATS_URL: 'nats://nats:4222',
      TIDEGAUGE_DEDUPE_BY: 'msg-id,nonce',
      TIDEGAUGE_TRUSTED_PROXIES: '10.0.0.0/8',
    };
    // One of each kind that is not the default, so that a setting that is lost is missed.
    const other = ({ env, kind, bounds, choices, default: preset }: (typeof chartSettings)[number]) => {
      if (env in samples) return samples[env]!;
      switch (kind) {
        case 'integer':
        case 'number':
          return Math.min(bounds![0] + 2000, bounds![1]);
        case 'flag':
          return preset !== 'true';
        case 'choice':
          return choices!.find((one) => one !== preset)!;
        case 'duration':
          return '21s';
        case 'size':
          return '5MiB';
        case 'list':
          return /origins/.test(env.toLowerCase())
            ? 'https://a.example'
            : env.startsWith('OTEL')
              ? 'otlp'
              : 'a.b';
        case 'text':
          return /ENDPOINT/.test(env) ? 'http://collector:4318' : /HEADERS/.test(env) ? 'a=b' : '12345678';
      }
    };
    const plain = chartSettings.filter(({ isSecret, isFile }) => !isSecret && !isFile);
    const given = Object.fromEntries(plain.map((one) => [one.env, other(one)]));
    const secrets = Object.fromEntries(
      chartSettings.filter(({ isSecret }) => isSecret).map((one) => [one.env, String(other(one))]),
    );
    const files = chartSettings.filter(({ isFile }) => isFile).map(({ env }) => env);
    const settings = {
      ...given,
      HOST: '0.0.0.0',
      OTEL_SDK_DISABLED: false,
      // May not be longer than the interval.
      OTEL_METRIC_EXPORT_TIMEOUT: 2000,
    };
    const manifests = await withValues({
      settings,
      secrets,
      files: Object.fromEntries(files.map((env) => [env, { secret: 'pem', key: 'pem' }])),
    });
    const env = manifests.environment();
    for (const [name, value] of Object.entries(settings)) assert.equal(env[name], String(value), name);
    for (const name of files) assert.equal(env[name], `/etc/tidegauge/${name}/pem`);
    for (const [name, value] of Object.entries(secrets)) assert.equal(env[name], value);
    const { faults = [] } = parseSettings(env);
    assert.deepEqual([...faults, ...checkTelemetryEnv(env)], []);
  });

  test('a number arrives as the gateway writes numbers, however Helm holds it', { skip }, async () => {
    const written = async (value: number) =>
      (await withValues({ settings: { TIDEGAUGE_FLUSH_PACING: value } })).environment()
        .TIDEGAUGE_FLUSH_PACING;
    assert.deepEqual(await Promise.all([0, 0.25, 0.00001, 10].map(written)), ['0', '0.25', '0.00001', '10']);
    const { TIDEGAUGE_MAX_CONNECTIONS } = rendered.get('full')!.environment();
    assert.equal(TIDEGAUGE_MAX_CONNECTIONS, '1000000');
  });

  test('a file that a setting names is mounted where the setting says', { skip }, () => {
    const manifests = rendered.get('full')!;
    const { volumeMounts } = manifests.container;
    for (const name of ['NATS_TLS_CA', 'OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE']) {
      const path = manifests.environment()[name]!;
      const mount = volumeMounts.find(({ mountPath }: Yaml) => path.startsWith(`${mountPath}/`));
      const volume = manifests.pod.volumes.find((one: Yaml) => one.name === mount.name);
      const [item] = (volume.secret ?? volume.configMap).items;
      assert.equal(path, `${mount.mountPath}/${item.path}`);
    }
  });

  always('no variable comes twice', (manifests) => {
    for (const { spec } of pods(manifests)) {
      for (const { env = [] } of spec.containers) {
        const names = env.map(({ name }: Yaml) => name);
        assert.equal(new Set(names).size, names.length, names.join());
      }
    }
  });

  test('a change of a setting or of a secret is a rollout, a change of a label of the chart is none', {
    skip,
  }, async () => {
    const pod = async (values: object) => JSON.stringify((await withValues(values)).deployment.spec.template);
    const base = { settings: nats, secrets: { NATS_TOKEN: 'a' } };
    const unchanged = await pod(base);
    assert.notEqual(await pod({ ...base, secrets: { NATS_TOKEN: 'b' } }), unchanged);
    assert.notEqual(await pod({ ...base, settings: { ...nats, TIDEGAUGE_LOG_LEVEL: 'debug' } }), unchanged);
    assert.doesNotMatch(unchanged, /helm\.sh\/chart|app\.kubernetes\.io\/version/);
  });

  test('the figures say where they come from', { skip }, () => {
    const manifests = rendered.get('full')!;
    const attributes = manifests.environment().OTEL_RESOURCE_ATTRIBUTES!;
    assert.match(attributes, /service\.instance\.id=\$\(K8S_POD_UID\)/);
    for (const name of [
      'pod.name',
      'pod.uid',
      'namespace.name',
      'node.name',
      'deployment.name',
      'container.name',
    ])
      assert.match(attributes, new RegExp(`k8s\\.${name}=`));
    // What is replaced must be declared before, and the rest is percent-encoded.
    const names = manifests.container.env.map(({ name }: Yaml) => name);
    for (const [, used] of attributes.matchAll(/\$\((\w+)\)/g))
      assert.ok(names.indexOf(used!) < names.indexOf('OTEL_RESOURCE_ATTRIBUTES'), used!);
    assert.match(attributes, /deployment\.environment\.name=production%2C%20north$/);
  });

  always('the heap takes its share of the memory limit, where there is one', (manifests, set) => {
    const options = manifests.environment().NODE_OPTIONS;
    const limit = manifests.container.resources?.limits?.memory;
    if (limit === undefined) assert.equal(options, undefined);
    else
      assert.match(
        options!,
        set === 'full'
          ? /^--max-old-space-size-percentage=60 --trace/
          : /^--max-old-space-size-percentage=50$/,
      );
  });
});

describe('long-lived connections', () => {
  const seconds = (manifests: Manifests, name: string): number =>
    Math.ceil(parseDurationMs(manifests.environment()[name]!)! / 1000);

  always('a leaving pod has the time that leaving takes', (manifests, set) => {
    const wait = manifests.container.lifecycle?.preStop?.sleep?.seconds ?? 0;
    const delay = seconds(manifests, 'TIDEGAUGE_DRAIN_DELAY');
    const window = seconds(manifests, 'TIDEGAUGE_DRAIN_WINDOW');
    assert.ok(wait === 0 || delay === 0, 'a sleep and a delay');
    const grace = manifests.pod.terminationGracePeriodSeconds;
    const needed = wait + delay + window + LAST_EXPORT_MS / 1000 + (set === 'full' ? 20 : 10);
    assert.ok(grace >= wait + delay + window + LEAVING_MARGIN_MS / 1000);
    if (set === 'full') assert.ok(grace === 300 && grace >= needed);
    else assert.equal(grace, needed);
    assert.ok(manifests.deployment.spec.progressDeadlineSeconds >= grace + 60);
  });

  test('with a sleep by the kubelet there is no delay', { skip }, () => {
    const manifests = rendered.get('pre-stop-sleep')!;
    assert.deepEqual(manifests.container.lifecycle, { preStop: { sleep: { seconds: 8 } } });
    assert.equal(manifests.pod.terminationGracePeriodSeconds, 8 + 0 + 5 + 5 + 10);
    assert.equal(rendered.get('nats')!.container.lifecycle, undefined);
  });

  test('a longer window makes the grace period longer', { skip }, async () => {
    const { pod } = await withValues({
      settings: { TIDEGAUGE_DRAIN_WINDOW: '10m', TIDEGAUGE_DRAIN_DELAY: '1500ms' },
    });
    assert.equal(pod.terminationGracePeriodSeconds, 2 + 600 + 5 + 10);
  });

  test('the smallest margin that is taken is enough, too', { skip }, async () => {
    const grace = async (marginSeconds: number) =>
      (await withValues({ termination: { marginSeconds } })).pod.terminationGracePeriodSeconds;
    const needed = 5 + 30 + LEAVING_MARGIN_MS / 1000;
    assert.equal(await grace(MARGIN_MIN_SECONDS), Math.ceil(needed));
    await assert.rejects(grace(MARGIN_MIN_SECONDS - 1), /marginSeconds/);
  });

  always('a rollout adds a pod before it takes one away, and is given time', (manifests, set) => {
    const { strategy, minReadySeconds, progressDeadlineSeconds } = manifests.deployment.spec;
    assert.equal(strategy.type, 'RollingUpdate');
    if (set !== 'full') assert.deepEqual(strategy.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 });
    assert.ok(minReadySeconds >= 10 && progressDeadlineSeconds >= 600);
  });

  test('the number of pods is absent under an autoscaler, and 1 on the in-memory bus', { skip }, () => {
    const replicas = (set: string) => rendered.get(set)!.deployment.spec.replicas;
    assert.deepEqual(['keda', 'autoscaling'].map(replicas), [undefined, undefined]);
    assert.deepEqual(
      ['minimal', 'nats', 'existing-secret', 'subchart', 'full'].map(replicas),
      [1, 2, 2, 2, 4],
    );
  });

  test('pods go one at a time, and slowly', { skip }, () => {
    const hpa = rendered.get('autoscaling')!.one('HorizontalPodAutoscaler').spec;
    const keda = rendered.get('keda')!.one('ScaledObject').spec.advanced.horizontalPodAutoscalerConfig;
    for (const { behavior } of [hpa, keda]) {
      assert.deepEqual(behavior.scaleDown.policies, [{ type: 'Pods', value: 1, periodSeconds: 300 }]);
      assert.ok(behavior.scaleDown.stabilizationWindowSeconds >= 600);
    }
  });

  test('both autoscalers follow connections and saturation, as shares of what a pod can carry', {
    skip,
  }, () => {
    const { minReplicas, maxReplicas, metrics } = rendered
      .get('autoscaling')!
      .one('HorizontalPodAutoscaler').spec;
    assert.deepEqual([minReplicas, maxReplicas], [2, 6]);
    assert.deepEqual(
      metrics.map(({ type, pods }: Yaml) => [type, pods.metric.name, pods.target.averageValue]),
      [
        ['Pods', 'tidegauge_connection_active', '7000'],
        ['Pods', 'tidegauge_saturation_ratio', '700m'],
      ],
    );
    const { triggers, minReplicaCount, maxReplicaCount } = rendered.get('keda')!.one('ScaledObject').spec;
    assert.deepEqual([minReplicaCount, maxReplicaCount], [3, 12]);
    assert.deepEqual(
      triggers.map(({ name, metricType, metadata }: Yaml) => [name, metricType, metadata.threshold]),
      [
        ['connections', 'AverageValue', '10000'],
        ['saturation', 'AverageValue', '0.8'],
      ],
    );
  });

  test('the rules for the adapter serve what the autoscaler asks for, by pod and namespace', { skip }, () => {
    const manifests = rendered.get('autoscaling')!;
    const { data } = manifests.one('ConfigMap', '-adapter');
    const { custom } = readYaml(data['values.yaml']).rules;
    const asked = manifests
      .one('HorizontalPodAutoscaler')
      .spec.metrics.map(({ pods }: Yaml) => pods.metric.name);
    assert.deepEqual(
      custom.map(({ seriesQuery }: Yaml) => /^\w+/.exec(seriesQuery)?.[0]),
      asked,
    );
    for (const { resources, name } of custom) {
      // Without a name of its own, a metric is called as its series.
      assert.equal(name, undefined);
      assert.deepEqual(resources.overrides, {
        namespace: { resource: 'namespace' },
        pod: { resource: 'pod' },
      });
    }
  });

  always(
    'a node drain takes one pod at a time, and counts those that are not ready: they may have clients',
    (manifests, set) => {
      const budgets = manifests
        .of('PodDisruptionBudget')
        .filter(({ metadata }) => !metadata.name.endsWith('-nats'));
      if (set === 'open-shift') return assert.deepEqual(budgets, []);
      const [budget, ...others] = budgets;
      assert.equal(others.length, 0);
      assert.equal(budget!.spec.unhealthyPodEvictionPolicy, 'IfHealthyBudget');
      if (set === 'full')
        assert.deepEqual([budget!.spec.minAvailable, budget!.spec.maxUnavailable], ['75%', undefined]);
      else assert.equal(budget!.spec.maxUnavailable, 1);
    },
  );

  always('probes ask the port for clients, and a stall of a minute is not death', (manifests) => {
    const { startupProbe, livenessProbe, readinessProbe } = manifests.container;
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe])
      assert.equal(httpGet.port, 'clients');
    assert.deepEqual(
      [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path),
      // The start is over without a NATS too, which may be away.
      ['/livez', '/livez', '/readyz'],
    );
    assert.ok(livenessProbe.periodSeconds * livenessProbe.failureThreshold >= 60);
  });

  test('pods are spread, the new ones among themselves', { skip }, () => {
    const spread = rendered.get('nats')!.pod.topologySpreadConstraints;
    assert.deepEqual(
      spread.map(({ topologyKey, whenUnsatisfiable, matchLabelKeys }: Yaml) => [
        topologyKey,
        whenUnsatisfiable,
        matchLabelKeys,
      ]),
      [
        ['kubernetes.io/hostname', 'ScheduleAnyway', ['pod-template-hash']],
        ['topology.kubernetes.io/zone', 'ScheduleAnyway', ['pod-template-hash']],
      ],
    );
    assert.equal(rendered.get('open-shift')!.pod.topologySpreadConstraints, undefined);
  });

  test('the route sets no time-outs', { skip }, () => {
    for (const rule of rendered.get('gateway-api')!.one('HTTPRoute').spec.rules)
      assert.equal('timeouts' in rule, false);
  });

  test('the notes say how to reach the gateway, how to verify it, and what is missing', {
    skip,
  }, async () => {
    const notes = async (values: object) => (await renderNotes({ values })).replaceAll(/\s+/g, ' ');
    const hosts = ['stream.example.com'];
    const plain = await notes({ settings: nats, ingress: { enabled: true, hosts } });
    assert.match(plain, / ws:\/\/stream\.example\.com\/ws /);
    assert.match(plain, / ws:\/\/tide-tidegauge\.harbour\.svc:80\/ws /);
    assert.match(plain, / kubectl port-forward service\/tide-tidegauge 3002:clients --namespace harbour /);
    assert.match(plain, / helm test tide --namespace harbour /);
    assert.match(plain, /No TIDEGAUGE_ADMIN_TOKEN is set/);
    const tls = [{ hosts, secretName: 'tls' }];
    const httpRoute = { enabled: true, parentRefs: [{ name: 'public' }], hostnames: ['route.example.com'] };
    const secrets = { TIDEGAUGE_ADMIN_TOKEN: 'not-a-real-token' };
    const all = await notes({ secrets, ingress: { enabled: true, hosts, tls }, httpRoute });
    assert.match(all, / wss:\/\/stream\.example\.com\/ws /);
    assert.match(all, / wss:\/\/route\.example\.com\/ws/);
    assert.match(all, /It runs on its in-memory bus/);
    assert.doesNotMatch(all, /No TIDEGAUGE_ADMIN_TOKEN|not-a-real/);
    const scaled = await notes({ settings: nats, autoscaling: { enabled: true } });
    assert.match(scaled, / kubectl get configmap tide-tidegauge-adapter --namespace harbour /);
  });

  test('the notes name the time-out that an upgrade needs', { skip }, async () => {
    const minutes = async (values: object) =>
      Number(/--timeout (\d+)m/.exec(await renderNotes({ values }))?.[1]);
    // Each pod: half a minute to start, and to be ready for ten seconds; then the last grace, and a minute.
    assert.equal(await minutes({ settings: nats, replicaCount: 6 }), Math.ceil((6 * 40 + 50 + 60) / 60));
    const long = { ...nats, TIDEGAUGE_DRAIN_WINDOW: '1h' };
    assert.equal(await minutes({ settings: long, replicaCount: 6 }), Math.ceil((6 * 40 + 3620 + 60) / 60));
  });
});

describe('the parts fit together', () => {
  always(
    'whatever selects the gateway finds its pods, and nothing that is selected by name is missing',
    (manifests) => {
      const { selector, template } = manifests.deployment.spec;
      const { labels } = template.metadata;
      const finds = (wanted: Record<string, string>, all: Record<string, string>, what: string) => {
        assert.ok(Object.keys(wanted).length > 0 && isSubset(wanted, all), what);
      };
      finds(selector.matchLabels, labels, 'Deployment');
      const own = (kind: string) =>
        manifests.of(kind).filter(({ metadata }) => !metadata.name.endsWith('-nats'));
      const services = manifests.of('Service').filter(({ spec }) => isSubset(spec.selector, labels));
      const { ADMIN_PORT } = manifests.environment();
      assert.equal(services.length, ADMIN_PORT === undefined ? 1 : 2, 'Services of the gateway');
      for (const kind of ['PodDisruptionBudget', 'PodMonitor'])
        for (const { spec } of own(kind)) finds(spec.selector.matchLabels, labels, kind);
      for (const { spec } of manifests.of('ServiceMonitor')) {
        for (const { port } of spec.endpoints) {
          const found = services.filter(
            (service) =>
              isSubset(spec.selector.matchLabels, service.metadata.labels) &&
              service.spec.ports.some(({ name }: Yaml) => name === port),
          );
          // Of two, each pod would be scraped twice.
          assert.equal(found.length, 1, `Services with the port ${port}`);
        }
      }
      for (const kind of ['HorizontalPodAutoscaler', 'ScaledObject'])
        for (const { spec } of manifests.of(kind))
          assert.equal(spec.scaleTargetRef.name, manifests.deployment.metadata.name);
      for (const { configMapRef } of manifests.container.envFrom)
        if (configMapRef !== undefined) manifests.one('ConfigMap', configMapRef.name);
      const accounts = manifests.of('ServiceAccount').map(({ metadata }) => metadata.name);
      assert.ok([...accounts, 'default'].includes(manifests.pod.serviceAccountName));
    },
  );

  always('each port of the container is the one that the gateway listens on', (manifests) => {
    const { PORT, ADMIN_PORT } = manifests.environment();
    const ports = manifests.container.ports.map(({ name, containerPort }: Yaml) => [name, containerPort]);
    const admin = ADMIN_PORT === undefined ? [] : [['admin', Number(ADMIN_PORT)]];
    assert.deepEqual(ports, [['clients', Number(PORT)], ...admin]);
    const monitors = [...manifests.of('ServiceMonitor'), ...manifests.of('PodMonitor')];
    for (const { spec } of monitors)
      for (const { port, path } of spec.endpoints ?? spec.podMetricsEndpoints)
        assert.deepEqual([port, path], [ADMIN_PORT === undefined ? 'clients' : 'admin', '/metrics']);
  });

  always('what selects pods never changes with a version, for a selector cannot be changed', (manifests) => {
    const { matchLabels } = manifests.deployment.spec.selector;
    assert.deepEqual(Object.keys(matchLabels).sort(), [
      'app.kubernetes.io/component',
      'app.kubernetes.io/instance',
      'app.kubernetes.io/name',
    ]);
  });

  test('labels of the user cannot take a pod out of its selectors', { skip }, async () => {
    const labels = { 'app.kubernetes.io/instance': 'other', 'app.kubernetes.io/component': 'other' };
    const given = { podLabels: labels, commonLabels: labels };
    const manifests = await withValues({
      settings: nats,
      ...given,
      service: { labels },
      adminService: { labels },
    });
    const { deployment } = manifests;
    const { selector, template } = deployment.spec;
    // Monitors find Services by them.
    for (const { metadata } of manifests.of('Service'))
      assert.ok(isSubset(selector.matchLabels, metadata.labels), metadata.name);
    assert.ok(isSubset(selector.matchLabels, template.metadata.labels));
    assert.ok(isSubset(selector.matchLabels, deployment.metadata.labels));
  });

  test('KEDA asks for the pods of this Deployment in its namespace, and for those of no other', {
    skip,
  }, () => {
    const manifests = rendered.get('keda')!;
    const { name } = manifests.deployment.metadata;
    for (const { metadata } of manifests.one('ScaledObject').spec.triggers) {
      // Else no answer would count as no clients, and take pods away.
      assert.equal(metadata.ignoreNullValues, 'false');
      assert.match(metadata.query, /,cluster="eu \\"1\\""}/);
      const [, namespace, pods] = /namespace="([^"]+)",pod=~"([^"]+)"/.exec(metadata.query) ?? [];
      assert.equal(namespace, 'harbour', metadata.query);
      const pattern = new RegExp(`^(?:${pods})$`);
      assert.match(`${name}-6d4cf56db6-x7k2p`, pattern);
      for (const other of [`${name}-test`, `${name}-two-6d4cf56db6-x7k2p`, `other-${name}-6d4cf56db6-x7k2p`])
        assert.doesNotMatch(other, pattern);
    }
  });

  test('what the values say of pods and of the image is what the pod has', { skip }, () => {
    const { pod, container, deployment, testPod } = rendered.get('full')!;
    const image = `registry.example.com/mirror/team/tidegauge@sha256:${'0123456789abcdef'.repeat(4)}`;
    assert.deepEqual([container.image, testPod.spec.containers[0].image], [image, image]);
    assert.equal(container.imagePullPolicy, 'Always');
    assert.deepEqual(pod.imagePullSecrets, [{ name: 'mirror' }, { name: 'own' }]);
    assert.deepEqual(testPod.spec.imagePullSecrets, pod.imagePullSecrets);
    assert.equal(pod.serviceAccountName, 'harbour-master');
    assert.equal(pod.priorityClassName, 'system-cluster-critical');
    assert.deepEqual(pod.nodeSelector, { 'kubernetes.io/arch': 'amd64' });
    assert.deepEqual(Object.keys(pod.affinity), ['podAntiAffinity']);
    assert.equal(pod.tolerations[0].key, 'edge');
    assert.equal(pod.topologySpreadConstraints[0].whenUnsatisfiable, 'DoNotSchedule');
    assert.equal(deployment.spec.template.metadata.annotations['example.com/note'], 'high tide');
    assert.equal(deployment.spec.template.metadata.labels['example.com/tide'], 'high');
    const names = container.env.map(({ name }: Yaml) => name);
    assert.ok(['NODE_EXTRA_CA_CERTS', 'GREETING'].every((name) => names.includes(name)));
    // The settings come last: in an environment, the last one wins.
    assert.deepEqual(container.envFrom, [
      { secretRef: { name: 'more', optional: true } },
      { configMapRef: { name: 'harbour' } },
    ]);
    assert.ok(pod.volumes.some(({ name }: Yaml) => name === 'authorities'));
    assert.ok(container.volumeMounts.some(({ mountPath }: Yaml) => mountPath === '/etc/authorities'));
    const extra = rendered
      .get('full')!
      .of('ConfigMap')
      .map(({ metadata }) => metadata.name);
    assert.ok(
      ['harbour-extra', 'harbour-text'].every((name) => extra.includes(name)),
      extra.join(),
    );
  });

  test('what the values say of the network is what the policy has', { skip }, () => {
    const { spec } = rendered.get('full')!.one('NetworkPolicy');
    const peers = (rules: Yaml[], side: 'from' | 'to', port: unknown) =>
      rules.find(({ ports }) => ports.some((one: Yaml) => one.port === port))?.[side];
    const cidr = (one: string) => [{ ipBlock: { cidr: one } }];
    assert.deepEqual(peers(spec.egress, 'to', 53), cidr('192.0.2.53/32'));
    assert.deepEqual(peers(spec.egress, 'to', 4443), cidr('198.51.100.0/24'));
    assert.deepEqual(peers(spec.egress, 'to', 443), cidr('203.0.113.0/24'));
    assert.deepEqual(peers(spec.egress, 'to', 8443), cidr('0.0.0.0/0'));
    assert.equal(peers(spec.ingress, 'from', 'clients')[0].ipBlock.cidr, '192.0.2.0/24');
    assert.deepEqual(spec.ingress.at(-1).from, [{ podSelector: {} }]);
    const { testPod } = rendered.get('full')!;
    // By default Prometheus alone, and the pod of helm test.
    for (const set of ['minimal', 'nats', 'subchart']) {
      const policy = rendered
        .get(set)!
        .of('NetworkPolicy')
        .find(({ metadata }) => !metadata.name.endsWith('-nats'));
      const admin = peers(policy!.spec.ingress, 'from', 'admin');
      assert.deepEqual(
        admin.map(({ podSelector }: Yaml) => podSelector?.matchLabels?.['app.kubernetes.io/name']),
        ['prometheus', rendered.get(set)!.testPod.metadata.labels['app.kubernetes.io/name']],
      );
      assert.equal(admin.length, 2);
      assert.equal(admin[1].podSelector.matchLabels['app.kubernetes.io/component'], 'test');
    }
    assert.ok(
      isSubset(peers(spec.ingress, 'from', 'admin')[1].podSelector.matchLabels, testPod.metadata.labels),
    );
  });
});

describe('being watched', () => {
  test('a monitor brings the admin token along, from the Secret that has it', { skip }, () => {
    const endpoint = (set: string) => rendered.get(set)!.one('ServiceMonitor').spec.endpoints[0];
    assert.deepEqual(endpoint('existing-secret').authorization.credentials, {
      name: 'tidegauge-credentials',
      key: 'admin-token',
    });
    assert.deepEqual(endpoint('no-admin-port').authorization.credentials, {
      name: 'tide-tidegauge',
      key: 'TIDEGAUGE_ADMIN_TOKEN',
    });
    assert.equal(endpoint('autoscaling').authorization, undefined);
    assert.deepEqual(
      ['existing-secret', 'no-admin-port'].map((set) => endpoint(set).port),
      ['admin', 'clients'],
    );
  });

  test('monitors, rules and dashboards carry the labels by which they are found', { skip }, () => {
    const full = rendered.get('full')!;
    const watchers = [...full.of('ServiceMonitor'), ...full.of('PrometheusRule')];
    for (const { metadata } of watchers) assert.equal(metadata.labels.release, 'kube-prometheus-stack');
    const [{ interval, scrapeTimeout, relabelings, metricRelabelings }] =
      full.one('ServiceMonitor').spec.endpoints;
    assert.deepEqual([interval, scrapeTimeout], ['30s', '20s']);
    assert.deepEqual([relabelings[0].action, metricRelabelings[0].action], ['labeldrop', 'drop']);
    const dashboards = full.of('ConfigMap').filter(({ metadata }) => metadata.name.includes('-dashboard-'));
    for (const { metadata } of dashboards) {
      assert.equal(metadata.labels.grafana_dashboard, '1');
      assert.equal(metadata.annotations.grafana_folder, 'Tidegauge');
    }
  });

  test('each rule file and each dashboard of the chart is an object, word for word', { skip }, async () => {
    const full = rendered.get('full')!;
    const read = (file: string) => readFileSync(join(chartPath, file), 'utf8').trim();
    const dashboards = globSync('files/dashboards/*.json', { cwd: chartPath });
    const alerts = globSync('files/alerts/*.yaml', { cwd: chartPath });
    const shown = full
      .of('ConfigMap')
      .flatMap(({ data }) => Object.values<string>(data ?? {}).map((text) => text.trim()));
    for (const file of dashboards) assert.ok(shown.includes(read(file)), file);
    assert.equal(full.of('PrometheusRule').length, alerts.length);
    for (const file of alerts)
      assert.ok(
        full.of('PrometheusRule').some(({ spec }) => isSame(spec, readYaml(read(file)))),
        file,
      );
  });
});

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
