/**
 * Who is measured: the gateway and what a user would pick instead of it, each a process of its own that hears the
 * same NATS subjects and serves the same clients. One that cannot be had here says why; it is never left out quietly.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import type { Dialect } from './frame-scanner.ts';
import type { ProbeKind } from './probe.ts';

export const contenderNames = [
  'tidegauge',
  'forty-paced',
  'forty',
  'uws',
  'ws-frame',
  'ws-send',
  'socket.io',
  'telemetry-on',
  'telemetry-off',
] as const;
export type ContenderName = (typeof contenderNames)[number];

export type Contender = {
  /** What it is, for the table. */
  what: string;
  file: string;
  env: Record<string, string>;
  dialect: Dialect;
  /** Words that it says before a client is ready. */
  greetings: number;
  probe: ProbeKind;
  /** Whether it is the gateway, whose figures can be asked over HTTP. */
  hasFigures: boolean;
  /** The Node that runs it, or why there is none. */
  node(): { path: string } | { missing: string };
};

const peer = (name: string): string => join(import.meta.dirname, 'peers', name);
const main = join(import.meta.dirname, '../../src/main.ts');
const ownNode = (): { path: string } => ({ path: process.execPath });
const require = createRequire(import.meta.url);

const gateway: Contender = {
  what: 'the gateway as it comes',
  file: main,
  env: {},
  dialect: 'plain',
  greetings: 1,
  probe: 'json',
  hasFigures: true,
  node: ownNode,
};

function peerContender(file: string, what: string, changes: Partial<Contender> = {}): Contender {
  return {
    ...gateway,
    what,
    file: peer(file),
    greetings: 0,
    probe: 'control',
    hasFigures: false,
    ...changes,
  };
}

export const contenders: Record<ContenderName, Contender> = {
  tidegauge: gateway,
  'forty-paced': peerContender('forty.ts', 'forty lines, one flush, paced at 0.5', {
    env: { PACING: '0.5' },
  }),
  forty: peerContender('forty.ts', 'forty lines, one flush at setImmediate'),
  uws: peerContender('uws.mjs', 'uWebSockets publish (C++)', { node: nodeForUws }),
  'ws-frame': peerContender('ws-frame.ts', 'ws, one prebuilt frame, a write for each'),
  'ws-send': peerContender('ws-send.ts', 'ws, send to each client'),
  'socket.io': peerContender('socket-io.ts', 'socket.io broadcast', {
    dialect: 'socket.io',
    // Engine.io opens, then socket.io confirms.
    greetings: 2,
    node: () =>
      isInstalled('socket.io') ? ownNode() : { missing: 'the package socket.io is not installed' },
  }),
  'telemetry-on': { ...gateway, what: 'the gateway with three readers, scraped each second' },
  'telemetry-off': {
    ...gateway,
    what: 'the gateway with a no-op for telemetry',
    file: peer('gateway-without-telemetry.ts'),
    hasFigures: false,
  },
};

/** Native helpers that a peer's dependencies bring along must not speed up the ws of another. */
export const commonEnv: Record<string, string> = { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' };

/** Peers are no dependencies of the project; they are looked for where NODE_PATH says. */
export function isInstalled(name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

const uwsPackage = '@trufflesuite/uws-js-unofficial';

/** Its binaries are each for one version of Node's ABI: the first Node on the path that has one will do. */
function nodeForUws(): { path: string } | { missing: string } {
  if (!isInstalled(uwsPackage)) return { missing: `the package ${uwsPackage} is not installed` };
  const binaries = join(dirname(require.resolve(`${uwsPackage}/package.json`)), 'binaries');
  const tried: string[] = [];
  for (const path of nodesOnPath()) {
    const [version, abi] = execFileSync(path, ['-p', 'process.version + " " + process.versions.modules'], {
      encoding: 'utf8',
    })
      .trim()
      .split(' ');
    if (existsSync(join(binaries, `uws_${process.platform}_${process.arch}_${abi}.node`))) return { path };
    tried.push(version!);
  }
  return {
    missing: `${uwsPackage} has no binary for the Node here (${tried.join(', ')}); Node 20 on the PATH would do`,
  };
}

function nodesOnPath(): string[] {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return [...new Set([process.execPath, ...candidates.filter(existsSync).map((path) => realpathSync(path))])];
}
