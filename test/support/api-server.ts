/**
 * The API of a real Kubernetes without anything that would act on it: etcd and kube-apiserver on loopback, with the
 * definitions of the objects that operators bring. It checks what it is given exactly as that of a cluster does, and
 * nothing is ever started. It needs no root, and a few seconds.
 */

import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import type { PartName } from '../tools/parts.ts';
import { type Child, createTempFolder, startChild, untilUp } from './child.ts';
import { freePorts } from './ports.ts';
import { partPath } from './real-part.ts';

export const apiServerParts = [
  ...(['etcd', 'kube-apiserver', 'kubectl'] as const),
  ...(['prometheus-operator-crds', 'gateway-api-crds', 'keda-crds'] as const),
] satisfies PartName[];

export type ApiServer = {
  /** Runs kubectl; rejects when it fails. Warnings of the server are on standard error. */
  kubectl(args: string[], input?: string): Promise<{ stdout: string; stderr: string }>;
  /** Path of a file with which it can be reached as its administrator. */
  readonly kubeconfig: string;
  stop(): Promise<void>;
};

/** Etcd, API server and the definitions are up in a few seconds on an idle machine. */
const startTimeoutMs = 120_000;

export async function startApiServer(): Promise<ApiServer> {
  const folder = createTempFolder('api-server');
  const children: Child[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children.reverse()) await child.stop();
    folder.remove();
  };
  const start = async (name: 'etcd' | 'kube-apiserver', args: string[]): Promise<Child> => {
    const logFile = join(folder.path, `${name}.log`);
    const child = await startChild(await partPath(name), args, { logFile, cwd: folder.path });
    children.push(child);
    return child;
  };
  const [clientPort, peerPort, port] = (await freePorts(3)) as [number, number, number];
  const token = randomBytes(16).toString('hex');
  writeFiles(folder.path, port, token);

  const kubeconfig = join(folder.path, 'kubeconfig');
  const kubectl = async (args: string[], input = ''): Promise<{ stdout: string; stderr: string }> => {
    const all = ['--kubeconfig', kubeconfig, '--cache-dir', folder.path, ...args];
    const running = promisify(execFile)(await partPath('kubectl'), all, { maxBuffer: 64 * 1024 ** 2 });
    running.child.stdin?.end(input);
    return await running;
  };

  try {
    const [client, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
    await start('etcd', [
      ...['--data-dir', join(folder.path, 'etcd'), '--listen-client-urls', client],
      ...['--advertise-client-urls', client, '--listen-peer-urls', peer],
      // What it holds is worth nothing after a crash.
      '--unsafe-no-fsync',
    ]);
    const server = await start('kube-apiserver', [
      ...[`--etcd-servers=${client}`, '--bind-address=127.0.0.1', `--secure-port=${port}`],
      `--cert-dir=${folder.path}/certificates`,
      '--service-account-issuer=https://kubernetes',
      `--service-account-key-file=${folder.path}/accounts.pub`,
      `--service-account-signing-key-file=${folder.path}/accounts.key`,
      ...['--authorization-mode=RBAC', `--token-auth-file=${folder.path}/tokens.csv`],
      ...['--service-cluster-ip-range=10.96.0.0/16', '--endpoint-reconciler-type=none'],
      // Nobody makes accounts here, and no pod is ever started that would need one.
      '--disable-admission-plugins=ServiceAccount',
    ]);
    await untilUp(server, 'the API server is ready', () => kubectl(['get', '--raw', '/readyz']), {
      timeoutMs: startTimeoutMs,
      everyMs: 100,
    });
    await install(kubectl);
  } catch (error) {
    await stop();
    throw error;
  }
  return { kubectl, kubeconfig, stop };
}

async function install(kubectl: ApiServer['kubectl']): Promise<void> {
  for (const name of ['prometheus-operator-crds', 'gateway-api-crds', 'keda-crds'] as const)
    await kubectl(['create', '--filename', await partPath(name)]);
  const established = ['wait', 'customresourcedefinition', '--all', '--for=condition=Established'];
  await kubectl([...established, `--timeout=${startTimeoutMs / 1000}s`]);
}

function writeFiles(folder: string, port: number, token: string): void {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const cluster = { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  const files = {
    'accounts.key': privateKey,
    'accounts.pub': publicKey,
    'tokens.csv': `${token},admin,admin,"system:masters"\n`,
    kubeconfig: stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'api', cluster }],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'api', context: { cluster: 'api', user: 'admin' } }],
      'current-context': 'api',
    }),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
}
