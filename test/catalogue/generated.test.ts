import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedFiles as generatedForGrafana } from '../../grafana/generate.ts';
import { generatedFiles } from '../../otel/generate.ts';
import { generatedPages } from '../../src/generate.ts';

const root = join(import.meta.dirname, '../..');

for (const [folder, rendered] of Object.entries({ src: generatedPages, grafana: generatedForGrafana })) {
  for (const [path, render] of Object.entries(rendered)) {
    test(`${folder}/${path} is what \`npm run generate\` would write`, () => {
      assert.equal(readFileSync(join(root, folder, path), 'utf8'), render());
    });
  }
}

for (const [path, text] of Object.entries(generatedFiles())) {
  test(`otel/${path} is what \`npm run generate\` would write`, () => {
    assert.equal(readFileSync(join(root, 'otel', path), 'utf8'), text);
  });
}

test('nothing else lies in the generated folders', () => {
  const there = ['registry', 'schema'].flatMap((folder) =>
    readdirSync(join(root, 'otel', folder)).map((name) => `${folder}/${name}`),
  );
  assert.deepEqual(there.sort(), Object.keys(generatedFiles()).sort());
});
