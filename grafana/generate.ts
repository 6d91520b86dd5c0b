/**
 * Writes what is generated below grafana/: a part of `npm run generate`. A test compares the files with what this
 * would write, so they cannot go stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { alertFiles } from './alerts/files.ts';
import { dashboardFiles } from './dashboards.ts';

/** Path, relative to this folder, and what is to be in it. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  ...dashboardFiles,
  ...alertFiles,
};

if (import.meta.main) {
  for (const [path, render] of Object.entries(generatedFiles)) {
    const file = join(import.meta.dirname, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, render());
    console.log(`grafana/${path}`);
  }
}
