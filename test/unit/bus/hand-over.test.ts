/** Single cases of a hand-over; that they add up under any order of things is the business of interest.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BusMessage } from '../../../src/bus/bus.ts';
import { HandOver, notesMax, turnsBeforeChange, turnsPerTwinTime } from '../../../src/bus/hand-over.ts';

function message(content: string, { subject = 'a', messageId }: Partial<BusMessage> = {}): BusMessage {
  const payload = Buffer.from(content);
  return messageId === undefined ? { subject, payload } : { subject, payload, messageId };
}

/** Notes are taken, and the change may come. */
function createNoting(): HandOver {
  const handOver = new HandOver();
  handOver.turn();
  return handOver;
}

describe('HandOver', () => {
  it('takes every old copy and no new one before the change, and the other way round after it', () => {
    const handOver = new HandOver();
    for (const step of [() => undefined, () => handOver.turn(), () => handOver.turn()]) {
      step();
      assert.deepEqual([handOver.takesOld(message('1')), handOver.takesNew(message('1'))], [true, false]);
      assert.deepEqual([handOver.takesNew(message('2')), handOver.takesOld(message('2'))], [false, true]);
    }
    assert.equal(handOver.change(), true);
    assert.deepEqual([handOver.takesOld(message('3')), handOver.takesNew(message('3'))], [false, true]);
    assert.deepEqual([handOver.takesNew(message('4')), handOver.takesOld(message('4'))], [true, false]);
  });

  it('takes one of two copies that lie on both sides of the change, whichever came first', () => {
    const handOver = createNoting();
    assert.equal(handOver.takesOld(message('old first')), true);
    assert.equal(handOver.takesNew(message('new first')), false);
    handOver.change();
    assert.equal(handOver.takesNew(message('old first')), false);
    assert.equal(handOver.takesOld(message('new first')), true);
  });

  it('tells messages apart by subject, message id and content, and counts those that it cannot', () => {
    const handOver = createNoting();
    handOver.takesOld(message('x'));
    handOver.takesOld(message('x'));
    handOver.change();
    const copies = [
      message('x', { subject: 'b' }),
      message('x', { messageId: 'x' }),
      message('y'),
      message('x'),
      message('x'),
      message('x'),
    ];
    assert.deepEqual(
      copies.map((copy) => handOver.takesNew(copy)),
      [true, true, true, false, false, true],
    );
  });

  it('knows a twin that takes the whole of the twin time', () => {
    const handOver = createNoting();
    handOver.takesOld(message('late'));
    for (let turns = 0; turns < turnsPerTwinTime; turns += 1) handOver.turn();
    handOver.change();
    assert.equal(handOver.takesNew(message('late')), false);
  });

  for (const [what, hasTraffic] of [
    ['among no others', false],
    ['while others with the same content go on', true],
  ] as const) {
    it(`forgets by the change what came by one side alone, ${what}`, () => {
      const handOver = createNoting();
      const pass = (): void => {
        if (!hasTraffic) return;
        handOver.takesNew(message('tick'));
        handOver.takesOld(message('tick'));
      };
      // It may come as late as this.
      for (let turns = 0; turns < turnsPerTwinTime; turns += 1) {
        pass();
        handOver.turn();
      }
      handOver.takesOld(message('tick'));
      for (let turns = turnsPerTwinTime + 1; turns < turnsBeforeChange; turns += 1) {
        pass();
        handOver.turn();
      }
      handOver.change();
      assert.equal(handOver.takesNew(message('tick')), true);
    });
  }

  it('keeps no more notes than there are copies under way', () => {
    const handOver = createNoting();
    for (let i = 0; i < 1_000; i += 1) {
      handOver.takesOld(message(String(i)));
      assert.equal(handOver.notes, 1);
      handOver.takesNew(message(String(i)));
    }
    assert.equal(handOver.notes, 0);
  });

  it('waits with the change when the notes are full, and starts over', () => {
    const handOver = createNoting();
    for (let i = 0; i <= notesMax; i += 1) handOver.takesOld(message(String(i)));
    assert.equal(handOver.notes, notesMax);
    assert.equal(handOver.change(), false);
    assert.deepEqual([handOver.isChanged, handOver.notes], [false, 0]);
    handOver.turn();
    handOver.takesOld(message('one'));
    assert.equal(handOver.change(), true);
    assert.equal(handOver.takesNew(message('one')), false);
  });

  it('forgets what is missing when the link breaks', () => {
    const handOver = createNoting();
    handOver.takesNew(message('gone'));
    handOver.takesOld(message('gone too'));
    handOver.forget();
    handOver.change();
    assert.equal(handOver.takesOld(message('gone')), false);
    assert.equal(handOver.takesNew(message('gone too')), true);
  });
});
