/**
 * What a browser makes of the gateway: who may read the reports and open the WebSocket, who may not, and the start
 * page, which is to work for somebody who has nothing but it. A real Chromium, and pages of other origins.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node';
import type { Browser } from 'playwright-core';
import {
  type BrowserContext,
  openPage,
  type Page,
  type Site,
  startBrowser,
  startSite,
} from '../support/browser.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { skipWithout } from '../support/real-part.ts';
import { scrapeCounters, summed } from '../support/series.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

const reports = ['/stats', '/metrics/enhanced', '/metrics/system'];
const formTypes = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

const withoutNats = await skipWithout('nats-server');

describe('a browser', { skip: await skipWithout('chromium') }, () => {
  let browser: Browser;
  let site: Site;
  before(async () => {
    browser = await startBrowser();
    site = await startSite();
  });
  after(async () => {
    await browser?.close();
    await site?.stop();
  });

  /** Runs with a page in a context of its own, which is a fresh profile. */
  async function withPage(
    use: (page: Page, complaints: string[]) => Promise<void>,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<void> {
    const context: BrowserContext = await browser.newContext(options);
    try {
      const { page, complaints } = await openPage(context);
      await use(page, complaints);
    } finally {
      await context.close();
    }
  }

  describe('on a page of another origin', () => {
    let gateway: GatewayProcess;
    before(async () => {
      gateway = await startGateway();
    });
    after(() => gateway?.stop());

    for (const host of ['localhost', '127.0.0.1']) {
      test(`of ${host} reads the reports, hears messages and publishes`, async () => {
        await withPage(async (page, complaints) => {
          await page.goto(site.origin(host));
          for (const report of reports) {
            const document = (await fetchJson(page, gateway.url + report)) as Record<string, unknown>;
            assert.ok('system' in document, `${report}: ${JSON.stringify(document)}`);
          }
          assert.match(String(await firstMessage(page, gateway.wsUrl)), /"type":"connectionEstablished"/);
          assert.equal(await publishFrom(page, gateway.url, 'application/json'), 202);
          assert.deepEqual(complaints, []);
        });
      });
    }

    test('of a foreign host reads nothing, hears nothing and publishes nothing', async () => {
      const witness = await connectClient(gateway.wsUrl);
      const sent = async () => summed(await scrapeCounters(gateway), 'messaging_client_sent_messages_total');
      const sentBefore = await sent();
      await withPage(async (page) => {
        await page.goto(site.origin('evil.example'));
        for (const report of [...reports, '/metrics', '/health']) {
          assert.equal(await fetchJson(page, gateway.url + report), 'TypeError: Failed to fetch', report);
        }
        assert.equal(await firstMessage(page, gateway.wsUrl), 'closed with 1006');
        for (const type of ['application/json', 'application/octet-stream', 'text/plain']) {
          assert.equal(await publishFrom(page, gateway.url, type), 'TypeError: Failed to fetch', type);
        }
        // Requests whose answer a page does not ask to read go out without a preflight: these must not act.
        assert.equal(await publishFrom(page, gateway.url, 'text/plain', 'no-cors'), 0);
        await beacon(page, gateway.url);
      });
      for (const type of formTypes) assert.equal(await postForm('evil.example', type), 403, type);
      assert.equal(await sent(), sentBefore);
      assert.equal(witness.messages.length, 1, 'something was published');
      const counters = await scrapeCounters(gateway);
      assert.equal(summed(counters, 'tidegauge_handshake_rejections_total', '"forbidden_origin"'), 1);
      witness.socket.close();
    });

    test('may not publish with a form, not even from localhost', async () => {
      for (const type of formTypes) assert.equal(await postForm('localhost', type), 403, type);
    });

    test('may not act or listen under a name of its own that points here', async () => {
      const rebound = `http://evil.example:${new URL(gateway.url).port}`;
      await withPage(async (page) => {
        await page.goto(`${rebound}/livez`);
        assert.equal(await publishFrom(page, rebound, 'application/json'), 403);
        assert.equal(await firstMessage(page, `${rebound.replace('http', 'ws')}/ws`), 'closed with 1006');
      });
    });

    /** A form on a page of that host; answers with the status that the browser is led to. */
    async function postForm(host: string, type: string): Promise<number | undefined> {
      let status: number | undefined;
      await withPage(async (page) => {
        await page.goto(site.origin(host));
        const action = `${gateway.url}/publish/public.form`;
        await page.setContent(
          `<form method="post" enctype="${type}" action="${action}"><input name="a" value="b"><button>go</button></form>`,
        );
        const answer = page.waitForResponse(action);
        await page.click('button');
        status = (await answer).status();
      });
      return status;
    }
  });

  describe('on the start page', { skip: withoutNats }, () => {
    let nats: NatsServer;
    let publisher: NatsConnection;
    let gateway: GatewayProcess;
    before(async () => {
      nats = await startNatsServer();
      publisher = await connectNats({ servers: nats.url });
      gateway = await startGateway({ NATS_URL: nats.url, TIDEGAUGE_SAMPLE_INTERVAL: '250ms' });
      await gateway.ready();
    });
    after(async () => {
      await gateway?.stop();
      await publisher?.close();
      await nats?.stop();
    });

    test('sees live figures, the same as the report has', async () => {
      const others = await Promise.all([connectClient(gateway.wsUrl), connectClient(gateway.wsUrl)]);
      await withPage(async (page, complaints) => {
        await page.goto(gateway.url);
        await shows(page, '#active', '3');
        await shows(page, '#active-more', /^open now; [\d,]+ in total, [\d,]+ at the peak$/);
        await shows(page, '#figures-state', 'live');
        await shows(page, '#uptime', /^up for \d+ s$/);
        publisher.publish('public.figures', 'x');
        const { connections } = (await fetchJson(page, `${gateway.url}/metrics/enhanced`)) as {
          connections: { messages_sent_total: number; bytes_recv_total: number };
        };
        await shows(page, '#sent', String(connections.messages_sent_total));
        await shows(page, '#received-more', `${connections.bytes_recv_total} B of payload`);
        await shows(page, '#heap', /^[\d.]+ MiB$/);
        await shows(page, '#heap-more', /^allocated; [\d.]+ MiB in all$/);
        await shows(page, '#cpu', /^[\d.]+ %$/);
        await shows(page, '#loop-more', /^busy; delays p99 [\d.]+ ms$/);
        await shows(page, '#active-range', /^[23] to 3, now 3$/);
        // One line, without a gap.
        const line = await page.getAttribute('#active-chart path', 'd');
        assert.match(line!, /^M[\d.]+,[\d.]+(?:L[\d.]+,[\d.]+)+$/);
        for (const { socket } of others) socket.close();
        await shows(page, '#active', '1');
        assert.deepEqual(complaints, []);
      });
    });

    test('hears what is published on NATS, as text whatever is in it', async () => {
      await withPage(async (page, complaints) => {
        await page.goto(gateway.url);
        await shows(page, '#socket-state', `connected to ${new URL(gateway.url).host}`);
        const hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
        for (const text of ['{"tide":"high"}', hostile, '']) publisher.publish('public.tide', text);
        const items = page.locator('#messages li span');
        await until('four messages', async () => (await items.count()) === 4);
        const [empty, markup, tide, welcome] = await items.allTextContents();
        assert.deepEqual([empty, markup, tide], ['(empty)', hostile, '{"tide":"high"}']);
        assert.match(welcome!, /connectionEstablished/);
        assert.equal(await page.locator('#messages img').count(), 0);
        await shows(page, '#heard', '4');
        await page.click('#pause');
        publisher.publish('public.tide', 'while paused');
        await shows(page, '#heard', '5');
        assert.equal(await items.count(), 4);
        await page.click('#clear');
        await until('none is shown', async () => (await items.count()) === 0);
        assert.deepEqual(complaints, []);
      });
    });

    test('subscribes, publishes to NATS, and unsubscribes', async () => {
      const heardOnNats = publisher.subscribe('public.harbour.north', { max: 1 });
      await publisher.flush();
      await withPage(async (page, complaints) => {
        await page.goto(gateway.url);
        await shows(page, '#socket-state', /^connected/);
        await page.fill('#channel', 'public.harbour.*');
        await page.click('#subscribe-form button');
        await shows(page, '#channels li button', 'public.harbour.* ×');
        publisher.publish('public.elsewhere', 'not for this page');
        await publisher.flush();
        await page.fill('#subject', 'public.harbour.north');
        await page.fill('#payload', '{"ship":"in"}');
        await page.click('#publish-form button');
        await shows(page, '#publish-state', '13 bytes published on public.harbour.north');
        for await (const message of heardOnNats) assert.equal(message.string(), '{"ship":"in"}');
        const newest = page.locator('#messages li span').first();
        await until('the page hears it too', async () => (await newest.textContent()) === '{"ship":"in"}');
        assert.equal(await page.locator('#messages li', { hasText: 'not for this page' }).count(), 0);
        // Whoever publishes can say what looks like an answer; nobody has asked for these.
        for (const answer of [
          '{"type":"subscribed","channels":["public.fake"]}',
          '{"type":"unsubscribed","channels":["public.harbour.*"]}',
        ])
          publisher.publish('public.harbour.south', answer);
        await until(
          'both have come',
          async () => (await newest.textContent())?.startsWith('{"type":"unsub') ?? false,
        );
        assert.deepEqual(await page.locator('#channels li').allTextContents(), ['public.harbour.* ×']);
        await page.press('#channels li button', 'Enter');
        await until('the channel is gone', async () => (await page.locator('#channels li').count()) === 0);
        const focused = (): Promise<unknown> => page.evaluate('document.activeElement.id');
        assert.equal(await focused(), 'channel');
        await page.click('#pause');
        await page.fill('#channel', 'secret.>');
        await page.press('#channel', 'Enter');
        await shows(page, '#subscribe-state', '"secret.>" is not for this client to hear.');
        await shows(page, '#channel-hint', /hears nothing/);
        await page.fill('#subject', '..');
        await page.focus('#publish-form button');
        await page.keyboard.press('Enter');
        await shows(page, '#publish-state', '.. is no subject');
        assert.equal(await page.evaluate('document.activeElement.textContent'), 'Publish');
        await page.fill('#subject', 'secret.plan');
        await page.click('#publish-form button');
        await shows(page, '#publish-state', /^Messages may be published within public\.>/);
        // The browser itself remarks on the 403 that was just provoked, and on nothing else.
        assert.equal(complaints.length, 1);
        assert.match(complaints[0]!, /status of 403/);
      });
    });

    test('on a phone has everything within the screen, and fingers can hit it', async () => {
      const width = 360;
      await withPage(
        async (page, complaints) => {
          await page.goto(gateway.url);
          await shows(page, '#socket-state', /^connected/);
          await shows(page, '#active', '1');
          publisher.publish('public.long', `{"long":"${'word'.repeat(200)}"}`);
          await until('the message', async () => (await page.locator('#messages li').count()) === 2);
          const scrolled = await page.evaluate('document.documentElement.scrollWidth');
          assert.equal(scrolled, width, 'the page is wider than the screen');
          for (const control of await page.locator('button, input, textarea, nav a').all()) {
            if (!(await control.isVisible())) continue;
            const box = (await control.boundingBox())!;
            const where = `${await control.evaluate((element) => element.outerHTML)} ${JSON.stringify(box)}`;
            assert.ok(box.x >= 0 && box.x + box.width <= width, `outside: ${where}`);
            assert.ok(box.height >= 24, `too small for a finger: ${where}`);
          }
          const channel = `public.${'x'.repeat(240)}`;
          await page.fill('#channel', channel);
          await page.tap('#subscribe-form button');
          await shows(page, '#channels li button', `${channel} ×`);
          assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
          assert.deepEqual(complaints, []);
        },
        { viewport: { width, height: 740 }, isMobile: true, hasTouch: true },
      );
    });

    test('with a token gives it, once it is asked for', async () => {
      const guarded = await startGateway({ TIDEGAUGE_ADMIN_TOKEN: 'open-sesame' });
      try {
        await withPage(async (page) => {
          await page.goto(guarded.url);
          await shows(page, '#figures-state', 'a token is needed');
          await page.fill('#token', 'open-barley');
          await page.click('#token-form button');
          await shows(page, '#token-state', 'that token was refused');
          await shows(page, '#figures-state', 'that token was refused');
          await page.fill('#token', 'open-sesame');
          await page.click('#token-form button');
          await shows(page, '#figures-state', 'live');
          assert.equal(await page.isVisible('#token-form'), false);
          await page.click('#publish-form button');
          await shows(page, '#publish-state', /bytes published on public\.hello$/);
        });
      } finally {
        await guarded.stop();
      }
    });

    test('gives a token for publishing where the figures are public', async () => {
      const guarded = await startGateway({
        TIDEGAUGE_ADMIN_TOKEN: 'open-sesame',
        TIDEGAUGE_PUBLIC_REPORTS: 'true',
      });
      try {
        await withPage(async (page) => {
          await page.goto(guarded.url);
          await shows(page, '#figures-state', 'live');
          await page.click('#publish-form button');
          await shows(page, '#token-state', 'a token is needed');
          // Figures go on, and the question stays.
          await shows(page, '#uptime', /^up for [4-9] s$/);
          assert.equal(await page.isVisible('#token-form'), true);
          await page.fill('#token', 'open-sesame');
          await page.click('#token-form button');
          await shows(page, '#publish-state', 'the token is kept; publish again to use it');
          await page.click('#publish-form button');
          await shows(page, '#publish-state', /bytes published on public\.hello$/);
        });
      } finally {
        await guarded.stop();
      }
    });

    test('of an admin port asks where the clients go, and connects there', async () => {
      const divided = await startGateway({ ADMIN_PORT: '0' });
      try {
        await withPage(async (page) => {
          await page.goto(divided.adminUrl);
          await shows(page, '#socket-state', 'not on this port');
          await page.fill('#address', 'ws://127.0.0.1:1/ws');
          await page.click('#address-form button');
          await shows(page, '#socket-state', /not reachable; trying again$/);
          // It was a mistake, and may be mended.
          await page.fill('#address', divided.wsUrl);
          await page.click('#address-form button');
          await shows(page, '#socket-state', `connected to ${new URL(divided.url).host}`);
          assert.equal(await page.isVisible('#address-form'), false);
          await shows(page, '#active', '1');
        });
      } finally {
        await divided.stop();
      }
    });

    test('of an admin port says which setting lets it hear, where it is foreign', async () => {
      const divided = await startGateway({ ADMIN_PORT: '0', TIDEGAUGE_ORIGINS: 'https://app.example.com' });
      try {
        await withPage(async (page) => {
          await page.goto(divided.adminUrl);
          await shows(page, '#socket-state', 'not on this port');
          await page.fill('#address', divided.wsUrl);
          await page.click('#address-form button');
          await shows(page, '#socket-state', /^refused \(TIDEGAUGE_ORIGINS must name this page\)/);
        });
      } finally {
        await divided.stop();
      }
    });

    test('sees the gateway go, and comes back to it', async () => {
      const first = await startGateway();
      await withPage(async (page) => {
        await page.goto(first.url);
        await shows(page, '#socket-state', /^connected/);
        await first.stop();
        await shows(page, '#socket-state', /trying again$/);
        await shows(page, '#figures-state', /^no figures: /);
        assert.equal(await page.locator('#figures.stale').count(), 1);
        const second = await startGateway({ PORT: new URL(first.url).port });
        try {
          await shows(page, '#socket-state', /^connected/);
          await shows(page, '#figures-state', 'live');
          assert.equal(await page.locator('#figures.stale').count(), 0);
        } finally {
          await second.stop();
        }
      });
    });
  });
});

