/** Which connections a query names, in which order and on which page; and what is known of each, also after its end. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CloseReason } from '../../../src/gateway/close-codes.ts';
import { ClosedConnections } from '../../../src/gateway/closed-connections.ts';
import {
  type ConnectionQuery,
  type ConnectionRow,
  connectionSortKeys,
  type UnusableCursor,
} from '../../../src/reports/connections.ts';
import { bareQuery, rowWith } from '../../support/connection-rows.ts';
import type { FakeClient } from '../../support/fake-client.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { createTestGateway, sweepFor, type TestGateway } from '../../support/test-gateway.ts';

const everything: ConnectionQuery = { ...bareQuery, state: 'all', limit: 1_000 };

function usable<Answer extends object>(answer: Answer | UnusableCursor): Answer {
  assert.ok(typeof answer === 'object', String(answer));
  return answer;
}

const listOf = ({ gateway }: TestGateway, query: Partial<ConnectionQuery> = {}) =>
  usable(gateway.list({ ...everything, ...query }));
const pageOf = ({ gateway }: TestGateway, query: ConnectionQuery) => usable(gateway.page(query));

/** The gateway takes a number for each welcome too, so that names are odd. */
function namesOf(test: TestGateway, query: Partial<ConnectionQuery>): string[] {
  return listOf(test, query).rows.map(({ id }) => id);
}

const onlyRow = (test: TestGateway): ConnectionRow => {
  const { rows } = listOf(test);
  assert.equal(rows.length, 1);
  return rows[0]!;
};

const subscribe = (client: FakeClient, ...channels: string[]): void =>
  client.send(JSON.stringify({ type: 'subscribe', channels }));

describe('a row', () => {
  it('tells of a live one what it has done, has and waits for', () => {
    const test = createTestGateway();
    const client = test.connect(Number.POSITIVE_INFINITY, { userAgent: 'a client/1.0' });
    assert.deepEqual(
      [onlyRow(test).subscriptions, onlyRow(test).rttMs, onlyRow(test).idleSeconds],
      [1, undefined, 0],
    );
    subscribe(client, 'public.a', 'public.b', 'private.c');
    sweepFor(test, 25_000);
    test.clock.pass(40);
    client.events.pong();
    test.gateway.announceBusGap();
    test.clock.pass(2_000);
    const { bytesSent, bufferedBytes, ...row } = onlyRow(test);
    assert.ok(bytesSent > 100);
    assert.equal(bufferedBytes, 0);
    assert.deepEqual(row, {
      id: 'client_1',
      remoteAddr: '192.0.2.7:1234',
      durationSeconds: 27.04,
      // Welcome, subscribed, gap.
      messagesSent: 3,
      messagesReceived: 1,
      bytesReceived: 67,
      idleSeconds: 2,
      state: 'open',
      openedAtUnixMs: 1_700_000_001_000,
      subscriptions: 3,
      rttMs: 40,
      dropped: 0,
      gaps: 1,
      userAgent: 'a client/1.0',
      end: undefined,
    });
    client.stopTaking();
    test.gateway.hub.publish('public.a', Buffer.alloc(1_000, 'x'));
    test.turn();
    assert.equal(onlyRow(test).state, 'congested');
    assert.ok(onlyRow(test).bufferedBytes > 1_000);
  });

  it('tells of one that has ended how it was, and how it ended', () => {
    const test = createTestGateway();
    const client = test.connect();
    client.stopTaking();
    for (let message = 0; message < 4; message += 1) {
      test.gateway.hub.publish('public.a', Buffer.alloc(1_000, 'x'));
      test.turn();
    }
    const closing = onlyRow(test);
    assert.deepEqual([closing.state, closing.subscriptions], ['closing', 1]);
    test.clock.pass(500);
    client.end(1006);
    const { end, ...row } = onlyRow(test);
    assert.deepEqual(
      [row.state, row.bufferedBytes, row.subscriptions, row.durationSeconds, row.id],
      ['closed', 0, 1, 0.5, 'client_1'],
    );
    // Two that waited, and the one that was too much.
    assert.equal(row.dropped, 3);
    assert.deepEqual(
      { ...end, bufferedBytes: undefined },
      {
        closedAtUnixMs: 1_700_000_001_500,
        code: 4408,
        reason: 'slow_consumer',
        initiator: 'server',
        bufferedBytes: undefined,
      },
    );
    assert.ok(end!.bufferedBytes > 1_000 && end!.bufferedBytes < 2_100, String(end!.bufferedBytes));
    test.clock.pass(60_000);
    assert.deepEqual({ ...onlyRow(test) }, { ...row, end }, 'it does not grow older');
  });

  it('has the code of whoever began, 1005 for a frame without one and 1006 where there was no frame', () => {
    const ways: [end: (client: FakeClient, test: TestGateway) => void, code: number, reason: CloseReason][] =
      [
        [(client) => client.closeFromClient(1000), 1000, 'normal'],
        [(client) => client.closeFromClient(4999), 4999, 'client_error'],
        [(client) => client.end(1005), 1005, 'normal'],
        [(client) => client.end(1006), 1006, 'no_close_frame'],
        [
          (client) => {
            client.events.message(Buffer.from('x'), true);
            client.end(1006);
          },
          1003,
          'protocol_error',
        ],
        [
          (client, { gateway }) => {
            assert.equal(gateway.close('client_1', 4000, 'out'), true);
            client.end(4000);
          },
          4000,
          'admin',
        ],
        [
          (client, { gateway }) => {
            gateway.close('client_1');
            // It was under way already.
            client.end(1001);
          },
          1012,
          'admin',
        ],
        [(client) => client.terminate(), 1006, 'no_close_frame'],
      ];
    for (const [end, code, reason] of ways) {
      const test = createTestGateway();
      end(test.connect(), test);
      const row = onlyRow(test);
      assert.deepEqual([row.end?.code, row.end?.reason], [code, reason]);
    }
  });

  it('has the User-Agent, a long one cut', () => {
    const test = createTestGateway();
    test.connect(undefined, { userAgent: 'client/1.0' });
    test.connect(undefined, { userAgent: 'x'.repeat(10_000) });
    test.connect();
    const { rows } = listOf(test);
    assert.deepEqual(
      rows.map(({ userAgent }) => userAgent),
      ['client/1.0', 'x'.repeat(256), undefined],
    );
  });
});

