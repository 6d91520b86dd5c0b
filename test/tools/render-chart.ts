/**
 * Writes the golden renderings: what the chart becomes for each committed value set, in test/e2e/chart. A change of the
 * chart shows there, line by line, to whoever reviews it; a test compares them with what both Helms render.
 *
 *   node test/tools/render-chart.ts
 */

import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartPath, type HelmName, renderChart, renderNotes, valueSets } from '../support/chart.ts';

export const goldenFolder = join(import.meta.dirname, '../e2e/chart');

/** File name, and what is to be in it. */
export async function goldenRenderings(set: string, helm: HelmName): Promise<Record<string, string>> {
  const [manifests, notes] = await Promise.all([renderChart({ set, helm }), renderNotes({ set, helm })]);
  return { [`${set}.yaml`]: foldFiles(manifests), [`${set}.notes.txt`]: notes };
}

/** Files that objects carry whole are reviewed where they are: here stand their names, if every line of them is there. */
function foldFiles(text: string): string {
  const files = globSync('files/{*.mjs,dashboards/*.json,alerts/*.yaml}', { cwd: chartPath }).sort();
  return files.reduce((folded, file) => {
    const lines = readFileSync(join(chartPath, file), 'utf8').trim().split('\n');
    const escaped = lines.map((line) => `\\1${RegExp.escape(line)}`).join('\n');
    return folded.replace(new RegExp(`^( +)${escaped.slice(2)}$`, 'gm'), `$1(${file})`);
  }, text);
}

if (import.meta.main) {
  rmSync(goldenFolder, { recursive: true, force: true });
  mkdirSync(goldenFolder, { recursive: true });
  for (const set of valueSets) {
    for (const [file, content] of Object.entries(await goldenRenderings(set, 'helm'))) {
      writeFileSync(join(goldenFolder, file), content);
      console.log(`test/e2e/chart/${file}`);
    }
  }
}
