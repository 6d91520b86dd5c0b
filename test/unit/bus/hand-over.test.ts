/** Single cases of a hand-over; that they add up under any order of things is the business of interest.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BusMessage } from '../../../src/bus/bus.ts';
import { HandOver, twinTrips } from '../../../src/bus/hand-over.ts';

function message(content: string, subject = 'a'): BusMessage {
  return { subject, payload: Buffer.from(content) };
}

/** At the point of change, with nothing noted. */
function createRipe(): HandOver {
  const handOver = new HandOver();
  for (let turns = 0; turns < 3; turns += 1) handOver.turn();
  return handOver;
}

function change(handOver: HandOver): void {
  handOver.turn();
  handOver.change();
}

describe('HandOver', () => {
  it('takes every old copy and no new one before the change, and the other way round after it', () => {
    const handOver = createRipe();
    assert.deepEqual([handOver.takesOld(message('1')), handOver.takesNew(message('1'))], [true, false]);
    assert.deepEqual([handOver.takesNew(message('2')), handOver.takesOld(message('2'))], [false, true]);
    change(handOver);
    assert.deepEqual([handOver.takesOld(message('3')), handOver.takesNew(message('3'))], [false, true]);
    assert.deepEqual([handOver.takesNew(message('4')), handOver.takesOld(message('4'))], [true, false]);
    assert.deepEqual(handOver.leftovers(), []);
  });

  it('takes one of two copies that lie on both sides of the change, whichever came first', () => {
    const handOver = createRipe();
    assert.equal(handOver.takesOld(message('old first')), true);
    assert.equal(handOver.takesNew(message('new first')), false);
    change(handOver);
    assert.equal(handOver.takesNew(message('old first')), false);
    assert.equal(handOver.takesOld(message('new first')), true);
    assert.deepEqual(handOver.leftovers(), []);
  });

  it('tells messages with the same content on different subjects apart, and counts equal ones', () => {
    const handOver = createRipe();
    handOver.takesOld(message('x', 'a'));
    handOver.takesOld(message('x', 'a'));
    change(handOver);
    const copies = [message('x', 'b'), message('x', 'a'), message('x', 'a'), message('x', 'a')];
    assert.deepEqual(
      copies.map((copy) => handOver.takesNew(copy)),
      [true, false, false, true],
    );
  });

  it('forgets, until the change, a copy from before the new subscription, which has no twin', () => {
    const handOver = new HandOver();
    handOver.takesOld(message('tick'));
    for (let turns = 0; turns < twinTrips + 1; turns += 1) handOver.turn();
    change(handOver);
    assert.equal(handOver.takesNew(message('tick')), true);
  });

  it('hands out what came by the new subscription alone and was not taken', () => {
    const handOver = createRipe();
    for (const content of ['lost', 'lost', 'found']) assert.equal(handOver.takesNew(message(content)), false);
    change(handOver);
    handOver.takesOld(message('found'));
    assert.deepEqual(
      handOver.leftovers().map(({ payload }) => String(payload)),
      ['lost', 'lost'],
    );
  });

  it('hands out nothing when the link broke before the change: that is the outage’s loss', () => {
    const handOver = createRipe();
    handOver.takesNew(message('gone'));
    assert.deepEqual(handOver.leftovers(), []);
  });
});