describe('what is asked for', () => {
  it('is live by state, or ended, by reason', () => {
    const test = createTestGateway();
    const clients = [test.connect(), test.connect(), test.connect()];
    clients[0]!.closeFromClient(1000);
    clients[1]!.end(1006);
    assert.deepEqual(namesOf(test, { state: 'open' }), ['client_5']);
    assert.deepEqual(namesOf(test, { state: 'closed' }), ['client_1', 'client_3']);
    assert.deepEqual(namesOf(test, {}), ['client_1', 'client_3', 'client_5']);
    assert.deepEqual(namesOf(test, { reason: 'no_close_frame' }), ['client_3']);
    assert.equal(test.gateway.find('client_1')?.state, 'closed');
    assert.equal(test.gateway.find('client_5')?.state, 'open');
    assert.equal(test.gateway.find('client_2'), undefined);
    assert.equal(test.gateway.close('client_1'), false);
  });

  it('is by address, with its port or without, and by a network where only that is shown', () => {
    const test = createTestGateway();
    test.connect(undefined, { address: '2001:db8::7', port: 9 });
    test.connect().end(1006);
    assert.deepEqual(namesOf(test, { ip: '2001:db8::7' }), ['client_1']);
    assert.deepEqual(namesOf(test, { ip: '192.0.2.7' }), ['client_3']);
    for (const spelling of ['2001:DB8::7', '2001:db8:0:0:0:0:0:7', '2001:0db8::0007'])
      assert.deepEqual(namesOf(test, { ip: spelling }), ['client_1'], spelling);
    assert.deepEqual(namesOf(test, { ip: '::ffff:192.0.2.7' }), ['client_3']);
    assert.deepEqual(namesOf(test, { ip: '192.0.2.70' }), []);
    test.connect(undefined, { address: 'fe80::7%eth0' });
    assert.deepEqual(namesOf(test, { ip: 'FE80::7%eth0' }), ['client_5']);
    const masked = createTestGateway({ remoteAddr: 'masked' });
    masked.connect();
    masked.connect(undefined, { address: '2001:db8:1:2::7' });
    for (const ip of ['192.0.2.0', '192.0.2.7']) assert.deepEqual(namesOf(masked, { ip }), ['client_1']);
    assert.deepEqual(namesOf(masked, { ip: '2001:db8:1:9::1' }), ['client_3']);
    const off = createTestGateway({ remoteAddr: 'off' });
    off.connect();
    assert.deepEqual(namesOf(off, { ip: '192.0.2.7' }), []);
    assert.deepEqual(namesOf(masked, { ip: '2001:db8:1::' }), ['client_3']);
  });

  it('is by a channel that it hears the whole of', () => {
    const test = createTestGateway();
    test.connect();
    subscribe(test.connect(), 'public.a', 'private.*');
    assert.deepEqual(namesOf(test, { channel: 'public.a' }), ['client_1', 'client_3']);
    assert.deepEqual(namesOf(test, { channel: 'public.*' }), ['client_1']);
    assert.deepEqual(namesOf(test, { channel: 'private.x' }), ['client_3']);
    assert.deepEqual(namesOf(test, { channel: 'elsewhere' }), []);
  });

  it('is by idleness, of live ones now and of ended ones at their end; and nobody has a name', () => {
    const test = createTestGateway();
    const [first, second] = [test.connect(), test.connect()];
    test.clock.pass(5_000);
    first.send('{"type":"heartbeat"}');
    test.clock.pass(1_000);
    assert.deepEqual(namesOf(test, { minIdleSeconds: 2 }), ['client_3']);
    second.end(1006);
    test.clock.pass(10_000);
    assert.deepEqual(namesOf(test, { minIdleSeconds: 11 }), ['client_1']);
    assert.deepEqual(namesOf(test, { minIdleSeconds: 6 }), ['client_1', 'client_3']);
    assert.deepEqual(namesOf(test, { user: 'somebody' }), []);
  });

  it('is summed up, whatever the page', () => {
    const test = createTestGateway();
    const clients = Array.from({ length: 5 }, () => test.connect());
    clients[0]!.closeFromClient(1000);
    clients[1]!.end(1006);
    clients[2]!.stopTaking();
    test.gateway.hub.publish('public.a', Buffer.alloc(1_000, 'x'));
    test.turn();
    const { summary, rows } = listOf(test, { limit: 0 });
    assert.deepEqual(rows, []);
    const all = listOf(test);
    const sum = (of: (row: ConnectionRow) => number) => all.rows.reduce((total, row) => total + of(row), 0);
    assert.deepEqual(summary, {
      count: 5,
      states: { open: 2, congested: 1, closing: 0, closed: 2 },
      messagesSent: sum((row) => row.messagesSent),
      messagesReceived: 0,
      bytesSent: sum((row) => row.bytesSent),
      bytesReceived: 0,
      bufferedBytes: sum((row) => row.bufferedBytes),
      dropped: 0,
      gaps: 0,
      subscriptions: 5,
      closeReasons: { normal: 1, no_close_frame: 1 },
    });
    assert.ok(summary.bufferedBytes > 1_000 && summary.messagesSent === 7);
    assert.deepEqual(listOf(test, { limit: 1 }).summary, summary);
  });
});

