/** The parent's side of drainable-program.ts. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestGroup } from './control-groups.ts';

export type DrainableGateway = {
  pid: number;
  url: string;
  adminUrl: string;
  wsUrl: string;
  /** `127.0.0.1:3002`, as Prometheus calls it. */
  address: string;
  /** Resolves when the last connection has ended. Scrapes go on to be answered. */
  drain(): Promise<void>;
  stop(): Promise<void>;
};

const program = join(import.meta.dirname, 'drainable-program.ts');

export async function startDrainableGateway(
  env: Record<string, string>,
  /** The control group that it lives in: it is put there before it looks where it is. */
  group?: TestGroup,
): Promise<DrainableGateway> {
  const child = fork(program, [JSON.stringify(env)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  group?.add(child.pid!);
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit').then(() => void process.off('exit', kill));
  const addresses = (await nextMessage(child, exited)) as Pick<
    DrainableGateway,
    'url' | 'adminUrl' | 'wsUrl'
  >;
  return {
    ...addresses,
    pid: child.pid!,
    address: new URL(addresses.adminUrl).host,
    async drain() {
      child.send('drain');
      await nextMessage(child, exited);
    },
    async stop() {
      if (child.connected) child.send('stop');
      await exited;
    },
  };
}

async function nextMessage(child: ChildProcess, exited: Promise<void>): Promise<unknown> {
  const ended = exited.then(() => {
    throw new Error('the gateway ended');
  });
  const [message] = await Promise.race([once(child, 'message'), ended]);
  return message;
}
