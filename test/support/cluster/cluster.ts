/**
 * A real Kubernetes of one node, without Docker: etcd, API server, controllers, scheduler, kubelet on containerd, a pod
 * network, kube-proxy and DNS. It takes root on Linux, and about ten seconds.
 *
 * It lives in namespaces of its own (./keeper.ts): nothing of it is seen on the machine but one network interface, its
 * folder below the temporary one, and control groups; and nothing is left when this process ends, in whatever way.
 * Every port is free in there, so that any number of clusters may run side by side. The way in from here is the address
 * of the node: the API, and whatever Service has a node port. There is no way out.
 */

import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Child } from '../child.ts';
import { partPath } from '../real-part.ts';
import { until } from '../until.ts';
import * as files from './files.ts';
import { programImage } from './images.ts';
import { createNamespaces, type Namespaces } from './namespaces.ts';

export type Cluster = {
  nodeAddress: string;
  nodeName: string;
  /** What programs that talk to the cluster find it by, and a home that is nobody's. */
  env: NodeJS.ProcessEnv;
  /** Of the node's, for files that belong to the tests of this cluster. */
  folder: string;
  /** The control group below which those of all pods lie; the same name in every hierarchy. */
  controlGroup: string;
  /** Imports an archive into the node's store, as a pull would. */
  loadImage(archive: string): Promise<void>;
  /** The last lines of what each program of the cluster has written. */
  logs(): string;
  /** Ends it and leaves nothing behind; resolves when that is so. */
  stop(): Promise<void>;
};

/** Starting a busy machine's first pod takes its time. */
const startTimeoutMs = 120_000;
const logLines = 15;

export async function startCluster(): Promise<Cluster> {
  const namespaces = await createNamespaces();
  const children = new Map<string, Child>();
  const logs = (): string =>
    [...children].map(([name, child]) => `== ${name}\n${lastLines(child.log())}`).join('\n');
  try {
    return await startInside(namespaces, children, logs);
  } catch (error) {
    const text = logs();
    await namespaces.end();
    throw new Error(`the cluster did not start: ${(error as Error).message}\n${text}`, { cause: error });
  }
}

