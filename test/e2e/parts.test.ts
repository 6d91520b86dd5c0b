/** Each real part is started once and asked something that only the real one can answer. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startCollector, startOtlpSink } from '../support/collector.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { partPath, skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { programVersion } from '../tools/get.ts';
import { type PartName, parts } from '../tools/parts.ts';

const run = promisify(execFile);

/** One gauge of one point, as an OTLP exporter would send it in JSON. */
function otlpBody(name: string, value: number): string {
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  return JSON.stringify({
    resourceMetrics: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'harbour' } }] },
        scopeMetrics: [
          {
            scope: { name: 'test' },
            metrics: [{ name, gauge: { dataPoints: [{ timeUnixNano, asDouble: value }] } }],
          },
        ],
      },
    ],
  });
}

async function postOtlp(url: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  assert.equal(answer.status, 200, await answer.text());
}

for (const name of ['nats-server', 'prometheus', 'promtool', 'otelcol'] satisfies PartName[]) {
  it(`${name} is of the version in the table`, { skip: await skipWithout(name) }, async () => {
    assert.equal(await programVersion(await partPath(name)), parts[name].version);
  });
}

for (const name of ['helm', 'helm3'] satisfies PartName[]) {
  it(`${name} is of the version in the table`, { skip: await skipWithout(name) }, async () => {
    const { stdout } = await run(await partPath(name), ['version', '--template', '{{.Version}}']);
    assert.equal(stdout, `v${parts[name].version}`);
  });
}

describe('nats-server', { skip: await skipWithout('nats-server') }, () => {
  it('starts and shows its connections', async (t) => {
    const server = await startNatsServer();
    t.after(() => server.stop());
    assert.equal((await server.connz()).num_connections, 0);
  });
});

describe('prometheus', { skip: await skipWithout('prometheus') }, () => {
  let pages: Server;
  let address = '';
  before(async () => {
    pages = createServer((request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      if (request.url === '/broken') response.end('tide{level="1",level="2"} 3\n');
      else response.end('# TYPE tide_metres gauge\ntide_metres{harbour="cuxhaven"} 3.25\n');
    });
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
    address = `127.0.0.1:${(pages.address() as AddressInfo).port}`;
  });
  after(() => pages.close());

  it('scrapes a page and answers queries about it', async (t) => {
    const prometheus = await startPrometheus({
      scrapeTargets: [
        { job: 'good', address },
        { job: 'bad', address, path: '/broken' },
      ],
      scrapeInterval: '250ms',
    });
    t.after(() => prometheus.stop());
    const targets = await prometheus.scraped();
    assert.deepEqual(targets.map(({ job, health }) => [job, health]).sort(), [
      ['bad', 'down'],
      ['good', 'up'],
    ]);
    assert.match(targets.find(({ job }) => job === 'bad')?.lastError ?? '', /label/);
    const [sample, ...others] = await prometheus.query('tide_metres');
    assert.equal(others.length, 0);
    assert.deepEqual([sample?.labels.harbour, sample?.value], ['cuxhaven', 3.25]);
    assert.deepEqual(await prometheus.query('scalar(up{job="good"}) / 0'), [{ labels: {}, value: Infinity }]);
    const names = (await prometheus.series('{job="good"}')).map((labels) => labels.__name__);
    assert.ok(names.includes('tide_metres') && names.includes('up'), names.join());
    await assert.rejects(prometheus.query('tide_metres{'), /refused query/);
  });

  it('takes OTLP', async (t) => {
    const prometheus = await startPrometheus({ enableOtlp: true });
    t.after(() => prometheus.stop());
    await postOtlp(prometheus.otlpMetricsUrl, otlpBody('tide.level', 4.5));
    const samples = await until('the figure is there', async () => {
      const found = await prometheus.query('tide_level');
      return found.length > 0 && found;
    });
    assert.deepEqual([samples[0]?.value, samples[0]?.labels.job], [4.5, 'harbour']);
  });

  it('says why it does not start', async () => {
    await assert.rejects(startPrometheus({ extraConfig: { nonsense: true } }), /nonsense/);
  });
});

describe('promtool', { skip: await skipWithout('promtool') }, () => {
  const check = async (text: string): Promise<string> => {
    const checking = run(await partPath('promtool'), ['check', 'metrics']);
    checking.child.stdin?.end(text);
    const { stdout, stderr } = await checking;
    return stdout + stderr;
  };

  it('finds nothing in good text and a fault in bad', async () => {
    assert.equal(await check('# HELP tide_metres Level.\n# TYPE tide_metres gauge\ntide_metres 3\n'), '');
    await assert.rejects(check('# TYPE tide counter\ntide 3\n'), { code: 3 });
  });
});

describe('otelcol', { skip: await skipWithout('otelcol') }, () => {
  it('takes OTLP, and shows what arrived in a file and to Prometheus', async (t) => {
    const sink = await startOtlpSink();
    t.after(() => sink.stop());
    assert.deepEqual(await sink.received(), []);
    await postOtlp(`${sink.httpEndpoint}/v1/metrics`, otlpBody('tide.level', 4.5));
    const [request] = await until('the request is in the file', async () => {
      const found = await sink.received();
      return found.length > 0 && found;
    });
    const metric = request?.resourceMetrics[0]?.scopeMetrics[0]?.metrics[0];
    assert.deepEqual([metric?.name, metric?.gauge?.dataPoints[0]?.asDouble], ['tide.level', 4.5]);
    const page = await (await fetch(sink.prometheusUrl)).text();
    assert.match(page, /^tide_level\{.*\} 4\.5$/m);
  });

  it('has every component of the table', async () => {
    const { stdout } = await run(await partPath('otelcol'), ['components']);
    const components = [
      ...['health_check', 'file_storage', 'otlp', 'memory_limiter', 'k8s_attributes', 'transform', 'forward'],
      ...['debug', 'file', 'prometheus', 'prometheus_remote_write'],
      ...['otlp_http', 'otlp_grpc', 'env', 'yaml'],
    ];
    const listed = new Set(
      [...stdout.matchAll(/name: (\S+)|scheme: (\S+)/g)].map(([, name, scheme]) => name ?? scheme),
    );
    assert.deepEqual(
      components.filter((name) => !listed.has(name)),
      [],
      stdout,
    );
  });

  it('freezes and thaws', async (t) => {
    const sink = await startOtlpSink();
    // A polite end would wait five seconds for the connection that is about to be left hanging.
    t.after(() => sink.kill());
    const ask = (timeoutMs: number) => fetch(sink.prometheusUrl, { signal: AbortSignal.timeout(timeoutMs) });
    assert.equal((await ask(5_000)).status, 200);
    await sink.freeze();
    await assert.rejects(ask(300), { name: 'TimeoutError' });
    sink.thaw();
    assert.equal((await ask(5_000)).status, 200);
  });

  it('says why it does not start', async () => {
    await assert.rejects(startCollector({ config: () => 'receivers: { nonsense: {} }' }), /nonsense/);
  });
});

it('chromium renders a page', { skip: await skipWithout('chromium') }, async () => {
  const page = 'data:text/html,<p>high</p><script>document.querySelector("p").append(" tide")</script>';
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom'];
  const { stdout } = await run(await partPath('chromium'), [...flags, page], { timeout: 60_000 });
  assert.match(stdout, /<p>high tide<\/p>/);
});
