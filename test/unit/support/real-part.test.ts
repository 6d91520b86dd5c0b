import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { createTempFolder } from '../../support/child.ts';
import { partPath, requirePart, skipWithout } from '../../support/real-part.ts';
import { partStamp, parts } from '../../tools/parts.ts';

// This file has a process of its own, so that what it does to the environment concerns nobody else. Without a PATH
// there is no Go, and a part is there only if it is in the cache.
const cache = createTempFolder('real-part-test').path;
process.env.TEST_PARTS_FOLDER = cache;
process.env.PATH = '';
writeFileSync(join(cache, 'promtool'), '', { mode: 0o755 });
writeFileSync(join(cache, 'promtool.version'), partStamp(parts.promtool));

function fakeTest(): { skip: (reason?: string) => void; reasons: (string | undefined)[] } {
  const reasons: (string | undefined)[] = [];
  return { skip: (reason) => void reasons.push(reason), reasons };
}

describe('a test that needs a real part', () => {
  beforeEach(() => {
    delete process.env.CI;
  });

  it('is given the path where there is one', async () => {
    const t = fakeTest();
    assert.equal(await requirePart(t, 'promtool'), join(cache, 'promtool'));
    assert.deepEqual(t.reasons, []);
    assert.equal(await skipWithout('promtool'), false);
  });

  it('is skipped on a machine of a person, and says what is missing and the remedy', async () => {
    const t = fakeTest();
    assert.equal(await requirePart(t, 'otelcol'), undefined);
    assert.equal(t.reasons.length, 1);
    assert.match(t.reasons[0] ?? '', /^needs otelcol, which is missing: .*install Go/);
    assert.match(String(await skipWithout('promtool', 'otelcol')), /needs otelcol/);
  });

  it('fails where nobody reads skips', async () => {
    process.env.CI = 'true';
    const t = fakeTest();
    await assert.rejects(requirePart(t, 'otelcol'), /otelcol is missing: .*install Go/);
    await assert.rejects(skipWithout('otelcol'), /otelcol is missing/);
    assert.deepEqual(t.reasons, []);
  });

  it('fails when it starts the part without having asked', async () => {
    await assert.rejects(partPath('otelcol'), /otelcol is missing/);
  });
});
