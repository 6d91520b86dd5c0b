/**
 * Every object of every value set before the API server of a real Kubernetes, which knows Prometheus Operator, Gateway API
 * and KEDA: each is accepted with strict field validation, in a namespace that enforces the Pod Security Standard
 * restricted, and without a warning.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ApiServer, apiServerParts, startApiServer } from '../support/api-server.ts';
import { chartPath, helms, parseManifests, renderChart, runHelm, valueSets } from '../support/chart.ts';
import { skipWithout } from '../support/real-part.ts';

const namespace = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: 'harbour',
    labels: {
      'pod-security.kubernetes.io/enforce': 'restricted',
      // For what makes pods: it is not refused, but warned of.
      'pod-security.kubernetes.io/warn': 'restricted',
    },
  },
};

describe('the API server', { skip: await skipWithout(...helms, ...apiServerParts) }, () => {
  let server: ApiServer;
  /** What both Helms render is the same, as chart-renderings.test.ts proves. */
  const rendered = new Map<string, string>();
  before(async () => {
    for (const set of valueSets) rendered.set(set, await renderChart({ set }));
    server = await startApiServer();
    await server.kubectl(['create', '--filename', '-'], JSON.stringify(namespace));
  });
  after(() => server?.stop());

  /** By server-side apply, as Helm 4 does it: a list whose entries have names may not have one twice. */
  const dryRun = (manifests: string) =>
    server.kubectl(
      [
        ...['apply', '--server-side', '--dry-run=server', '--validate=strict'],
        ...['--namespace', 'harbour', '--filename', '-'],
      ],
      manifests,
    );

  for (const set of valueSets) {
    test(`accepts every object of the values ${set}`, async () => {
      const text = rendered.get(set)!;
      const { stdout, stderr } = await dryRun(text);
      assert.equal(stderr, '', 'warnings');
      assert.equal(stdout.trim().split('\n').length, parseManifests(text).length, stdout);
    });
  }

  test('knows the kinds that operators bring, and they are among those that are rendered', () => {
    const kinds = new Set(
      [...rendered.values()].flatMap((text) =>
        parseManifests(text).map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
      ),
    );
    for (const kind of [
      'monitoring.coreos.com/v1 ServiceMonitor',
      'monitoring.coreos.com/v1 PodMonitor',
      'gateway.networking.k8s.io/v1 HTTPRoute',
      'keda.sh/v1alpha1 ScaledObject',
      'autoscaling/v2 HorizontalPodAutoscaler',
      'networking.k8s.io/v1 Ingress',
      'networking.k8s.io/v1 NetworkPolicy',
      'policy/v1 PodDisruptionBudget',
    ])
      assert.ok(kinds.has(kind), `${kind} in ${[...kinds].join(', ')}`);
  });

  for (const helm of helms) {
    test(`has as many pods as the README says when ${helm} switches an autoscaler on, and after upgrades and a rollback`, async () => {
      const target = ['--kubeconfig', server.kubeconfig, '--namespace', helm];
      const upgrade = (...values: string[]) =>
        runHelm(helm, [
          ...['upgrade', 'tide', chartPath, '--install', '--create-namespace', ...target],
          ...['--set', ['settings.NATS_URL=nats://nats:4222', ...values].join(',')],
        ]);
      const deployment = ['deployment/tide-tidegauge', '--namespace', helm];
      const replicas = async (): Promise<string> =>
        (await server.kubectl(['get', ...deployment, '--output', 'jsonpath={.spec.replicas}'])).stdout;
      const scale = (pods: number) => server.kubectl(['scale', ...deployment, `--replicas=${pods}`]);
      await upgrade('replicaCount=5');
      assert.equal(await replicas(), '5');
      await scale(6);
      await upgrade('autoscaling.enabled=true');
      assert.equal(await replicas(), helm === 'helm' ? '6' : '1');
      // As the autoscaler does it.
      await scale(7);
      await upgrade('autoscaling.enabled=true', 'settings.TIDEGAUGE_LOG_LEVEL=debug');
      assert.equal(await replicas(), '7');
      await scale(8);
      await runHelm(helm, ['rollback', 'tide', '2', ...target]);
      assert.equal(await replicas(), '8');
    });
  }

  test('would have noticed: a field that there is not, a pod that asks for too much, a duplicate', async () => {
    const text = rendered.get('nats')!;
    await assert.rejects(
      dryRun(text.replace('minReadySeconds:', 'minimumReadySeconds:')),
      /minimumReadySeconds: field not declared in schema|unknown field/,
    );
    await assert.rejects(
      dryRun(rendered.get('keda')!.replace('pollingInterval:', 'pollInterval:')),
      /pollInterval/,
    );
    await assert.rejects(dryRun(text.replace('- name: K8S_POD_UID', '- name: K8S_POD_NAME')), /K8S_POD_NAME/);
    const { stderr } = await dryRun(text.replace('runAsNonRoot: true', 'runAsNonRoot: false'));
    assert.match(stderr, /would violate PodSecurity/);
  });
});
