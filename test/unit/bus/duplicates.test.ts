import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { BusMessage } from '../../../src/bus/bus.ts';
import { DuplicateWindow, type DuplicateWindowOptions } from '../../../src/bus/duplicates.ts';
import { propertyRuns } from '../../support/property-runs.ts';

function create(options: Partial<DuplicateWindowOptions> = {}): {
  window: DuplicateWindow;
  clock: { ms: number };
} {
  const clock = { ms: 1_000 };
  const window = new DuplicateWindow({
    windowMs: 100,
    entriesMax: 10,
    byNonce: false,
    now: () => clock.ms,
    ...options,
  });
  return { window, clock };
}

function message(subject: string, messageId?: string, payload: string | Uint8Array = ''): BusMessage {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return messageId === undefined ? { subject, payload: bytes } : { subject, payload: bytes, messageId };
}

describe('DuplicateWindow', () => {
  it('suppresses the second message with the same subject and id, and counts it', () => {
    const { window } = create();
    assert.equal(window.isDuplicate(message('a', '1')), false);
    assert.equal(window.isDuplicate(message('a', '1')), true);
    assert.equal(window.isDuplicate(message('a', '2')), false);
    assert.equal(window.isDuplicate(message('b', '1')), false);
    assert.deepEqual([window.suppressed, window.entries], [1, 3]);
  });

  it('never suppresses a message without an id', () => {
    const { window } = create();
    for (let i = 0; i < 3; i += 1)
      assert.equal(window.isDuplicate(message('a', undefined, '{"nonce":"x"}')), false);
    assert.deepEqual([window.suppressed, window.entries], [0, 0]);
  });

  it('forgets when the window has passed since the first, however often it was repeated', () => {
    const { window, clock } = create();
    window.isDuplicate(message('a', '1'));
    clock.ms += 99;
    assert.equal(window.isDuplicate(message('a', '1')), true);
    clock.ms += 1;
    assert.equal(window.entries, 0);
    assert.equal(window.isDuplicate(message('a', '1')), false);
  });

  it('tells long ids and nonces apart to their last unit, and keeps none of them whole', () => {
    const { window } = create({ byNonce: true, entriesMax: 1_000 });
    const long = 'x'.repeat(1_000_000);
    for (const id of [`${long}a`, `${long}b`]) {
      assert.equal(window.isDuplicate(message('a', id)), false);
      assert.equal(window.isDuplicate(message('b', id)), false);
      assert.equal(window.isDuplicate(message('a', id)), true);
    }
    const text = 'y'.repeat(200);
    for (const nonce of [`${text}\\ud800`, `${text}\\udc00`]) {
      assert.equal(window.isDuplicate(message('a', undefined, `{"nonce":"${nonce}"}`)), false);
      assert.equal(window.isDuplicate(message('a', undefined, `{"nonce":"${nonce}"}`)), true);
    }
    assert.equal(window.entries, 6);
  });

  it('forgets the oldest first when there are too many', () => {
    const { window } = create({ entriesMax: 2 });
    for (const id of ['1', '2', '3']) window.isDuplicate(message('a', id));
    assert.equal(window.entries, 2);
    assert.equal(window.isDuplicate(message('a', '2')), true);
    assert.equal(window.isDuplicate(message('a', '1')), false);
  });

  for (const off of [{ windowMs: 0 }, { entriesMax: 0 }]) {
    it(`is off with ${JSON.stringify(off)}`, () => {
      const { window } = create({ ...off, byNonce: true });
      for (let i = 0; i < 2; i += 1)
        assert.equal(window.isDuplicate(message('a', '1', '{"nonce":"n"}')), false);
      assert.deepEqual([window.suppressed, window.entries], [0, 0]);
    });
  }

  it('goes by the nonce of a JSON payload where configured', () => {
    const { window } = create({ byNonce: true });
    assert.equal(window.isDuplicate(message('a', undefined, '{"nonce":"n","v":1}')), false);
    assert.equal(window.isDuplicate(message('a', undefined, ' {"v":2, "nonce":"n"}')), true);
    assert.equal(window.isDuplicate(message('b', undefined, '{"nonce":"n"}')), false);
    assert.equal(window.isDuplicate(message('a', '7', '{"nonce":"m"}')), false);
    assert.equal(window.isDuplicate(message('a', '8', '{"nonce":"m"}')), true);
    assert.equal(window.isDuplicate(message('a', '7', 'no nonce at all')), true);
  });

  it('does not take an id for a nonce', () => {
    const { window } = create({ byNonce: true });
    assert.equal(window.isDuplicate(message('a', 'n')), false);
    assert.equal(window.isDuplicate(message('a', undefined, '{"nonce":"n"}')), false);
  });

  it('finds no nonce in anything but a top-level string', () => {
    const { window } = create({ byNonce: true });
    const without = [
      ...[
        '',
        '   ',
        '{',
        '{"nonce":1}',
        '{"nonce":""}',
        '{"nonce":null}',
        '{"a":{"nonce":"x"}}',
        '[{"nonce":"x"}]',
      ],
      ...['"nonce"', 'null', '{"__proto__":{"nonce":"x"}}', '{"nonce":"x"} trailing', '{"nonce":"x",}'],
      Buffer.from([0x7b, 0xff, 0x00]),
    ];
    for (const payload of without) {
      for (let i = 0; i < 2; i += 1)
        assert.equal(window.isDuplicate(message('a', undefined, payload)), false, String(payload));
    }
    assert.equal(window.entries, 0);
  });

  it('agrees with a model that keeps everything, whatever comes and when', () => {
    const arrival = fc.record({
      waitMs: fc.nat(60),
      subject: fc.constantFrom('a', 'b'),
      id: fc.constantFrom('1', '2', '3'),
    });
    fc.assert(
      fc.property(
        fc.array(arrival, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        (arrivals, entriesMax) => {
          const { window, clock } = create({ entriesMax });
          let model: { key: string; atMs: number }[] = [];
          for (const { waitMs, subject, id } of arrivals) {
            clock.ms += waitMs;
            model = model.filter(({ atMs }) => clock.ms - atMs < 100);
            const key = `${subject} ${id}`;
            const isKnown = model.some((one) => one.key === key);
            if (!isKnown) model = [...model, { key, atMs: clock.ms }].slice(-entriesMax);
            assert.equal(window.isDuplicate(message(subject, id)), isKnown);
            assert.equal(window.entries, model.length);
          }
        },
      ),
      propertyRuns(1_000),
    );
  });
});