describe('an order', () => {
  it('is by each key, both ways, and what has none comes last', () => {
    const test = createTestGateway();
    const clients = [test.connect(), test.connect(), test.connect()];
    test.clock.pass(1_000);
    clients[1]!.send('{"type":"heartbeat"}');
    subscribe(clients[2]!, 'public.a', 'public.b');
    sweepFor(test, 24_000);
    test.clock.pass(30);
    clients[2]!.events.pong();
    test.clock.pass(30);
    clients[0]!.events.pong();
    const orders: Partial<Record<ConnectionQuery['sort'], string>> = {
      id: '1 3 5',
      opened: '1 3 5',
      // Of equals the one that was opened first.
      duration: '1 3 5',
      idle: '3 5 1',
      messages_recv: '1 3 5',
      rtt: '5 1 3',
      subscriptions: '1 3 5',
    };
    for (const [sort, expected] of Object.entries(orders)) {
      const names = namesOf(test, { sort: sort as ConnectionQuery['sort'] });
      assert.equal(names.map((name) => name.slice('client_'.length)).join(' '), expected, sort);
    }
    assert.deepEqual(namesOf(test, { sort: 'opened', order: 'desc' }), ['client_5', 'client_3', 'client_1']);
    assert.deepEqual(namesOf(test, { sort: 'rtt', order: 'desc' }), ['client_1', 'client_5', 'client_3']);
    assert.deepEqual(namesOf(test, { sort: 'subscriptions', order: 'desc' })[0], 'client_5');
    clients[2]!.end(1006);
    clients[0]!.end(1006);
    assert.deepEqual(namesOf(test, { sort: 'closed', order: 'desc' }), ['client_1', 'client_5', 'client_3']);
    assert.deepEqual(namesOf(test, { sort: 'closed' }), ['client_5', 'client_1', 'client_3']);
  });

  it('agrees with what the rows tell', () => {
    const keys = {
      bytes_sent: 'bytesSent',
      bytes_recv: 'bytesReceived',
      messages_sent: 'messagesSent',
      messages_recv: 'messagesReceived',
      buffered: 'bufferedBytes',
      dropped: 'dropped',
      idle: 'idleSeconds',
      duration: 'durationSeconds',
    } as const;
    const test = createTestGateway({ slowPolicy: 'drop' });
    const clients = Array.from({ length: 9 }, () => {
      test.clock.pass(10);
      return test.connect();
    });
    for (const [index, client] of clients.entries()) {
      test.clock.pass(10);
      for (let count = 0; count < (index * 5) % 9; count += 1) client.send('{"type":"heartbeat"}');
      if (index % 3 === 0) client.room = index * 900;
      test.gateway.hub.publish('public.a', Buffer.alloc(700, 'x'));
      test.turn();
    }
    for (const client of clients.slice(7)) client.end(1006);
    for (const [sort, field] of Object.entries(keys)) {
      for (const order of ['asc', 'desc'] as const) {
        const query = { ...everything, sort: sort as ConnectionQuery['sort'], order };
        const values = listOf(test, query).rows.map((row) => row[field]);
        assert.ok(new Set(values).size > 1, sort);
        const sorted = values.toSorted((a, b) => (order === 'asc' ? a - b : b - a));
        assert.deepEqual(values, sorted, `${sort} ${order}`);
      }
    }
  });
});

