/**
 * Counts and sums of the collector's pauses against V8's own trace of the same run. The trace measures a little inside of
 * what Node measures (40 us a pause), hence within 2 %. Incremental steps are not compared: Node tells only a part.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstThatHolds } from '../support/figures-subject.ts';
import { createPlaces } from '../support/places.ts';

/** One line of --trace-gc: the kind, and the milliseconds of the pause before the slash. */
const traceLine =
  /^\[\d+:0x[0-9a-f]+\] +\d+ ms: (Scavenge|(?:Incremental )?Mark-Compact)\b.* (\d+\.\d+) \/ \d+\.\d+ ms /;

type Traced = { minor: { count: number; seconds: number }; major: { count: number; seconds: number } };

/** What stands between the two collections that the program asked for, which V8 marks as such. */
function readTrace(output: string): Traced {
  const traced: Traced = { minor: { count: 0, seconds: 0 }, major: { count: 0, seconds: 0 } };
  const lines = output.split('\n').filter((line) => traceLine.test(line));
  // One demand may make two lines, when it has to end a marking that was under way.
  const isAsked = lines.map((line) => line.includes('testing'));
  const begin = isAsked.findIndex((asked, index) => asked && isAsked[index + 1] === false) + 1;
  const end = isAsked.indexOf(true, begin);
  assert.ok(begin > 0 && end > begin, `the trace is delimited by two collections on demand\n${output}`);
  for (const line of lines.slice(begin, end)) {
    const [, kind, milliseconds] = traceLine.exec(line)!;
    const type = kind === 'Scavenge' ? 'minor' : 'major';
    traced[type].count += 1;
    traced[type].seconds += Number(milliseconds) / 1000;
  }
  return traced;
}

for (const place of createPlaces(512 * 1024 * 1024)) {
  test(`pauses agree in number and sum with --trace-gc of the same run, ${place.name}`, {
    skip: place.skip,
  }, async (context) => {
    context.after(() => place.leave());
    // A process that the scheduler takes off between two clocks shows in one of them only: hence several attempts.
    await firstThatHolds(8, async () => {
      const subject = await place.createSubject({
        start: false,
        execArgv: ['--expose-gc', '--trace-gc'],
      });
      await subject.ask('collect');
      await subject.ask('settle');
      await subject.ask('start');
      await subject.ask('churn', { ms: 1500 });
      await subject.ask('settle');
      const { runtime } = await subject.ask('figures');
      await subject.ask('collect');
      await subject.end();
      const traced = readTrace(subject.output());

      for (const type of ['minor', 'major'] as const) {
        const counted = runtime.gc[type];
        assert.ok(traced[type].count >= 3, `too few ${type} collections to compare: ${traced[type].count}`);
        assert.equal(counted.count, traced[type].count, type);
        const ratio = counted.seconds / traced[type].seconds;
        assert.ok(
          Math.abs(ratio - 1) <= 0.02,
          `${type}: ${counted.seconds} s counted, ${traced[type].seconds} s traced`,
        );
      }
    });
  });
}
