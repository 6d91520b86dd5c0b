/**
 * A real nats-server on a free port of 127.0.0.1, for tests that stop, freeze and restart it.
 *
 * It is up when it has written its ports file, which it does once it accepts connections, and which lies in a folder of
 * this test: so a stranger on the same port is never taken for it. A restart keeps both ports.
 * Starting costs about 50 ms.
 */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, createTempFolder, startChild, untilUp } from './child.ts';
import { freePorts } from './ports.ts';
import { partPath } from './real-part.ts';

export type NatsServerOptions = {
  /** Default: a free one, outside the range of outgoing connections, so that a restart finds it free again. */
  port?: number;
  /** Serves `/connz` and its like; default true. */
  monitoring?: boolean;
  /** Further command-line arguments. */
  args?: string[];
  /** The text of a configuration file. The ports of the command line win over those in it. */
  configText?: string;
};

/** One row of `/connz`. In and out are the server's: `out` went to that client. */
export type NatsServerConnection = {
  cid: number;
  kind: string;
  name?: string;
  ip: string;
  port: number;
  pending_bytes: number;
  in_msgs: number;
  out_msgs: number;
  in_bytes: number;
  out_bytes: number;
  subscriptions: number;
  subscriptions_list?: string[];
};

export type NatsServerConnz = { num_connections: number; connections: NatsServerConnection[] };

export type NatsServer = {
  readonly url: string;
  readonly port: number;
  /** Empty without monitoring. */
  readonly monitorUrl: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** Ends it politely and removes its files. It cannot be restarted after this. */
  stop(): Promise<void>;
  /** SIGKILL: clients see a reset and no word of farewell. */
  kill(): Promise<void>;
  /** Comes back on the same ports; kills what still runs first. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. Resolves once the process stands still. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Enters lame duck mode: tells its clients to go elsewhere, and evicts them in time. */
  lameDuck(): void;
  /** `/connz`, for instance with the query `subs=1` or `state=closed`. */
  connz(query?: string): Promise<NatsServerConnz>;
  /** What it has written so far, over all restarts. */
  log(): string;
};

type Ports = { client: number; monitor: number };

const startTimeoutMs = 15_000;
const stopGraceMs = 1_000;
const startAttemptsMax = 3;

export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = await partPath('nats-server');
  const folder = createTempFolder('nats');
  const logFile = join(folder.path, 'log');
  const isMonitored = options.monitoring ?? true;
  const configArgs: string[] = [];
  if (options.configText !== undefined) {
    const configFile = join(folder.path, 'nats-server.conf');
    await writeFile(configFile, options.configText);
    configArgs.push('-c', configFile);
  }

  const start = async (ports: Ports): Promise<Child> => {
    const monitorArgs = isMonitored ? ['-m', String(ports.monitor)] : [];
    const child = await startChild(
      binary,
      // biome-ignore format: an argument stays beside its name
      [...configArgs, '-a', '127.0.0.1', '-p', String(ports.client), ...monitorArgs, '--ports_file_dir', folder.path, ...(options.args ?? [])],
      { logFile, cwd: folder.path },
    );
    const ask = (): Promise<boolean> => isUp(child, folder.path);
    await untilUp(child, 'nats-server accepts connections', ask, { timeoutMs: startTimeoutMs });
    return child;
  };

  const choosePorts = async (): Promise<Ports> => {
    const [client, monitor] = (await freePorts(2)) as [number, number];
    return { client: options.port ?? client, monitor };
  };

  let ports = await choosePorts();
  let child: Child;
  for (let attempt = 1; ; attempt++) {
    try {
      child = await start(ports);
      break;
    } catch (error) {
      // Somebody may have taken a port since we looked.
      const isPortTaken = /address already in use/.test((error as Error).message);
      if (!isPortTaken || attempt === startAttemptsMax) {
        folder.remove();
        throw error;
      }
      ports = await choosePorts();
    }
  }

  const monitorUrl = isMonitored ? `http://127.0.0.1:${ports.monitor}` : '';
  return {
    url: `nats://127.0.0.1:${ports.client}`,
    port: ports.client,
    monitorUrl,
    get pid() {
      return child.pid;
    },
    async stop() {
      // One in lame duck mode takes no SIGTERM.
      await child.stop(stopGraceMs);
      folder.remove();
    },
    async kill() {
      await child.kill();
    },
    async restart() {
      await child.kill();
      child = await start(ports);
    },
    freeze: () => child.freeze(),
    thaw: () => child.thaw(),
    lameDuck: () => child.signal('SIGUSR2'),
    async connz(query = '') {
      const answer = await fetch(`${monitorUrl}/connz?${query}`, { signal: AbortSignal.timeout(5_000) });
      if (!answer.ok) throw new Error(`/connz answered ${answer.status}`);
      return (await answer.json()) as NatsServerConnz;
    },
    log: () => child.log(),
  };
}

async function isUp(child: Child, folder: string): Promise<boolean> {
  const file = (await readdir(folder)).find((name) => name.endsWith(`_${child.pid}.ports`));
  if (file === undefined) return false;
  const ports = JSON.parse(await readFile(join(folder, file), 'utf8')) as { nats?: string[] };
  return (ports.nats ?? []).length > 0;
}
