/**
 * A one-node Kubernetes to try things on: it is there until Ctrl-C, or until its terminal is closed.
 *
 *   node test/tools/cluster.ts [IMAGE.tar ...]     loads the images and prints how to reach it
 */

import { startCluster } from '../support/cluster/cluster.ts';
import { skipWithoutCluster } from '../support/cluster/needs.ts';

async function main(images: string[]): Promise<number> {
  const missing = await skipWithoutCluster();
  if (missing !== false) {
    console.error(missing);
    return 1;
  }
  const cluster = await startCluster();
  for (const image of images) await cluster.loadImage(image);
  console.log(`export KUBECONFIG=${cluster.env.KUBECONFIG}\nnode ports are at ${cluster.nodeAddress}`);
  await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve);
  });
  await cluster.stop();
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
