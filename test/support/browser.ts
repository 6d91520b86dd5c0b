/**
 * A real Chromium, steered by playwright-core, and pages from origins of our choice to look at the gateway with.
 *
 * The browser fetches nothing by itself: updates, syncing and background traffic are off, and every host name that is
 * not this machine's is mapped to it, so that `http://evil.example` is a page of another site without a network.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { partPath } from './real-part.ts';

export type { BrowserContext, Page };

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * 127.0.0.1, EXCLUDE localhost',
];

export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: await partPath('chromium'), args });
}

/** A page, and everything in it that a developer would see in red. */
export type WatchedPage = {
  page: Page;
  /** Errors and warnings on the console, exceptions, and violations of the content security policy. */
  complaints: string[];
};

export async function openPage(context: BrowserContext): Promise<WatchedPage> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  return { page, complaints };
}

/** A blank page under any host name, as a stranger's site or a developer's own server would show. */
export type Site = {
  /** The origin of the page under this host name. */
  origin(host: string): string;
  stop(): Promise<void>;
};

export async function startSite(): Promise<Site> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    // The icon is in the page, or the browser would ask for one and complain.
    response.end('<!doctype html><title>site</title><link rel="icon" href="data:,"><body></body>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: (host) => `http://${host}:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