describe('pages', () => {
  it('put together give each connection that lived through the listing once', () => {
    const step = fc.record({
      opens: fc.nat({ max: 3 }),
      ends: fc.array(fc.nat(), { maxLength: 3 }),
      speaks: fc.array(fc.nat(), { maxLength: 4 }),
      passesMs: fc.nat({ max: 40 }),
    });
    const property = fc.property(
      fc.constantFrom(...connectionSortKeys),
      fc.constantFrom('asc' as const, 'desc' as const),
      fc.constantFrom('open' as const, 'all' as const),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 20 }),
      fc.array(step, { minLength: 20, maxLength: 40 }),
      fc.boolean(),
      fc.constantFrom(undefined, 0.05),
      (sort, order, state, limit, atFirst, steps, hasSummary, minIdleSeconds) => {
        const test = createTestGateway();
        const { gateway } = test;
        const live: FakeClient[] = Array.from({ length: atFirst }, () => test.connect());
        const change = ({ opens, ends, speaks, passesMs }: (typeof steps)[number]): void => {
          test.clock.pass(passesMs);
          for (const index of speaks) live[index % live.length]?.send('{"type":"heartbeat"}');
          for (const index of ends) live.splice(index % Math.max(1, live.length), 1)[0]?.end(1006);
          for (let count = 0; count < opens; count += 1) live.push(test.connect());
        };
        for (const one of steps.slice(0, 5)) change(one);
        const asked = { ...everything, sort, order, state, minIdleSeconds };
        const before = new Set(listOf(test, { ...asked, sort: 'opened' }).rows.map(({ id }) => id));
        const given: string[] = [];
        let cursor: string | undefined;
        for (let page = 0; ; page += 1) {
          const query = { ...asked, limit, cursor };
          const { rows, next, isTruncated } = hasSummary ? listOf(test, query) : pageOf(test, query);
          assert.ok(rows.length <= limit);
          assert.equal(isTruncated, next !== undefined);
          if (state === 'open')
            for (const { id } of rows)
              assert.ok(gateway.connections.get(id) !== undefined, `${id} has ended`);
          given.push(...rows.map(({ id }) => id));
          cursor = next;
          if (cursor === undefined) break;
          change(steps[5 + (page % (steps.length - 5))]!);
          assert.ok(page < 200, 'it ends');
        }
        assert.equal(new Set(given).size, given.length, 'none comes twice');
        const known = new Set(given);
        for (const { id } of gateway.connections)
          if (before.has(id)) assert.ok(known.has(id), `${id} is missing`);
      },
    );
    fc.assert(property, propertyRuns(300));
  });

  it('give those that have ended, the newest first', () => {
    const test = createTestGateway();
    for (let count = 0; count < 5; count += 1) test.connect().end(1006);
    const query: ConnectionQuery = {
      ...everything,
      state: 'closed',
      sort: 'closed',
      order: 'desc',
      limit: 2,
    };
    const names: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = pageOf(test, { ...query, cursor });
      names.push(page.rows.map(({ id }) => id.slice('client_'.length)));
      cursor = page.next;
      // Newer than all that is to come.
      test.connect().end(1006);
    } while (cursor !== undefined);
    assert.deepEqual(names, [['9', '7'], ['5', '3'], ['1']]);
  });

  it('are refused by a cursor of another query, or of nobody', () => {
    const test = createTestGateway();
    for (let count = 0; count < 3; count += 1) test.connect();
    const made = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString('base64url');
    for (const sort of ['opened', 'idle'] as const) {
      const query: ConnectionQuery = { ...everything, sort, limit: 1 };
      const { next } = pageOf(test, query);
      assert.equal(pageOf(test, { ...query, cursor: next, limit: 5 }).rows.length, 2, 'of another length');
      for (const other of [{ order: 'desc' }, { sort: 'rtt' }, { state: 'open' }, { ip: '::1' }] as const)
        assert.equal(test.gateway.page({ ...query, ...other, cursor: next }), 'foreign cursor');
      const [stamp] = JSON.parse(Buffer.from(next!, 'base64url').toString()) as [string];
      const wrong = [1, [stamp], [stamp, {}, 1, 1], [stamp, 'x', 'y', 'z'], [stamp, 'x', -1], [stamp, 1, 1]];
      for (const cursor of ['', 'x', '!', ...wrong.map(made)]) {
        assert.equal(test.gateway.page({ ...query, cursor }), 'foreign cursor', cursor);
        assert.equal(test.gateway.list({ ...query, cursor }), 'foreign cursor', cursor);
      }
    }
  });

  it('in an order by something that changes are had for two minutes after the last', () => {
    const test = createTestGateway();
    for (let count = 0; count < 3; count += 1) test.connect();
    const query: ConnectionQuery = { ...everything, sort: 'idle', limit: 1 };
    const { next: cursor } = pageOf(test, query);
    test.clock.pass(120_000);
    assert.equal(pageOf(test, { ...query, cursor }).rows.length, 1);
    test.clock.pass(120_000);
    assert.equal(pageOf(test, { ...query, cursor }).rows.length, 1);
    test.clock.pass(119_000);
    test.gateway.sweep();
    assert.equal(pageOf(test, { ...query, cursor }).rows.length, 1);
    test.clock.pass(120_001);
    assert.equal(test.gateway.page({ ...query, cursor }), 'expired cursor');
  });

  it('of orders are kept for so many entries, the newest in any case', () => {
    const test = createTestGateway();
    for (let count = 0; count < 1_000; count += 1) test.connect();
    const query: ConnectionQuery = { ...everything, sort: 'idle', limit: 1 };
    const cursors = Array.from({ length: 501 }, () => pageOf(test, query).next);
    assert.equal(test.gateway.page({ ...query, cursor: cursors[0] }), 'expired cursor');
    for (const cursor of [cursors[1], cursors[500]])
      assert.equal(pageOf(test, { ...query, cursor }).rows.length, 1);
  });
});

describe('ended connections', () => {
  const add = (to: ClosedConnections, id: string, reason: CloseReason) => {
    const end = { closedAtUnixMs: 0, code: 1000, reason, initiator: 'client', bufferedBytes: 0 };
    to.add(rowWith({ id }), end, 1);
  };

  it('are kept up to a number, and good-byes do not push out what went wrong', () => {
    const closed = new ClosedConnections(3);
    add(closed, 'slow', 'slow_consumer');
    add(closed, 'cut', 'no_close_frame');
    for (const reason of ['normal', 'going_away', 'admin', 'drain'] as const) add(closed, reason, reason);
    assert.deepEqual(
      [...closed].map(({ id, closedNumber }) => [id, closedNumber]),
      [
        ['slow', 1],
        ['cut', 2],
        ['going_away', 4],
        ['admin', 5],
        ['drain', 6],
      ],
    );
    assert.equal(closed.find('normal'), undefined, 'its place has been taken');
    assert.equal(closed.find('drain')?.closedNumber, 6);
    assert.equal(closed.find('cut')?.end.reason, 'no_close_frame');
    assert.equal(closed.find('other'), undefined);
  });
});
