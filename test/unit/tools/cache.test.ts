import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createTempFolder } from '../../support/child.ts';
import { cachedPath, cachedStamp, cacheFolder, install, stampPath } from '../../tools/cache.ts';

function tempFolder(t: TestContext): string {
  const folder = createTempFolder('cache-test');
  t.after(folder.remove);
  return folder.path;
}

describe('cacheFolder', () => {
  it('is the one asked for, else in the cache folder of the user', () => {
    const HOME = '/home/tide';
    assert.equal(cacheFolder({ HOME }), '/home/tide/.cache/tidegauge/parts');
    assert.equal(cacheFolder({ HOME, XDG_CACHE_HOME: '/var/cache/tide' }), '/var/cache/tide/tidegauge/parts');
    assert.equal(
      cacheFolder({ HOME, XDG_CACHE_HOME: '/var/cache/tide', TEST_PARTS_FOLDER: '/parts' }),
      '/parts',
    );
  });

  it('takes empty variables for unset', () => {
    assert.equal(
      cacheFolder({ HOME: '/home/tide', XDG_CACHE_HOME: '', TEST_PARTS_FOLDER: '' }),
      '/home/tide/.cache/tidegauge/parts',
    );
  });

  it('is never relative to the working directory', () => {
    assert.equal(
      cacheFolder({ HOME: '/home/tide', XDG_CACHE_HOME: 'cache' }),
      '/home/tide/.cache/tidegauge/parts',
    );
    assert.throws(
      () => cacheFolder({ HOME: '/home/tide', TEST_PARTS_FOLDER: 'parts' }),
      /absolute path, not parts/,
    );
  });
});

describe('the cache', () => {
  it('has no stamp for a program that is not there, has none, or cannot be run', (t) => {
    const folder = tempFolder(t);
    assert.equal(cachedStamp(folder, 'gauge'), undefined);
    writeFileSync(stampPath(folder, 'gauge'), '1.0.0 abc\n');
    assert.equal(cachedStamp(folder, 'gauge'), undefined, 'a stamp alone');
    writeFileSync(cachedPath(folder, 'gauge'), '');
    assert.equal(cachedStamp(folder, 'gauge'), undefined, 'a file that is no program');
    chmodSync(cachedPath(folder, 'gauge'), 0o755);
    assert.equal(cachedStamp(folder, 'gauge'), '1.0.0 abc');
  });

  it('takes a program in whole, makes it executable and leaves nothing else behind', async (t) => {
    const folder = tempFolder(t);
    for (const stamp of ['1.0.0 abc', '1.0.1 def']) {
      const built = join(folder, 'draft');
      writeFileSync(built, stamp);
      chmodSync(built, 0o600);
      assert.equal(await install(folder, 'gauge', built, stamp), cachedPath(folder, 'gauge'));
      assert.equal(cachedStamp(folder, 'gauge'), stamp);
      assert.deepEqual(readdirSync(folder).sort(), ['gauge', 'gauge.version']);
    }
  });

  it('keeps no stamp when a new program does not get in', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(cachedPath(folder, 'gauge'), '', { mode: 0o755 });
    writeFileSync(stampPath(folder, 'gauge'), '1.0.0 abc\n');
    await assert.rejects(install(folder, 'gauge', join(folder, 'never built'), '1.0.1 def'), {
      code: 'ENOENT',
    });
    assert.equal(cachedStamp(folder, 'gauge'), undefined);
    assert.ok(existsSync(cachedPath(folder, 'gauge')), 'the old program is left for those who run it');
  });
});
