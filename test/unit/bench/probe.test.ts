/** The bench's probe: every question is accounted for, answered or not. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Probe, type ProbeKind } from '../../bench/probe.ts';

function startProbe(
  t: TestContext,
  kind: ProbeKind,
): { probe: Probe; sent: [number, string][]; ask(): void } {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const sent: [number, string][] = [];
  const probe = new Probe(kind, { send: (opcode, payload) => sent.push([opcode, payload]) });
  probe.start();
  return { probe, sent, ask: () => t.mock.timers.tick(250) };
}

test('asks the application by a message, and takes answers in order', (t) => {
  const { probe, sent, ask } = startProbe(t, 'json');
  ask();
  ask();
  assert.deepEqual(sent[0], [1, '{"type":"ping","timestamp":1}']);
  probe.answered(Buffer.from('{"type":"pong"'));
  const { asked, samples, unanswered } = probe.endWindow();
  assert.deepEqual({ asked, samples, unanswered }, { asked: 2, samples: 2, unanswered: 1 });
});

test('an answer to the last of several control pings answers those before it', (t) => {
  const { probe, sent, ask } = startProbe(t, 'control');
  ask();
  ask();
  ask();
  assert.deepEqual(sent, [
    [9, '1'],
    [9, '2'],
    [9, '3'],
  ]);
  probe.answered(Buffer.from('2'));
  const { samples, unanswered } = probe.endWindow();
  assert.deepEqual({ samples, unanswered }, { samples: 3, unanswered: 1 });
});

test('a window counts its own questions and those that wait when it begins', (t) => {
  const { probe, ask } = startProbe(t, 'json');
  ask();
  probe.answered(Buffer.from('{}'));
  ask();
  probe.beginWindow();
  ask();
  const { asked, samples, unanswered } = probe.endWindow();
  assert.deepEqual({ asked, samples, unanswered }, { asked: 2, samples: 2, unanswered: 2 });
});

test('an answer that nobody waits for is ignored', (t) => {
  const { probe } = startProbe(t, 'json');
  probe.answered(Buffer.from('{}'));
  assert.equal(probe.endWindow().samples, 0);
});
