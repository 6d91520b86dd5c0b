/**
 * The heap limit that the chart sets follows the memory limit of the container: Node is started with the options of the
 * rendered pod, in a control group with the limit of the rendered pod, and says what it has made of them.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { parseSizeBytes } from '../../src/config.ts';
import { renderManifests } from '../support/chart.ts';
import { createControlGroup } from '../support/control-groups.ts';
import { skipWithout } from '../support/real-part.ts';

const mib = 1024 ** 2;
/** What the young generation adds to the old one: V8's own choice, three times a half space of 32 MiB at most. */
const youngMaxBytes = 96 * mib;

const skip = await skipWithout('helm');
const made =
  skip === false
    ? createControlGroup(`tidegauge-chart-${process.pid}`, { memoryLimitBytes: 512 * mib })
    : skip;
if (skip === false && typeof made === 'string' && process.env.CI === 'true') throw new Error(made);

test('the heap takes half of the memory limit, as Node in the container sees it', {
  skip: typeof made === 'string' ? made : false,
}, async (t) => {
  if (typeof made === 'string') return;
  t.after(() => made.remove());
  const { container } = await renderManifests();
  const options = container.env.find(({ name }: { name: string }) => name === 'NODE_OPTIONS').value;
  const limitBytes = parseSizeBytes(`${container.resources.limits.memory}B`)!;
  assert.equal(limitBytes, 512 * mib);
  const heap = "require('node:v8').getHeapStatistics().heap_size_limit";
  // The shell goes into the group, and becomes Node there.
  const shell = `echo $$ > ${made.folder('memory')}/cgroup.procs && exec "$0" --print "${heap}"`;
  const answer = execFileSync('/bin/sh', ['-c', shell, process.execPath], {
    env: { ...process.env, NODE_OPTIONS: options },
    encoding: 'utf8',
  });
  const heapBytes = Number(answer);
  assert.ok(heapBytes >= limitBytes / 2 && heapBytes <= limitBytes / 2 + youngMaxBytes, answer);
});
