/**
 * What a cluster leaves behind: nothing, however it ends. Tried with the namespaces alone, which hold everything that
 * could be left, with a program that runs inside.
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { createTempFolder, startChild, untilUp } from '../support/child.ts';
import { createNamespaces } from '../support/cluster/namespaces.ts';
import { skipWithoutCluster } from '../support/cluster/needs.ts';
import { commandOf, isRunning } from '../support/processes.ts';
import { until } from '../support/until.ts';

type Traces = { folder: string; cable: string };

const controlGroups = '/sys/fs/cgroup';
const machineSettings = [
  'vm/overcommit_memory',
  'kernel/panic',
  'kernel/panic_on_oops',
  'net/ipv4/ip_forward',
];

/** Everything on this machine that bears the mark of that cluster. */
function tracesOf({ folder, cable }: Traces): string[] {
  const name = basename(folder);
  const groups = [controlGroups, ...readdirSync(controlGroups).map((entry) => join(controlGroups, entry))];
  const processes = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && isRunning(Number(entry)))
    .map((pid) => commandOf(Number(pid)).join(' '))
    .filter((command) => command.includes(folder));
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return [
    ...[folder, `/sys/class/net/${cable}`].filter((path) => existsSync(path)),
    ...groups.map((group) => join(group, name)).filter((path) => existsSync(path)),
    ...mounts.filter((mount) => mount.includes(name)),
    ...processes,
  ];
}

const settings = (): string[] => machineSettings.map((name) => readFileSync(`/proc/sys/${name}`, 'utf8'));

/** A process that has made a cluster's namespaces and waits. */
async function startProgram(): Promise<{ traces: Traces; kill(): Promise<unknown>; keeperPid: number }> {
  const log = createTempFolder('namespaces');
  const program = join(import.meta.dirname, '../support/cluster/namespaces-program.ts');
  const child = await startChild(process.execPath, [program], { logFile: join(log.path, 'log') });
  const traces = await untilUp(
    child,
    'the namespaces are there',
    () => {
      const line = child
        .log()
        .split('\n')
        .find((text) => text.startsWith('{'));
      return line !== undefined && (JSON.parse(line) as Traces);
    },
    { timeoutMs: 60_000 },
  );
  const keeperPid = Number(readFileSync(join(traces.folder, 'keeper.pid'), 'utf8'));
  return { traces, kill: () => child.kill(), keeperPid };
}

const nothingLeft = (traces: Traces) =>
  until('nothing is left', () => assert.deepEqual(tracesOf(traces), []) === undefined, { timeoutMs: 60_000 });

describe('the namespaces of a cluster', { skip: await skipWithoutCluster() }, () => {
  it('are apart from the machine, and gone when they have been ended', async () => {
    const before = settings();
    const namespaces = await createNamespaces();
    await namespaces.start('sleeper', '/usr/bin/sleep', ['3600']);
    assert.ok(tracesOf(namespaces).length > 3, tracesOf(namespaces).join('\n'));
    const seen = await namespaces.run('/bin/sh', [
      '-c',
      'cat /proc/sys/net/ipv4/ip_forward /proc/sys/vm/overcommit_memory; ls /var/lib /run',
    ]);
    assert.match(seen, /^1\n1\n/);
    assert.deepEqual(settings(), before, 'what is set inside is not set outside');
    await namespaces.end();
    assert.deepEqual(tracesOf(namespaces), []);
  });

  it('are gone when whoever made them has been killed', async () => {
    const { traces, kill } = await startProgram();
    assert.ok(tracesOf(traces).length > 3);
    await kill();
    await nothingLeft(traces);
  });

  it('are gone with the next start when even their keeper has been killed', async () => {
    const { traces, kill, keeperPid } = await startProgram();
    process.kill(keeperPid, 'SIGKILL');
    await until('its processes have ended', () => !existsSync(`/sys/class/net/${traces.cable}`), {
      timeoutMs: 60_000,
    });
    await kill();
    assert.ok(existsSync(traces.folder));
    const next = await createNamespaces();
    await next.end();
    assert.deepEqual(tracesOf(traces), []);
  });

  it('leave those of others alone', async () => {
    const [one, other] = [await createNamespaces(), await createNamespaces()];
    await one.end();
    assert.match(await other.run('/bin/sh', ['-c', 'echo alive']), /alive/);
    await other.end();
    assert.deepEqual([...tracesOf(one), ...tracesOf(other)], []);
  });
});
