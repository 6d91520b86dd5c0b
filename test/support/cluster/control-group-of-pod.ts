/** The files of a container's control group, read on the node, apart from the code under test. */

import { witnessKeyed, witnessNumber } from '../control-groups.ts';
import type { Cluster } from './cluster.ts';
import { findGroup, isV2 } from './control-groups.ts';
import type { Thing } from './kubectl.ts';

export type PodGroup = {
  version: 1 | 2;
  number(controller: Controller, file: string): number;
  keyed(controller: Controller, file: string, key: string): number;
};

const controllers = ['cpu', 'cpuacct', 'memory'] as const;
type Controller = (typeof controllers)[number];

export async function groupOfPod(cluster: Cluster, pod: Thing): Promise<PodGroup> {
  const id = String(pod.status.containerStatuses[0].containerID).replace('containerd://', '');
  const folders = new Map<Controller, string>();
  for (const controller of controllers)
    folders.set(controller, await findGroup(controller, cluster.controlGroup, id));
  return {
    version: isV2() ? 2 : 1,
    number: (controller, file) => witnessNumber(folders.get(controller)!, file),
    keyed: (controller, file, key) => witnessKeyed(folders.get(controller)!, file, key),
  };
}
