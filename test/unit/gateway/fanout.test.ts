/** How long a message lives in memory: no longer than it takes to write it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

test('messages that have been written are gone with the next scavenge, also when the first ones had to wait', async () => {
  const script = join(import.meta.dirname, '../../support/short-lived-messages.ts');
  // V8 decides about objects of a place in the code when the young generation cannot grow any more.
  const flags = ['--expose-gc', '--min-semi-space-size=1', '--max-semi-space-size=1'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script]);
  const { grownBytesPerMessage, messages } = JSON.parse(stdout) as {
    grownBytesPerMessage: number;
    messages: number;
  };
  assert.ok(messages >= 100_000);
  assert.ok(grownBytesPerMessage < 1, `${grownBytesPerMessage} bytes a message have become old`);
});
