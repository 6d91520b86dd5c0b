/** What a cluster takes: a skip that says what is missing, and with `CI=true` a failure. */

import type { PartName } from '../../tools/parts.ts';
import { skipWithout } from '../real-part.ts';
import { skipWithoutRoot } from '../root.ts';

export const clusterParts = [
  // Those of the system first: they cost no build, and there is no sense in building for a machine without them.
  ...['containerd', 'runc', 'cni-plugins', 'nft', 'iproute2', 'busybox'],
  ...['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'],
  ...['kubectl', 'coredns'],
] as PartName[];

export async function skipWithoutCluster(): Promise<string | false> {
  return skipWithoutRoot('a Kubernetes node') || (await skipWithout(...clusterParts));
}
