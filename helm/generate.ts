/**
 * Writes what in the chart is made from elsewhere: values, their schema and their table, the list of settings for the
 * templates, and the dashboards and alert rules of grafana/, which a chart has to bring along. `npm run generate` runs
 * it after whatever writes those. A test compares the files with what this would write.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { renderSchema, renderTables, renderValuesYaml } from './render.ts';
import { renderSettingsData } from './settings.ts';
import { values } from './values.ts';

const root = join(import.meta.dirname, '..');
export const chartFolder = join(import.meta.dirname, 'tidegauge');

/** Folders of the chart in which every file is a copy. */
const copies = [
  { from: 'grafana/dashboards', to: 'files/dashboards', ending: '.json' },
  { from: 'grafana/alerts', to: 'files/alerts', ending: '.yaml' },
];

const tableStart =
  '<!-- Generated from helm/values.ts and src/config.ts by npm run generate. Do not edit below. -->';
const tableEnd = '<!-- End of what is generated. -->';

/** Path in the chart, and what is to be in it. */
export function generatedFiles(): Map<string, string> {
  return new Map([
    ['values.yaml', renderValuesYaml(values)],
    ['values.schema.json', renderSchema(values)],
    ['files/settings.json', renderSettingsData()],
    ['README.md', withTables(readFileSync(join(chartFolder, 'README.md'), 'utf8'))],
    ...copies.flatMap(({ from, to, ending }) =>
      namesIn(join(root, from), ending).map((name): [string, string] => [
        join(to, name),
        readFileSync(join(root, from, name), 'utf8'),
      ]),
    ),
  ]);
}

/** Copies whose original has gone. */
export function strayFiles(): string[] {
  return copies.flatMap(({ from, to, ending }) => {
    const originals = new Set(namesIn(join(root, from), ending));
    return namesIn(join(chartFolder, to), '')
      .filter((name) => !originals.has(name))
      .map((name) => join(to, name));
  });
}

function namesIn(folder: string, ending: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort();
}

/** The prose of the README is written by hand; only the tables are ours. */
function withTables(readme: string): string {
  const [before, rest] = readme.split(tableStart);
  const after = rest?.split(tableEnd)[1];
  if (after === undefined)
    throw new Error(`README.md of the chart lacks the marks ${tableStart} and ${tableEnd}`);
  return `${before}${tableStart}\n\n${renderTables(values)}\n\n${tableEnd}${after}`;
}

if (import.meta.main) {
  for (const file of strayFiles()) rmSync(join(chartFolder, file));
  for (const [file, content] of generatedFiles()) {
    mkdirSync(dirname(join(chartFolder, file)), { recursive: true });
    writeFileSync(join(chartFolder, file), content);
    console.log(`helm/tidegauge/${file}`);
  }
}
