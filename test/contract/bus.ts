/**
 * What every bus keeps, whatever carries it: one suite, run on each adapter by a test file of its own.
 * It uses nothing but the port, so that a caller who reads this knows all that he may rely on.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { Bus, BusMessage, BusState } from '../../src/bus/bus.ts';
import { BusUnavailableError } from '../../src/bus/bus.ts';
import { until } from '../support/until.ts';

export type BusAdapter = {
  name: string;
  /** A bus that has not been started, with a broker of its own that the test takes away afterwards. */
  create(t: TestContext): Promise<Bus>;
  /** The text of a module that binds `bus` to such a bus, for a process of its own. */
  script(t: TestContext): Promise<string>;
};

export async function connected(bus: Bus): Promise<Bus> {
  bus.start();
  await until('the bus is connected', () => bus.state === 'connected');
  return bus;
}

export function text(message: BusMessage): string {
  return Buffer.from(message.payload).toString();
}

/** Runs a module in a process of its own, which must end by itself. Returns what it printed. */
export async function runModule(script: string): Promise<string> {
  const args = ['--no-warnings', '--input-type=module', '--eval', script];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  assert.equal(stderr, '');
  return stdout;
}

export function describeBus(
  { name, create, script }: BusAdapter,
  options: { skip?: string | boolean } = {},
): void {
  describe(`${name}, as a bus`, options, () => {
    const open = async (t: TestContext): Promise<Bus> => {
      const bus = await create(t);
      t.after(() => bus.close());
      return connected(bus);
    };
    const payload = Buffer.from('payload');

    it('is connecting until it has been started and is connected', async (t) => {
      const bus = await create(t);
      t.after(() => bus.close());
      const states: [BusState, BusState][] = [];
      bus.onState((state, previous) => states.push([state, previous]));
      assert.equal(bus.state, 'connecting');
      bus.start();
      assert.equal(bus.state, 'connecting');
      await until('it is connected', () => bus.state === 'connected');
      assert.deepEqual(states, [['connected', 'connecting']]);
      assert.notEqual(bus.server, '');
    });

    it('puts subscriptions from before the start in force', async (t) => {
      const bus = await create(t);
      t.after(() => bus.close());
      const heard: string[] = [];
      bus.subscribe('early.*', (message) => heard.push(text(message)));
      await connected(bus);
      bus.publish('early.bird', Buffer.from('worm'));
      await bus.roundTrip();
      assert.deepEqual(heard, ['worm']);
    });

    it('tells a round trip in seconds', async (t) => {
      const bus = await open(t);
      let best = 0;
      for (let trip = 0; trip < 20; trip += 1) {
        const startMs = performance.now();
        const seconds = await bus.roundTrip();
        const tookSeconds = (performance.now() - startMs) / 1_000;
        assert.ok(seconds > 0 && seconds <= tookSeconds, `${seconds} of ${tookSeconds}`);
        best = Math.max(best, seconds / tookSeconds);
      }
      assert.ok(best > 0.5, `${best} of what it took`);
    });

    it('has nothing pending when a listener has closed it in the midst of messages', async (t) => {
      const bus = await open(t);
      bus.subscribe('many', () => void bus.close());
      const closed = new Promise<void>((resolve) => bus.onState((state) => state === 'closed' && resolve()));
      for (let message = 0; message < 3; message += 1) bus.publish('many', payload);
      await closed;
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(bus.pendingBytes, 0);
    });

    it('delivers a copy to each subscription that matches, and none to others', async (t) => {
      const bus = await open(t);
      const heard: string[] = [];
      for (const pattern of ['a.b', 'a.*', 'a.>', '>', 'a.b.*', 'b.*']) {
        bus.subscribe(pattern, ({ subject }) => heard.push(`${pattern} ${subject}`));
      }
      bus.publish('a.b', payload);
      bus.publish('a.b.c', payload);
      await bus.roundTrip();
      const expected = ['a.* a.b', 'a.> a.b', 'a.b a.b', '> a.b', 'a.> a.b.c', 'a.b.* a.b.c', '> a.b.c'];
      assert.deepEqual(heard.sort(), expected.sort());
    });

    it('delivers twice to two subscriptions with the same pattern and listener', async (t) => {
      const bus = await open(t);
      let calls = 0;
      const listener = (): void => {
        calls += 1;
      };
      const first = bus.subscribe('twice', listener);
      bus.subscribe('twice', listener);
      bus.publish('twice', payload);
      await bus.roundTrip();
      assert.equal(calls, 2);
      first.drain();
      bus.publish('twice', payload);
      await bus.roundTrip();
      assert.equal(calls, 3);
    });

    it('returns from publish before any listener is called', async (t) => {
      const bus = await open(t);
      let isReturned = false;
      const seen: boolean[] = [];
      bus.subscribe('later', () => seen.push(isReturned));
      bus.publish('later', payload);
      await null;
      isReturned = true;
      await bus.roundTrip();
      assert.deepEqual(seen, [true]);
    });

    it('delivers 10,000 messages in order, each with its own bytes', async (t) => {
      const bus = await open(t);
      const heard: Buffer[] = [];
      const subjects: string[] = [];
      bus.subscribe('fifo.>', (message) => {
        heard.push(Buffer.from(message.payload));
        subjects.push(message.subject);
      });
      const sent = Array.from({ length: 10_000 }, (_, i) => {
        const bytes = Buffer.alloc(4 + (i % 97), i % 256);
        bytes.writeUInt32BE(i);
        return bytes;
      });
      for (const [i, bytes] of sent.entries()) bus.publish(`fifo.${i % 3}`, bytes);
      await bus.roundTrip();
      assert.equal(heard.length, sent.length);
      assert.deepEqual(
        subjects,
        sent.map((_, i) => `fifo.${i % 3}`),
      );
      for (const [i, bytes] of sent.entries()) assert.ok(bytes.equals(heard[i]!), `message ${i}`);
    });

    it('carries any bytes, none, and a large message', async (t) => {
      const bus = await open(t);
      const heard: Uint8Array[] = [];
      bus.subscribe('bytes', (message) => heard.push(message.payload));
      const sent = [
        Buffer.alloc(0),
        Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
        Buffer.from('\r\nPUB x 0\r\n'),
        Buffer.alloc(900_000, 'x'),
      ];
      for (const bytes of sent) bus.publish('bytes', bytes);
      await until('all have come', () => heard.length === sent.length);
      for (const [i, bytes] of sent.entries()) assert.ok(bytes.equals(heard[i]!), `message ${i}`);
    });

    it('leaves the publisher his buffer from the next turn on', async (t) => {
      const bus = await open(t);
      const heard: string[] = [];
      bus.subscribe('mine', (message) => heard.push(text(message)));
      const own = Buffer.from('first');
      bus.publish('mine', own);
      await null;
      await null;
      own.write('spoil');
      await bus.roundTrip();
      assert.deepEqual(heard, ['first']);
    });

    it('carries a message id, and says nothing of one where there is none', async (t) => {
      const bus = await open(t);
      const heard: BusMessage[] = [];
      bus.subscribe('ids', (message) => heard.push(message));
      bus.publish('ids', payload, { messageId: 'id 1: ä' });
      bus.publish('ids', payload);
      await bus.roundTrip();
      assert.deepEqual(
        heard.map(({ messageId }) => messageId),
        ['id 1: ä', undefined],
      );
      assert.equal('messageId' in heard[1]!, false);
      assert.deepEqual(heard.map(text), ['payload', 'payload']);
    });

    it('throws at a caller whose subject, pattern or message id is none, and sends nothing', async (t) => {
      const bus = await open(t);
      for (const subject of ['', 'a b', 'a.*', '>', 'a\r\nPUB b 0\r\n', 'a..b']) {
        assert.throws(() => bus.publish(subject, payload), TypeError, JSON.stringify(subject));
      }
      for (const pattern of ['', 'a b', 'a.>.b', 'a\r\nSUB > 1']) {
        assert.throws(() => bus.subscribe(pattern, () => undefined), TypeError, JSON.stringify(pattern));
      }
      for (const messageId of ['', ' a', 'a ', 'a\r\nX: y', '\0', '\ud800']) {
        assert.throws(() => bus.publish('a', payload, { messageId }), TypeError, JSON.stringify(messageId));
      }
      await bus.roundTrip();
      assert.deepEqual([bus.counts.messagesSent, bus.counts.bytesSent], [0, 0]);
    });

    it('counts messages and payload bytes, a received message once for each copy', async (t) => {
      const bus = await open(t);
      bus.subscribe('count.*', () => undefined);
      bus.subscribe('count.>', () => undefined);
      bus.publish('count.a', Buffer.alloc(10), { messageId: 'not counted' });
      bus.publish('count.b', Buffer.alloc(0));
      bus.publish('other', Buffer.alloc(5));
      await bus.roundTrip();
      const { messagesReceived, messagesSent, bytesReceived, bytesSent, reconnects, disconnects } =
        bus.counts;
      assert.deepEqual([messagesSent, bytesSent, messagesReceived, bytesReceived], [3, 15, 4, 20]);
      assert.deepEqual([reconnects, Object.values(disconnects)], [0, [0, 0, 0, 0, 0]]);
      assert.equal(bus.pendingBytes, 0);
    });

    it('takes what a listener publishes, and delivers it after what is there already', async (t) => {
      const bus = await open(t);
      const heard: string[] = [];
      bus.subscribe('ask', (message) => {
        heard.push(text(message));
        bus.publish('answer', Buffer.from(`to ${text(message)}`));
      });
      bus.subscribe('answer', (message) => heard.push(text(message)));
      bus.publish('ask', Buffer.from('1'));
      bus.publish('ask', Buffer.from('2'));
      await until('all have come', () => heard.length === 4);
      assert.deepEqual(heard, ['1', '2', 'to 1', 'to 2']);
    });

    it('lets a listener end its own subscription, which still hears what had been routed to it', async (t) => {
      const bus = await open(t);
      const heard: string[] = [];
      const subscription = bus.subscribe('last', (message) => {
        heard.push(text(message));
        subscription.drain();
        subscription.drain();
      });
      for (const one of ['1', '2', '3']) bus.publish('last', Buffer.from(one));
      await bus.roundTrip();
      bus.publish('last', Buffer.from('4'));
      await bus.roundTrip();
      assert.deepEqual(heard, ['1', '2', '3']);
    });

    it('delivers what was published before a subscription is drained, and nothing from afterwards', async (t) => {
      const bus = await open(t);
      const heard: string[] = [];
      const subscription = bus.subscribe('drained', (message) => heard.push(text(message)));
      assert.equal(subscription.pattern, 'drained');
      for (let i = 0; i < 1_000; i += 1) bus.publish('drained', Buffer.from(String(i)));
      subscription.drain();
      for (let i = 0; i < 1_000; i += 1) bus.publish('drained', Buffer.from('too late'));
      await bus.roundTrip();
      assert.deepEqual(
        heard,
        Array.from({ length: 1_000 }, (_, i) => String(i)),
      );
    });

    it('measures a round trip, which overtakes nothing', async (t) => {
      const bus = await open(t);
      let calls = 0;
      bus.subscribe('trip', () => {
        calls += 1;
      });
      for (let i = 0; i < 100; i += 1) bus.publish('trip', payload);
      const seconds = await bus.roundTrip();
      assert.equal(calls, 100);
      assert.ok(seconds > 0 && seconds < 10, String(seconds));
    });

    it('is unavailable to publishers and for round trips when it is not connected', async (t) => {
      const bus = await create(t);
      const refuses = async (): Promise<void> => {
        assert.throws(() => bus.publish('a', payload), BusUnavailableError);
        await assert.rejects(bus.roundTrip(), BusUnavailableError);
      };
      await refuses();
      await connected(bus);
      const drained = bus.drain();
      assert.equal(bus.state, 'draining');
      await refuses();
      await drained;
      assert.equal(bus.state, 'closed');
      await refuses();
      assert.deepEqual([bus.counts.messagesSent, bus.pendingBytes], [0, 0]);
    });

    it('ends a round trip that is under way when it is closed', async (t) => {
      const bus = await open(t);
      const trip = assert.rejects(bus.roundTrip(), BusUnavailableError);
      await bus.close();
      await trip;
    });

    it('drains: what was under way arrives, then it is closed', async (t) => {
      const bus = await open(t);
      const states: BusState[] = [];
      bus.onState((state) => states.push(state));
      let calls = 0;
      bus.subscribe('flow', () => {
        calls += 1;
      });
      for (let i = 0; i < 5_000; i += 1) bus.publish('flow', payload);
      await Promise.all([bus.drain(), bus.drain()]);
      assert.deepEqual([calls, states], [5_000, ['draining', 'closed']]);
      await bus.drain();
      await bus.close();
    });

    it('calls nobody once it is closed, not even from within a listener', async (t) => {
      const bus = await open(t);
      let calls = 0;
      bus.subscribe('end', () => {
        calls += 1;
        void bus.close();
      });
      for (let i = 0; i < 100; i += 1) bus.publish('end', payload);
      await until('it is closed', () => bus.state === 'closed');
      await new Promise(setImmediate);
      assert.deepEqual([calls, bus.counts.messagesReceived], [1, 1]);
      bus.subscribe('end', () => undefined).drain();
      await bus.close();
    });

    it('tells every listener every change of state in order, until it is taken away', async (t) => {
      const bus = await open(t);
      const heard: string[] = [];
      bus.onState((state) => {
        heard.push(`first ${state}`);
        if (state === 'draining') void bus.close();
      });
      const listener = (state: BusState, previous: BusState): void =>
        void heard.push(`second ${previous} ${state}`);
      bus.onState(listener);
      const takeAway = bus.onState(listener);
      takeAway();
      takeAway();
      await bus.drain();
      assert.deepEqual(heard, [
        'first draining',
        'second connected draining',
        'first closed',
        'second draining closed',
      ]);
    });

    it('delivers to the others when a listener throws, and ends the process with its error', async (t) => {
      const printed = await runModule(`
        ${await script(t)}
        let calls = 0;
        process.setUncaughtExceptionCaptureCallback((error) => console.log(error.message));
        bus.onState(() => { throw new Error('a bug in a state listener'); });
        bus.subscribe('bug', () => { throw new Error('a bug in a listener'); });
        bus.subscribe('bug', () => { calls += 1; });
        bus.onState(async (state) => {
          if (state !== 'connected') return;
          bus.publish('bug', Buffer.from('x'));
          await bus.roundTrip();
          bus.publish('bug', Buffer.from('x'));
          await bus.roundTrip();
          console.log('calls', calls);
          await bus.close();
        });
        bus.start();
      `);
      const lines = printed.trim().split('\n');
      const times = (line: string): number => lines.filter((one) => one === line).length;
      assert.equal(times('a bug in a listener'), 2, printed);
      assert.equal(times('a bug in a state listener'), 2, printed);
      assert.equal(times('calls 2'), 1, printed);
    });

    for (const end of ['close', 'drain']) {
      it(`leaves nothing behind after ${end}: the process ends by itself`, async (t) => {
        const printed = await runModule(`
          ${await script(t)}
          bus.subscribe('a.>', () => undefined);
          bus.onState(async (state) => {
            if (state !== 'connected') return;
            bus.publish('a.b', Buffer.from('x'));
            await bus.${end}();
            console.log(bus.state);
          });
          bus.start();
        `);
        assert.equal(printed, 'closed\n');
      });
    }
  });
}
