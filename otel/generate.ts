/**
 * Writes what is generated here, the registry and the schema, from the catalogue: `npm run generate`. A test compares
 * the files with what this would write, so they cannot go stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { registryFiles } from './registry.ts';
import { schemaFiles } from './schema.ts';

const lineWidth = 110;

/** Path relative to this folder, and what is to be in it. */
export function generatedFiles(): Record<string, string> {
  return {
    ...rendered('registry', 'src/telemetry/catalogue', registryFiles()),
    ...rendered('schema', 'otel/schema.ts', schemaFiles()),
  };
}

function rendered(folder: string, source: string, files: Record<string, object>): Record<string, string> {
  const head = `# Generated from ${source} by \`npm run generate\`; change it there.\n`;
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      `${folder}/${name}`,
      head + stringify(content, { lineWidth, nullStr: '' }),
    ]),
  );
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(generatedFiles())) {
    const file = join(import.meta.dirname, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`otel/${path}`);
  }
}
