import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedPages } from '../../src/generate.ts';

for (const [page, render] of Object.entries(generatedPages)) {
  test(`src/${page} is what \`npm run generate\` would write`, () => {
    assert.equal(readFileSync(join(import.meta.dirname, '../../src', page), 'utf8'), render());
  });
}
