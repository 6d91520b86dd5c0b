/**
 * The overlay kubernetes.yaml and the permissions of kubernetes-rbac.yaml before the API server of a real Kubernetes: with
 * a token of that service account and nothing more, an agent says of pushed figures which pod they are from, and leaves
 * alone what is from another node. Only the way to the API server differs from a cluster: a kubeconfig, since there is no
 * pod that the agent would find it from.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ApiServer, apiServerParts, startApiServer } from '../support/api-server.ts';
import { createTempFolder } from '../support/child.ts';
import { type OtlpSink, startOtlpSink } from '../support/collector.ts';
import { startGateway } from '../support/gateway-process.ts';
import { type Pipeline, startPipeline } from '../support/pipelines.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';

const rbacFile = join(import.meta.dirname, '../../otel/collector/kubernetes-rbac.yaml');
const waiting = { timeoutMs: 60_000, everyMs: 200 };

/** As a Deployment makes it; nothing here runs it. */
const podOn = (node: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    labels: { 'pod-template-hash': '7d9c5b' },
    ownerReferences: [
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        name: 'tide-7d9c5b',
        uid: '00000000-0000-4000-8000-000000000001',
        controller: true,
      },
    ],
  },
  spec: { nodeName: node, containers: [{ name: 'tidegauge', image: 'tidegauge' }] },
});

describe('an agent in Kubernetes', { skip: await skipWithout('otelcol', ...apiServerParts) }, () => {
  const folder = createTempFolder('kubernetes-attributes');
  let server: ApiServer;
  let sink: OtlpSink;
  let agent: Pipeline;
  const uids: Record<string, string> = {};

  before(async () => {
    server = await startApiServer();
    for (const namespace of ['monitoring', 'quay']) await server.kubectl(['create', 'namespace', namespace]);
    await server.kubectl(['apply', '--filename', rbacFile]);
    for (const pod of [podOn('node-1', 'tide-here'), podOn('node-2', 'tide-elsewhere')]) {
      const create = [
        'create',
        '--namespace',
        'quay',
        '--filename',
        '-',
        '--output',
        'jsonpath={.metadata.uid}',
      ];
      uids[pod.metadata.name] = (await server.kubectl(create, JSON.stringify(pod))).stdout;
    }
    sink = await startOtlpSink();
    const overlay = join(folder.path, 'by-kubeconfig.yaml');
    writeFileSync(overlay, JSON.stringify({ processors: { k8s_attributes: { auth_type: 'kubeConfig' } } }));
    agent = await startPipeline({
      files: ['agent.yaml', 'kubernetes.yaml', overlay],
      env: {
        COLLECTOR_GATEWAY: sink.httpEndpoint,
        K8S_NODE_NAME: 'node-1',
        K8S_CLUSTER_NAME: 'harbour',
        KUBECONFIG: await kubeconfigOf('otel-agent'),
      },
    });
  });
  after(async () => {
    await agent?.stop();
    await sink?.stop();
    await server?.stop();
    folder.remove();
  });

  /** The path of a file with a token of that service account in the place of the administrator's. */
  async function kubeconfigOf(account: string): Promise<string> {
    const { stdout: token } = await server.kubectl(['create', 'token', account, '--namespace', 'monitoring']);
    const { stdout } = await server.kubectl(['config', 'view', '--raw', '--output', 'json']);
    const config = JSON.parse(stdout) as { users: { user: { token: string } }[] };
    config.users[0]!.user.token = token.trim();
    const path = join(folder.path, 'kubeconfig');
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }

  /** What the agent has made of the figures of a service that says which pod it is in. */
  async function resourceOf(podName: string): Promise<Record<string, string>> {
    const service = await startGateway({
      OTEL_EXPORTER_OTLP_ENDPOINT: agent.httpEndpoint,
      OTEL_METRIC_EXPORT_INTERVAL: '300',
      OTEL_RESOURCE_ATTRIBUTES: `k8s.pod.uid=${uids[podName]},service.instance.id=${podName}`,
    });
    try {
      return await until('its figures are there', () => lastOf(podName), waiting);
    } finally {
      await service.stop();
    }
  }

  async function lastOf(instance: string): Promise<Record<string, string> | undefined> {
    const resources = (await sink.received()).flatMap(({ resourceMetrics }) =>
      resourceMetrics.map(({ resource }) =>
        Object.fromEntries(
          (resource?.attributes ?? []).map(({ key, value }) => [key, String(value.stringValue)]),
        ),
      ),
    );
    return resources.findLast((one) => one['service.instance.id'] === instance);
  }

  test('says which pod, deployment, node, namespace and cluster figures are from', async () => {
    const ofKubernetes = await until(
      'the agent knows the pod',
      async () => {
        const resource = await resourceOf('tide-here');
        return resource['k8s.pod.name'] !== undefined && resource;
      },
      waiting,
    );
    const found = Object.entries(ofKubernetes).filter(([key]) => key.startsWith('k8s.'));
    assert.deepEqual(Object.fromEntries(found), {
      'k8s.cluster.name': 'harbour',
      'k8s.deployment.name': 'tide',
      'k8s.namespace.name': 'quay',
      'k8s.node.name': 'node-1',
      'k8s.pod.name': 'tide-here',
      'k8s.pod.uid': uids['tide-here'],
    });
    assert.doesNotMatch(agent.log(), /forbidden/i);
  });

  test('knows nothing of the pods of another node', async () => {
    const resource = await resourceOf('tide-elsewhere');
    assert.equal(resource['k8s.pod.uid'], uids['tide-elsewhere']);
    assert.equal(resource['k8s.pod.name'], undefined);
    assert.equal(resource['k8s.cluster.name'], 'harbour');
  });

  test('may watch pods, and neither change them nor read secrets', async () => {
    const as = ['--as', 'system:serviceaccount:monitoring:otel-agent', '--all-namespaces'];
    const may = async (verb: string, what: string): Promise<boolean> =>
      await server.kubectl(['auth', 'can-i', verb, what, ...as]).then(
        () => true,
        () => false,
      );
    assert.equal(await may('watch', 'pods'), true);
    assert.equal(await may('get', 'secrets'), false);
    assert.equal(await may('delete', 'pods'), false);
  });
});
