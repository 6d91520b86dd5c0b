/** What the chart finds in a cluster: the images, NATS, and namespaces. */

import { join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { stringify } from 'yaml';
import { defaultImageName, makeImage } from '../../../image/main.ts';
import { type PartName, parts } from '../../tools/parts.ts';
import { type HelmName, helms } from '../chart.ts';
import { createTempFolder } from '../child.ts';
import { partPath } from '../real-part.ts';
import { until } from '../until.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { programImage } from './images.ts';
import { Kubectl, patiently, runProgram } from './kubectl.ts';
import { clusterParts } from './needs.ts';

export const surroundingParts: PartName[] = [...clusterParts, ...helms, 'nats-server'];

export const natsImage = `nats:${parts['nats-server'].version}`;

export type Surroundings = {
  cluster: Cluster;
  helm(name: HelmName, args: string[], timeoutMs?: number): Promise<string>;
  /** A namespace that enforces the Pod Security Standard `restricted`. */
  namespace(name: string): Promise<Kubectl>;
};

export async function createSurroundings(): Promise<Surroundings> {
  const archives = createTempFolder('images');
  const [gateway, nats] = ['gateway.tar', 'nats.tar'].map((name) => join(archives.path, name)) as [
    string,
    string,
  ];
  const images = Promise.all([
    makeImage(await defaultImageName(), gateway),
    programImage(natsImage, await partPath('nats-server'), ['/nats-server'], nats),
  ]);
  // It is waited for below; without a cluster its fate is of no interest.
  images.catch(() => undefined);
  const cluster = await startCluster();
  try {
    await images;
    for (const archive of [gateway, nats]) await cluster.loadImage(archive);
    archives.remove();
    const kubectl = await Kubectl.for(cluster, 'default');
    return {
      cluster,
      helm: async (name, args, timeoutMs = 300_000) =>
        await runProgram(await partPath(name), args, cluster.env, { timeoutMs }),
      async namespace(name) {
        const labels = Object.fromEntries(
          ['enforce', 'warn', 'audit'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']),
        );
        await kubectl.apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }));
        const there = kubectl.in(name);
        // Pods are refused until the account that they use by default is there.
        await until(
          'the namespace has its account',
          () => there.json('get', 'serviceaccount', 'default'),
          patiently,
        );
        return there;
      },
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** A NATS server in the namespace, under the name `nats`, and a connection to it from outside of the cluster. */
export async function startNats(cluster: Cluster, kubectl: Kubectl): Promise<NatsConnection> {
  const labels = { app: 'nats' };
  const container = {
    name: 'nats',
    image: natsImage,
    args: ['--http_port', '8222'],
    ports: [{ name: 'nats', containerPort: 4222 }],
    readinessProbe: { httpGet: { path: '/healthz', port: 8222 }, periodSeconds: 1 },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'nats', labels },
    spec: {
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [container],
    },
  };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'nats' },
    spec: { type: 'NodePort', selector: labels, ports: [{ port: 4222, targetPort: 'nats' }] },
  };
  await kubectl.apply([pod, service].map((one) => stringify(one)).join('---\n'));
  await kubectl.readyPods('app=nats', 1);
  const port = await nodePort(kubectl, 'nats');
  // Its rules reach the node's packet filter a moment after its pods are ready.
  return await until(
    'NATS can be reached from outside',
    () => connect({ servers: `${cluster.nodeAddress}:${port}`, timeout: 2_000, maxReconnectAttempts: -1 }),
    patiently,
  );
}

export async function nodePort(kubectl: Kubectl, service: string): Promise<number> {
  return (await kubectl.json('get', 'service', service)).spec.ports[0].nodePort;
}

/** Every object in the namespace, those of kinds that only this cluster has too; without what merely happened. */
export async function objectsIn(kubectl: Kubectl): Promise<string[]> {
  const kinds = (await kubectl.run(['api-resources', '--verbs=list', '--namespaced', '--output=name']))
    .trim()
    .split('\n')
    .filter((kind) => !/^events(\.|$)/.test(kind));
  return (await kubectl.run(['get', kinds.join(','), '--output=name', '--ignore-not-found']))
    .trim()
    .split('\n')
    .sort();
}
