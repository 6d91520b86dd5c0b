/**
 * A test of the tests: each of these bugs is put into a copy of the gateway, one at a time, and the gateway's
 * own unit tests must notice it. A bug that passes means that a figure could be wrong and nobody would know.
 *
 * The model is left out. Its random runs find most of these bugs, but not in every run; a promise that only they
 * keep is kept by luck. So each bug has a direct example that shows it, every time.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { createTempFolder } from '../support/child.ts';

type SeededBug = { what: string; file: string; from: string; to: string };

const bugs: SeededBug[] = [
  {
    what: 'a received message is counted twice',
    file: 'ledger.ts',
    from: 'this.messagesReceived += 1;',
    to: 'this.messagesReceived += 2;',
  },
  {
    what: 'a delivery that waits is counted as sent',
    file: 'connection.ts',
    from: 'if (wire.writableLength === 0 && wire.errored === null)',
    to: 'if (wire.errored === null)',
  },
  {
    what: 'a write that failed at once is counted as sent',
    file: 'connection.ts',
    from: 'if (wire.writableLength === 0 && wire.errored === null)',
    to: 'if (wire.writableLength === 0)',
  },
  {
    what: 'a write that failed later is counted as sent',
    file: 'send-queue.ts',
    from: 'if (error) return;',
    to: '',
  },
  {
    what: 'what was taken stays queued',
    file: 'connection.ts',
    from: 'this.counts.wait(-deliveries);',
    to: '',
  },
  {
    what: 'wire bytes that were never sent are counted',
    file: 'connection.ts',
    from: 'this.counts.wait(deliveries);\n    this.#congest()',
    to: 'this.counts.wait(deliveries);\n    this.#events.ledger.wire.sent += bytes.length;\n    this.#congest()',
  },
  {
    what: 'what was queued at the end is forgotten',
    file: 'connection.ts',
    from: "this.counts.drop('closed', queued);",
    to: '',
  },
  {
    what: 'what does not fit is not counted as dropped',
    file: 'connection.ts',
    from: "this.counts.drop('slow_consumer', messages);",
    to: '',
  },
  {
    what: 'a conflated message is forgotten',
    file: 'connection.ts',
    from: "waits in its place.\n        counts.drop('conflated', 1);",
    to: 'waits in its place.',
  },
  {
    what: 'what is held back is lost when the client has caught up',
    file: 'connection.ts',
    from: 'else this.#writeHeld(part, nowMs);',
    to: '',
  },
  {
    what: 'a client is not told what it missed',
    file: 'connection.ts',
    from: "if ('reason' in part) this.#events.gap(this, part.reason, part.messages);\n      else",
    to: "if (!('reason' in part))",
  },
  {
    what: 'what was dropped in an overload is not told to the quiet',
    file: 'audience.ts',
    from: 'if (member.hasMissed) member.tellOfMissed();',
    to: '',
  },
  {
    what: 'an outage of the bus is told before what waits for the flush',
    file: 'audience.ts',
    from: 'if (member.nextMessage === end) {',
    to: 'if (end >= 0) {',
  },
  {
    what: 'an outage among dropped messages is not told',
    file: 'audience.ts',
    from: 'if (member.nextMessage < lastOutage) member.missBus();',
    to: '',
  },
  {
    what: 'what a slow client is sent overtakes the word of an outage',
    file: 'connection.ts',
    from: 'this.#release(nowMs);\n      return this.#writeBatch',
    to: 'return this.#writeBatch',
  },
  {
    what: 'the word of an outage overtakes what is held back',
    file: 'held-messages.ts',
    from: 'parts.push(entry);',
    to: 'parts.unshift(entry);',
  },
  {
    what: 'of several outages the first parts what is held',
    file: 'held-messages.ts',
    from: 'this.#entries.delete(key);',
    to: '',
  },
  {
    what: 'only the last of several losses is told',
    file: 'held-messages.ts',
    from: ': before + messages',
    to: ': messages',
  },
  {
    what: 'what was dropped behind a round is not told to those who wait for it',
    file: 'audience.ts',
    from: 'if (dropped > 0) member.miss(dropped);',
    to: '',
  },
  {
    what: 'skipping never ends',
    file: 'connection.ts',
    from: 'this.#isSkipping = false;',
    to: '',
  },
  {
    what: 'the last cause of an end wins',
    file: 'connection.ts',
    from: 'this.#cause ??= reason;\n    this.noticeClosing();\n  }\n\n  /** One side',
    to: 'this.#cause = reason;\n    this.noticeClosing();\n  }\n\n  /** One side',
  },
  {
    what: 'data follows a close frame',
    file: 'connection.ts',
    from: 'if (this.#peer.readyState !== OPEN) return this.noticeClosing();\n    const messages',
    to: 'const messages',
  },
  {
    what: 'a closed connection stays in the table',
    file: 'connections.ts',
    from: 'if (this.#rows.delete(connection.id))',
    to: '',
  },
  {
    what: 'a congested connection stays listed',
    file: 'gateway.ts',
    from: 'else this.connections.congested.delete(connection);',
    to: '',
  },
  {
    what: 'the peak follows the present',
    file: 'connections.ts',
    from: 'if (this.#rows.size > this.peak) this.peak',
    to: 'this.peak',
  },
  {
    what: 'the counts of the dead are lost',
    file: 'ledger.ts',
    from: 'counts.addTo(this.ended);',
    to: '',
  },
  {
    what: 'the totals do not know what their connections count',
    file: 'ledger.ts',
    from: 'this.#total?.wait(deliveries);',
    to: '',
  },
  {
    what: 'a close that the client began is not seen',
    file: 'connection.ts',
    from: 'closeFrame(write: () => void, code = NO_CODE): void {\n    this.noticeClosing();',
    to: 'closeFrame(write: () => void, code = NO_CODE): void {',
  },
  {
    what: 'a buffer that a socket still holds is used again',
    file: 'connection.ts',
    from: 'if (this.#queue !== undefined) batch.isHeld = true;',
    to: '',
  },
  {
    what: 'an end has two reasons',
    file: 'ledger.ts',
    from: 'this.closed[reason] += 1;',
    to: 'this.closed[reason] += 1;\n    this.closed.normal += 1;',
  },
  {
    what: 'a handshake stays in progress',
    file: 'gateway.ts',
    from: 'this.ledger.handshakes.active -= 1;\n    this.ledger.opened',
    to: 'this.ledger.opened',
  },
  {
    what: 'a message that matches twice is sent twice',
    file: 'hub.ts',
    from: 'if (audience.lastMatch === this.#match) return;',
    to: '',
  },
  {
    what: 'whoever joins late hears what came before',
    file: 'audience.ts',
    from: 'connection.nextMessage = this.#base + this.#waiting.length;',
    to: 'connection.nextMessage = this.#base;',
  },
  {
    what: 'whoever leaves loses what came before',
    file: 'audience.ts',
    from: 'this.#deliverTo(connection, this.#base + this.#waiting.length, nowMs);',
    to: '',
  },
  {
    what: 'a member that moves keeps its old place',
    file: 'audience.ts',
    from: 'last.membershipIndex = connection.membershipIndex;',
    to: '',
  },
  {
    what: 'dropped messages are not counted for who missed them',
    file: 'audience.ts',
    from: 'member.miss(to - member.nextMessage);',
    to: '',
  },
  {
    what: 'members behind what was dropped keep their old number',
    file: 'audience.ts',
    from: 'member.nextMessage -= count;',
    to: '',
  },
  {
    what: 'what is finished counts as waiting',
    file: 'backlog.ts',
    from: 'this.#count -= 1;',
    to: '',
  },
  {
    what: 'places in queues take no room',
    file: 'backlog.ts',
    from: 'this.#bytes += PLACE_BYTES;',
    to: '',
  },
  {
    what: 'what is being written counts as what can be dropped',
    file: 'backlog.ts',
    from: ' || message.isBeingWritten',
    to: '',
  },
  {
    what: 'numbers do not begin anew',
    file: 'backlog.ts',
    from: 'this.#messages[(numbers[index]! - this.#first) | 0]!',
    to: 'this.#messages[numbers[index]! - this.#first]!',
  },
  {
    what: 'a block goes to two queues',
    file: 'number-queues.ts',
    from: 'this.#free = this.next(block);',
    to: '',
  },
  {
    what: 'the blocks of what has been written are never given back',
    file: 'number-queues.ts',
    from: 'this.#pool.giveBack(block);',
    to: '',
  },
  {
    what: 'who is far behind rests all the same',
    file: 'hub.ts',
    from: ' && this.lagMs(this.#surroundings.nowMs()) < BEHIND_MS',
    to: '',
  },
  {
    what: 'an empty audience is kept',
    file: 'hub.ts',
    from: 'this.#delete(audience);',
    to: '',
  },
  {
    what: 'a channel is let go of while others listen',
    file: 'hub.ts',
    from: 'if (wanted > 0) {',
    to: 'if (wanted > 1) {',
  },
  {
    what: 'our own stall is held against clients',
    file: 'heartbeat.ts',
    from: 'for (const connection of this.#connections) connection.credit(stallMs);',
    to: '',
  },
  {
    what: 'who has left waits for a ping for ever',
    file: 'heartbeat.ts',
    from: '    connection.heartbeatSlot?.delete(connection);\n    connection.heartbeatSlot = undefined;',
    to: '',
  },
  {
    what: 'a pong does not bring the next ping forward',
    file: 'heartbeat.ts',
    from: 'connection.awaitsPong = false;\n    this.#lookAt(connection, this.#dueAtMs(connection));',
    to: 'connection.awaitsPong = false;',
  },
  {
    what: 'the sweep rests while somebody is congested',
    file: 'heartbeat.ts',
    from: 'this.#congested.size > 0 || ',
    to: '',
  },
  {
    what: 'a missed pong is never noticed',
    file: 'heartbeat.ts',
    from: "connection.close('ping_timeout');",
    to: '',
  },
  {
    what: 'a drain refuses while others still send clients here',
    file: 'drain.ts',
    from: "return this.#phase === 'closing' || this.#phase === 'ending';",
    to: "return this.#phase !== 'serving';",
  },
  {
    what: 'a drain does not wait for its delay when everybody has left',
    file: 'drain.ts',
    from: 'if (!this.isRefusing || this.#connections.size > 0) return;',
    to: 'if (!this.isDraining || this.#connections.size > 0) return;',
  },
  {
    what: 'a drain closes all at once',
    file: 'drain.ts',
    from: 'now >= this.#closeAtMs(this.#closed)',
    to: 'true',
  },
  {
    what: 'a few clients keep the gateway for the whole window',
    file: 'drain.ts',
    from: 'Math.min(this.#settings.drainWindowMs, this.#order.length * SPACING_MAX_MS)',
    to: 'this.#settings.drainWindowMs',
  },
  {
    what: 'clients are closed in the order of their arrival',
    file: 'drain.ts',
    from: 'const chosen = Math.floor(random() * left);',
    to: 'const chosen = left - 1;',
  },
  {
    what: 'somebody is left out of the random order',
    file: 'drain.ts',
    from: 'order[left - 1] = order[chosen]!;',
    to: '',
  },
  {
    what: 'the hint is measured from the beginning of the closes',
    file: 'drain.ts',
    from: 'this.#closeAtMs(this.#hinted) - now)',
    to: 'this.#closeAtMs(this.#hinted) - this.#closingFromMs)',
  },
  {
    what: 'a congested client is told a time that has passed when it reads it',
    file: 'drain.ts',
    from: "if (connection.state !== 'open') return;",
    to: '',
  },
  {
    what: 'a drain holds up everybody else',
    file: 'drain.ts',
    from: 'const untilMs = startedMs + SLICE_MS;',
    to: 'const untilMs = Number.POSITIVE_INFINITY;',
  },
  {
    what: 'a peer that does not answer is waited for without end',
    file: 'drain.ts',
    from: 'if (this.#ticksLeft > 0) return;',
    to: 'return;',
  },
  {
    what: 'a drain does not notice that the last one has gone',
    file: 'gateway.ts',
    from: 'this.drain.connectionEnded();',
    to: '',
  },
  {
    what: "a drain's timer goes on for ever",
    file: 'drain.ts',
    from: 'this.#stopTicking?.();',
    to: '',
  },
  {
    what: 'a second signal does not hurry the delay',
    file: 'drain.ts',
    from: '(this.#isHurried || nowMs >= this.#closingFromMs)',
    to: 'nowMs >= this.#closingFromMs',
  },
];

describe('seeded bugs', { concurrency: 2 }, () => {
  const root = join(import.meta.dirname, '../..');

  async function failsWith(bug: SeededBug | undefined): Promise<boolean> {
    const folder = createTempFolder('seeded-bug');
    try {
      for (const part of ['src', 'test/unit/gateway', 'test/support', 'package.json']) {
        cpSync(join(root, part), join(folder.path, part), { recursive: true });
      }
      rmSync(join(folder.path, 'test/unit/gateway/model.test.ts'));
      symlinkSync(join(root, 'node_modules'), join(folder.path, 'node_modules'));
      if (bug !== undefined) {
        const file = join(folder.path, 'src/gateway', bug.file);
        const text = readFileSync(file, 'utf8');
        assert.equal(text.split(bug.from).length, 2, `${bug.file} must contain once: ${bug.from}`);
        writeFileSync(
          file,
          text.replace(bug.from, () => bug.to),
        );
      }
      const { PATH = '', HOME = '' } = process.env;
      // In one process, for starting one for each file takes longer than the tests; and no further than the first failure.
      const options = ['--test', '--test-isolation=none', '--test-reporter=tap'];
      const run = spawn(process.execPath, [...options, 'test/unit/gateway/*.test.ts'], {
        cwd: folder.path,
        env: { PATH, HOME },
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 60_000,
      });
      const exit = once(run, 'exit');
      for await (const line of createInterface({ input: run.stdout }))
        if (/^ *not ok /.test(line)) run.kill('SIGKILL');
      const [code] = await exit;
      return code !== 0;
    } finally {
      folder.remove();
    }
  }

  test('without any, the tests pass', async () => {
    assert.equal(await failsWith(undefined), false);
  });

  for (const bug of bugs) {
    test(`the tests notice that ${bug.what}`, async () => {
      assert.equal(await failsWith(bug), true);
    });
  }
});
