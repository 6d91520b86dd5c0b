/** How the pods of a release end: the exit codes of their containers, which are gone with the pod a moment later. */

import { join } from 'node:path';
import { type Child, startChild } from '../child.ts';
import { partPath } from '../real-part.ts';
import type { Cluster } from './cluster.ts';

const template =
  '{.metadata.name}{" "}{.status.containerStatuses[0].state.terminated.exitCode}{" "}{.status.containerStatuses[0].lastState.terminated.exitCode}{"\\n"}';

export class PodWatch {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  static async start(cluster: Cluster, namespace: string, selector: string): Promise<PodWatch> {
    const args = ['get', 'pods', '--namespace', namespace, '--selector', selector, '--watch'];
    const logFile = join(cluster.folder, `watch-${namespace}.log`);
    return new PodWatch(
      await startChild(await partPath('kubectl'), [...args, '--output', `jsonpath=${template}`], {
        logFile,
        env: cluster.env,
      }),
    );
  }

  /** Pod and exit code, of those whose container has ended. */
  exits(): Map<string, number> {
    const exits = new Map<string, number>();
    for (const line of this.#child.log().split('\n')) {
      const [name = '', ...codes] = line.split(' ');
      for (const code of codes) if (code !== '') exits.set(name, Number(code));
    }
    return exits;
  }

  async stop(): Promise<void> {
    await this.#child.kill();
  }
}