async function startInside(
  namespaces: Namespaces,
  children: Map<string, Child>,
  logs: () => string,
): Promise<Cluster> {
  const { folder, nodeAddress } = namespaces;
  const facts: files.NodeFacts = {
    folder,
    nodeAddress,
    nodeName: 'node-one',
    controlGroup: basename(folder),
    networkPlugins: dirname(await partPath('cni-plugins')),
    snapshotter: hasOverlay() ? 'overlayfs' : 'native',
  };
  const token = randomBytes(16).toString('hex');
  await writeFiles(facts, token);
  const kubeconfig = join(folder, 'kubeconfig');
  const start = async (name: Parameters<typeof partPath>[0], args: string[]): Promise<void> => {
    children.set(name, await namespaces.start(name, await partPath(name), args));
  };
  /** Waits for a sign of life, and for no longer than everybody lives. */
  const untilAlive = <Answer>(what: string, ask: () => Promise<Answer>) =>
    until(
      what,
      async () => {
        const dead = [...children].find(([, child]) => child.exit !== null);
        return dead === undefined ? await ask() : { dead: dead[0] };
      },
      { timeoutMs: startTimeoutMs, everyMs: 100 },
    ).then((answer) => {
      const { dead } = Object(answer) as { dead?: string };
      if (dead !== undefined) throw new Error(`${what}: ${dead} has ended`);
      return answer as Exclude<typeof answer, { dead: string }>;
    });

  await start('etcd', etcdArgs(folder));
  await start('containerd', ['--config', join(folder, 'containerd.toml')]);
  await start('kube-apiserver', apiServerArgs(facts));
  const api = `https://${nodeAddress}:${files.apiPort}`;
  const { HOME: _home, ...surroundings } = process.env;
  const env: NodeJS.ProcessEnv = {
    PATH: surroundings.PATH,
    HOME: join(folder, 'home'),
    KUBECONFIG: kubeconfig,
  };
  const kubectl = async (args: string[]): Promise<string> =>
    (await promisify(execFile)(await partPath('kubectl'), args, { env, timeout: 30_000 })).stdout;
  await untilAlive(`${api} is ready`, () => kubectl(['get', '--raw', '/readyz']));

  const common = ['--kubeconfig', kubeconfig];
  const single = [...common, '--leader-elect=false'];
  await start('kube-controller-manager', [
    ...single,
    `--service-account-private-key-file=${join(folder, 'accounts.key')}`,
  ]);
  await start('kube-scheduler', single);
  await start('kube-proxy', ['--config', join(folder, 'proxy.yaml')]);
  await start('coredns', ['-conf', join(folder, 'Corefile')]);

  const socket = join(folder, 'containerd.sock');
  const containerd = async (...args: string[]): Promise<string> =>
    await namespaces.run('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args]);
  const loadImage = async (archive: string): Promise<void> => {
    await containerd('images', 'import', '--snapshotter', facts.snapshotter, archive);
  };
  await untilAlive('containerd answers', () => containerd('version'));
  const pause = join(folder, 'pause.tar');
  await programImage(files.pauseImage, await partPath('busybox'), ['/busybox', 'sleep', 'infinity'], pause);
  await loadImage(pause);
  await start('kubelet', kubeletArgs(facts));
  await untilAlive('the node is ready', async () => {
    const status = await kubectl(['get', 'node', facts.nodeName, '--output', 'json']);
    const { conditions } = JSON.parse(status).status as { conditions: { type: string; status: string }[] };
    return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  });
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([nodeAddress]);
  await untilAlive('names are answered for', () => resolver.resolve4('kubernetes.default.svc.cluster.local'));
  return {
    nodeAddress,
    nodeName: facts.nodeName,
    env,
    folder,
    controlGroup: facts.controlGroup,
    loadImage,
    logs,
    stop: () => namespaces.end(),
  };
}

async function writeFiles(facts: files.NodeFacts, token: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const contents = {
    'accounts.key': privateKey,
    'accounts.pub': publicKey,
    'tokens.csv': `${token},admin,admin,"system:masters"\n`,
    kubeconfig: files.kubeconfig(facts, token),
    'containerd.toml': files.containerdConfig(facts),
    'network/pods.conflist': files.podNetworkConfig(facts),
    'kubelet.yaml': files.kubeletConfig(facts),
    'proxy.yaml': files.proxyConfig(facts),
    Corefile: files.corefile(facts),
    'resolv.conf': '',
  };
  for (const [name, text] of Object.entries(contents)) {
    const path = join(facts.folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { mode: 0o600 });
  }
  await mkdir(join(facts.folder, 'home'));
}

function etcdArgs(folder: string): string[] {
  const [client, peer] = ['http://127.0.0.1:2379', 'http://127.0.0.1:2380'];
  return [
    ...['--data-dir', join(folder, 'etcd')],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer],
    // What it holds is worth nothing after a crash.
    '--unsafe-no-fsync',
  ];
}

function apiServerArgs({ folder, nodeAddress }: files.NodeFacts): string[] {
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    ...[
      `--bind-address=${nodeAddress}`,
      `--secure-port=${files.apiPort}`,
      `--cert-dir=${folder}/certificates`,
    ],
    '--service-account-issuer=https://kubernetes',
    `--service-account-key-file=${folder}/accounts.pub`,
    `--service-account-signing-key-file=${folder}/accounts.key`,
    ...['--authorization-mode=RBAC', `--token-auth-file=${folder}/tokens.csv`],
    `--service-cluster-ip-range=${files.serviceNetwork}`,
    '--endpoint-reconciler-type=none',
    '--kubelet-preferred-address-types=InternalIP',
  ];
}

function kubeletArgs({ folder, nodeName, nodeAddress }: files.NodeFacts): string[] {
  return [
    ...['--config', join(folder, 'kubelet.yaml'), '--kubeconfig', join(folder, 'kubeconfig')],
    ...['--hostname-override', nodeName, '--node-ip', nodeAddress],
    ...['--root-dir', join(folder, 'kubelet'), '--cert-dir', join(folder, 'kubelet-certificates')],
  ];
}

function hasOverlay(): boolean {
  return /\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'));
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-logLines).join('\n');
}
