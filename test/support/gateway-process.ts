/** The program as a user starts it: `node src/main.ts` in a process of its own, with its log. */
import { join } from 'node:path';
import { type Child, createTempFolder, startChild } from './child.ts';
import type { TestGroup } from './control-groups.ts';
import { until } from './until.ts';

export type LogLine = { msg: string; level: number; [field: string]: unknown };

export type GatewayProcess = {
  child: Child;
  url: string;
  adminUrl: string;
  wsUrl: string;
  /** The JSON lines of its log so far. */
  lines(): LogLine[];
  /** After the start: when the bus is there, so that whoever connects hears everything and is told of no gap. */
  ready(): Promise<void>;
  stop(): Promise<void>;
};

const main = join(import.meta.dirname, '../../src/main.ts');

/** Starts it and waits for nothing. The environment is the one given, and what a program needs to run at all. */
export async function spawnGateway(
  env: Record<string, string>,
  args: string[] = [],
  nodeArgs: string[] = [],
  group?: TestGroup,
): Promise<Child> {
  const folder = createTempFolder('gateway');
  const { PATH = '', HOME = '' } = process.env;
  const command = [process.execPath, ...nodeArgs, main, ...args];
  const [binary = '', ...rest] = group?.within(command) ?? command;
  return startChild(binary, rest, {
    logFile: join(folder.path, 'log'),
    env: { PATH, HOME, ...env },
  });
}

export async function startGateway(
  env: Record<string, string> = {},
  args: string[] = [],
  nodeArgs: string[] = [],
  /** The control group that it lives in. */
  group?: TestGroup,
): Promise<GatewayProcess> {
  const settings = { PORT: '0', TIDEGAUGE_DRAIN_WINDOW: '0', ...env };
  const child = await spawnGateway(settings, args, nodeArgs, group);
  const lines = (): LogLine[] =>
    child
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  const listening = await until(
    'the gateway listens',
    () => {
      if (child.exit !== null) throw new Error(`it ended: ${child.log()}`);
      return lines().find(({ msg }) => msg === 'listening');
    },
    { timeoutMs: 60_000 },
  );
  const url = String(listening.url);
  return {
    child,
    url,
    adminUrl: String(listening.adminUrl),
    wsUrl: `${url.replace('http', 'ws')}/ws`,
    lines,
    ready: () => until('it is ready', async () => (await fetch(`${url}/readyz`)).ok).then(() => undefined),
    stop: async () => void (await child.stop()),
  };
}
