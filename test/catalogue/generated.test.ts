import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedFiles } from '../../grafana/generate.ts';
import { generatedPages } from '../../src/generate.ts';

for (const [folder, files] of Object.entries({ src: generatedPages, grafana: generatedFiles })) {
  for (const [path, render] of Object.entries(files)) {
    test(`${folder}/${path} is what \`npm run generate\` would write`, () => {
      assert.equal(readFileSync(join(import.meta.dirname, '../..', folder, path), 'utf8'), render());
    });
  }
}
