import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaFiles } from '../../../otel/schema.ts';

const first = { version: '0.1.0', renamedMetrics: {}, renamedAttributes: {} };
const second = {
  version: '0.2.0',
  renamedMetrics: { 'tidegauge.level': 'tidegauge.height' },
  renamedAttributes: { 'tidegauge.port': 'tidegauge.harbour' },
};

test('a version without renames is there, and empty', () => {
  assert.deepEqual(schemaFiles([first]), {
    '0.1.0.yaml': {
      file_format: '1.1.0',
      schema_url: 'https://tidegauge.invalid/schemas/0.1.0',
      versions: { '0.1.0': null },
    },
  });
});

test('each version has a file of its own with what came before it, and renames as transformations', () => {
  const files = schemaFiles([second, first]);
  assert.deepEqual(Object.keys(files), ['0.2.0.yaml', '0.1.0.yaml']);
  assert.deepEqual(files['0.2.0.yaml'], {
    file_format: '1.1.0',
    schema_url: 'https://tidegauge.invalid/schemas/0.2.0',
    versions: {
      '0.2.0': {
        all: { changes: [{ rename_attributes: { attribute_map: second.renamedAttributes } }] },
        metrics: { changes: [{ rename_metrics: second.renamedMetrics }] },
      },
      '0.1.0': null,
    },
  });
  assert.deepEqual(files['0.1.0.yaml'], schemaFiles([first])['0.1.0.yaml']);
});