/** Waits until an element's text is this. */
async function shows(page: Page, selector: string, expected: string | RegExp): Promise<void> {
  let text: string | null = null;
  const isShown = async (): Promise<boolean> => {
    text = await page.textContent(selector, { timeout: 1_000 });
    return typeof expected === 'string' ? text === expected : expected.test(text ?? '');
  };
  await until(`${selector} shows ${expected}`, isShown, { everyMs: 50 }).catch(() => {
    assert.fail(`${selector} shows ${JSON.stringify(text)} instead of ${expected}`);
  });
}

// What follows runs in the page, with its origin and its rights.

/** The document, or what the browser says why there is none. */
function fetchJson(page: Page, url: string): Promise<unknown> {
  return page.evaluate(
    (from) => fetch(from).then((answer) => answer.json() as Promise<unknown>, String),
    url,
  );
}

/** The first message of a WebSocket, or how it ended. */
function firstMessage(page: Page, url: string): Promise<unknown> {
  return page.evaluate((to) => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const socket = new WebSocket(to);
    socket.onmessage = ({ data }) => resolve(data);
    socket.onclose = ({ code }) => resolve(`closed with ${code}`);
    return promise;
  }, url);
}

/** The status, or what the browser says why there is none; 0 is an answer that the page may not see. */
function publishFrom(
  page: Page,
  url: string,
  type: string,
  mode: 'cors' | 'no-cors' = 'cors',
): Promise<unknown> {
  return page.evaluate(
    ({ to, ...options }) =>
      fetch(to, { method: 'POST', body: '{"from":"a page"}', ...options }).then(
        ({ status }) => status,
        String,
      ),
    { to: `${url}/publish/public.page`, mode, headers: { 'content-type': type } },
  );
}

/** Sends what pages send on their way out, and waits for the gateway's answer, which the page never sees. */
async function beacon(page: Page, url: string): Promise<void> {
  const address = `${url}/publish/public.beacon`;
  const answer = page.waitForResponse(address);
  await page.evaluate(`navigator.sendBeacon(${JSON.stringify(address)}, 'by the way')`);
  assert.equal((await answer).status(), 403);
}
