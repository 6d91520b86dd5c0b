import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const run = (...args: string[]) => {
  const program = join(import.meta.dirname, '../../../image/main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

test('npm run image tells its options, also to whoever has given another', () => {
  const { status, stdout } = run('--help');
  assert.equal(status, 0);
  assert.match(stdout, /^Usage: npm run image/);
  const refused = run('--tag', 'x');
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /Unknown option '--tag'[\s\S]*Usage: npm run image/);
  assert.doesNotMatch(refused.stderr, /\.ts:\d/);
});
