/** Callers that send more than they wait for, or wait for more than they take. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { httpLimits } from '../../../src/http/server.ts';
import { exchange, rawRequest, startHttpApp } from '../../support/http-app.ts';
import { fullReadings, readingsOf } from '../../support/readings.ts';
import { until } from '../../support/until.ts';

const keepAlive = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`;
const many = httpLimits.unansweredMax;

test('as many requests as may wait are answered in their order, and what is alike is made once in a turn', async () => {
  let collections = 0;
  const collect = async () => {
    collections += 1;
    return readingsOf(fullReadings);
  };
  const app = await startHttpApp({ dependencies: { collect } });
  try {
    const path = '/metrics/enhanced?limit=2';
    const answers = await exchange(app.port, keepAlive(path).repeat(many - 1) + rawRequest(`GET ${path}`));
    assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, many);
    assert.equal(collections, 1);
  } finally {
    await app.close();
  }
});

test('a connection with more requests than that is cut, and costs no more than they do', async () => {
  const app = await startHttpApp();
  try {
    await exchange(app.port, keepAlive('/livez').repeat(3_000));
    await until('nothing is under way', () => app.figures.activeRequests === 0);
    assert.ok(app.recorded.length <= many, `${app.recorded.length} requests were dealt with`);
    assert.equal((await app.get('/livez')).status, 200);
  } finally {
    await app.close();
  }
});

test('a caller that takes nothing of its answer is cut after a time', async () => {
  const scrape = async () => ({ contentType: 'text/plain', body: Buffer.alloc(64 * 2 ** 20, '#') });
  const app = await startHttpApp({ dependencies: { scrape }, limits: { stalledTimeoutMs: 300 } });
  try {
    const socket = connect(app.port, '127.0.0.1').on('error', () => undefined);
    socket.pause();
    socket.write(keepAlive('/metrics'));
    await until('it is under way', () => app.figures.activeRequests === 1);
    await until('it is over', () => app.figures.activeRequests === 0, { timeoutMs: 10_000 });
    assert.equal(app.recorded[0]?.errorType, 'aborted');
    socket.destroy();
  } finally {
    await app.close();
  }
});
