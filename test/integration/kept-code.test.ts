/**
 * What V8 has optimised for requests and collections outlives V8's major collections, by V8's own trace of what it throws
 * away. Where nothing is held between two requests that is some 80 functions.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const collectOnDemand =
  "data:text/javascript,process.on('SIGUSR2',()=>{globalThis.gc();console.log('collected')})";

test('code for scrapes and reports outlives major collections', async (context) => {
  const gateway = await startGateway({}, [], ['--expose-gc', '--trace-deopt', '--import', collectOnDemand]);
  context.after(() => gateway.stop());
  const ask = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      for (const path of ['/metrics', '/stats']) await (await fetch(`${gateway.url}${path}`)).text();
    }
  };
  await ask(1_500);
  const before = gateway.child.log().length;
  const since = (): string => gateway.child.log().slice(before);
  // V8 keeps shapes that no object has for two collections.
  for (let round = 1; round <= 3; round += 1) {
    gateway.child.signal('SIGUSR2');
    await until('it has collected', () => since().split('collected\n').length > round);
  }
  await ask(3);
  const lost = since().match(/\[marking dependent code .*embedded weak objects cleared/g) ?? [];
  const names = lost.map((line) => /SharedFunctionInfo ?([^>]*)>/.exec(line)?.[1]);
  assert.ok(lost.length > 0, 'V8 tells what it throws away');
  assert.ok(lost.length < 40, `${lost.length} functions: ${names.join(', ')}`);
});
