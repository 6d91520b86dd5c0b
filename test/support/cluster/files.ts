/** The configuration files of a one-node Kubernetes, as text. Pure: what they need to know comes in as a parameter. */

import { stringify } from 'yaml';

export type NodeFacts = {
  /** All state, and the sockets. */
  folder: string;
  nodeAddress: string;
  nodeName: string;
  /** Every pod's control groups lie below the one of this name. */
  controlGroup: string;
  /** The folder with the network plugins. */
  networkPlugins: string;
  snapshotter: 'overlayfs' | 'native';
};

export const apiPort = 6443;
export const podNetwork = '10.244.0.0/24';
export const serviceNetwork = '10.96.0.0/16';
export const pauseImage = 'localhost/pause:1';

/** For whoever talks to the API server. Its certificate is its own and of this day; the token is as good as secret. */
export function kubeconfig({ nodeAddress }: NodeFacts, token: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'cluster',
        cluster: { server: `https://${nodeAddress}:${apiPort}`, 'insecure-skip-tls-verify': true },
      },
    ],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'cluster', context: { cluster: 'cluster', user: 'admin' } }],
    'current-context': 'cluster',
  });
}

export function containerdConfig({ folder, networkPlugins, snapshotter }: NodeFacts): string {
  return `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-state"
[grpc]
  address = "${folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${networkPlugins}"
    conf_dir = "${folder}/network"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${snapshotter}"
`;
}

/** One bridge; pods reach each other, the node and, through it, whoever asks from outside. */
export function podNetworkConfig({ folder }: NodeFacts): string {
  return JSON.stringify({
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: 'pods',
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          subnet: podNetwork,
          dataDir: `${folder}/addresses`,
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  });
}

export function kubeletConfig({ folder, nodeAddress, controlGroup }: NodeFacts): string {
  return stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    failSwapOn: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${controlGroup}`,
    cgroupsPerQOS: true,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: `unix://${folder}/containerd.sock`,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    clusterDNS: [nodeAddress],
    clusterDomain: 'cluster.local',
    resolvConf: `${folder}/resolv.conf`,
    podLogsDir: `${folder}/pod-logs`,
    volumePluginDir: `${folder}/volume-plugins`,
    // A full disk or a busy machine is not what is being tested.
    evictionHard: { 'imagefs.available': '0%', 'nodefs.available': '0%', 'memory.available': '0%' },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
  });
}

export function proxyConfig({ folder, nodeName }: NodeFacts): string {
  return stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: `${folder}/kubeconfig` },
    mode: 'nftables',
    hostnameOverride: nodeName,
    clusterCIDR: podNetwork,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // Sizes of tables are the machine's.
    conntrack: { maxPerCore: 0, min: 0 },
  });
}

/** Answers for the names of Services; it is no way to names of the world outside. */
export function corefile({ folder, nodeAddress }: NodeFacts): string {
  return `.:53 {
  bind ${nodeAddress}
  kubernetes cluster.local {
    kubeconfig ${folder}/kubeconfig
  }
}
`;
}
