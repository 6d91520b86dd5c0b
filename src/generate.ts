/**
 * Writes the pages that are generated from code, beside what they describe: `npm run generate`. A test compares
 * them with what this would write, so they cannot go stale.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderSettingsPage } from './settings-page.ts';
import { renderInstrumentsPage } from './telemetry/instruments-page.ts';

/** Page, relative to this folder, and what is to be in it. */
export const generatedPages: Record<string, () => string> = {
  'settings.md': renderSettingsPage,
  'telemetry/instruments.md': renderInstrumentsPage,
};

if (import.meta.main) {
  for (const [page, render] of Object.entries(generatedPages)) {
    writeFileSync(join(import.meta.dirname, page), render());
    console.log(`src/${page}`);
  }
}
