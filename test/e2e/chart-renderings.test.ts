/**
 * The chart before both Helms: `helm lint --strict`, golden renderings of every committed value set, and values that must
 * be refused. The golden files are written by `npm run generate:golden`.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { chartPath, helms, renderChart, runHelm, valueSetPath, valueSets } from '../support/chart.ts';
import { createTempFolder } from '../support/child.ts';
import { skipWithout } from '../support/real-part.ts';
import { goldenFolder, goldenRenderings } from '../tools/render-chart.ts';

for (const helm of helms) {
  describe(helm, { skip: await skipWithout(helm) }, () => {
    for (const set of valueSets) {
      test(`finds no fault in the chart with the values ${set}`, async () => {
        const report = await runHelm(helm, ['lint', '--strict', chartPath, '--values', valueSetPath(set)]);
        assert.match(report, /1 chart\(s\) linted, 0 chart\(s\) failed/);
        assert.doesNotMatch(report, /\[(?:ERROR|WARNING)\]|cannot be used/);
      });

      test(`renders the values ${set} as they were reviewed`, async () => {
        for (const [file, content] of Object.entries(await goldenRenderings(set, helm))) {
          const golden = readFileSync(join(goldenFolder, file), 'utf8');
          assert.equal(content, golden, `${file} is not what npm run generate:golden would write`);
        }
      });
    }

    test('renders for the oldest Kubernetes that the chart names, and for none before', async () => {
      await renderChart({ helm, args: ['--kube-version', '1.30.0'] });
      await assert.rejects(renderChart({ helm, args: ['--kube-version', '1.29.9'] }), /kubeVersion/);
    });

    test('finds the subchart that the lock names beside it', async () => {
      assert.match(await runHelm(helm, ['dependency', 'list', chartPath]), /^nats\s+\S+\s+\S+\s+ok\s*$/m);
    });

    test('packs the chart, with its subchart and without what only tests need', async (t) => {
      const folder = createTempFolder('package');
      t.after(() => folder.remove());
      await runHelm(helm, ['package', chartPath, '--destination', folder.path]);
      const [archive] = readdirSync(folder.path);
      assert.match(archive!, /^tidegauge-\d+\.\d+\.\d+\.tgz$/);
      const notes = await runHelm(helm, ['show', 'all', join(folder.path, archive!)]);
      assert.match(notes, /artifacthub\.io\/license: Apache-2\.0/);
      const names = await archiveNames(join(folder.path, archive!));
      assert.ok(
        names.includes('tidegauge/values.schema.json') && names.includes('tidegauge/files/helm-test.mjs'),
      );
      assert.ok(
        names.some((name) => name.startsWith('tidegauge/charts/nats/')),
        names.join(),
      );
      assert.deepEqual(
        names.filter((name) => name.startsWith('tidegauge/ci/')),
        [],
      );
    });
  });
}

async function archiveNames(file: string): Promise<string[]> {
  return execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).trim().split('\n');
}

test('no golden rendering is left over from a value set that has gone', () => {
  const expected = valueSets.flatMap((set) => [`${set}.notes.txt`, `${set}.yaml`]);
  assert.deepEqual(readdirSync(goldenFolder).sort(), expected.sort());
});
