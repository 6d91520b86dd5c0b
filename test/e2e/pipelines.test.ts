/**
 * The collector pipelines and Prometheus settings of otel/, as they are in the tree, with the real programs: each file
 * and each combination of overlays is accepted, and what a collector has taken is not lost by killing it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { createTempFolder } from '../support/child.ts';
import { exerciseEnv, publish } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import {
  exits,
  type Pipeline,
  prometheusSettings,
  startPipeline,
  validatePipeline,
} from '../support/pipelines.ts';
import { freePort } from '../support/ports.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { partPath, skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

const forAgents = { COLLECTOR_GATEWAY: 'http://otel-gateway:4318' };
const forKubernetes = { ...forAgents, K8S_NODE_NAME: 'node-1', K8S_CLUSTER_NAME: 'harbour' };

describe('otelcol validate', { skip: await skipWithout('otelcol'), concurrency: 2 }, () => {
  test('finds nothing in an agent, in Kubernetes or not', async () => {
    assert.equal(await validatePipeline(['agent.yaml'], forAgents), undefined);
    assert.equal(await validatePipeline(['agent.yaml', 'kubernetes.yaml'], forKubernetes), undefined);
  });

  test('finds nothing in a gateway with any of the exits, and any of them together', async () => {
    for (const chosen of combinations(exits)) {
      const files = ['gateway.yaml', ...chosen.map((exit) => `exits/${exit}.yaml`)];
      assert.equal(await validatePipeline(files), undefined, files.join());
    }
  });

  test('says what is missing: an exit, where the gateway is, which node this is', async () => {
    assert.match((await validatePipeline(['gateway.yaml'])) ?? '', /no exporter/);
    assert.match((await validatePipeline(['agent.yaml'])) ?? '', /endpoint must be specified/);
    const withoutNode = await validatePipeline(['agent.yaml', 'kubernetes.yaml'], forAgents);
    assert.match(withoutNode ?? '', /K8S_NODE_NAME/);
  });
});

describe('promtool check config', { skip: await skipWithout('promtool') }, () => {
  for (const file of ['push.yml', 'scrape.yml', 'collector.yml']) {
    test(`finds nothing in ${file}`, async () => {
      const path = join(import.meta.dirname, '../../otel/prometheus', file);
      const { stdout } = await promisify(execFile)(await partPath('promtool'), ['check', 'config', path]);
      assert.match(stdout, /SUCCESS/);
    });
  }
});

describe('totals that only collectors know any more', {
  skip: await skipWithout('otelcol', 'prometheus'),
}, () => {
  for (const exit of ['prometheus-otlp', 'prometheus-remote-write'] as const) {
    test(`${exit}: survive a kill of agent and gateway while Prometheus is away`, async (t) => {
      const port = await freePort();
      const gateway = await startPipeline({
        files: ['gateway.yaml', `exits/${exit}.yaml`],
        env: {
          PROMETHEUS_OTLP_URL: `http://127.0.0.1:${port}/api/v1/otlp`,
          PROMETHEUS_REMOTE_WRITE_URL: `http://127.0.0.1:${port}/api/v1/write`,
        },
      });
      t.after(() => gateway.stop());
      const agent = await startPipeline({
        files: ['agent.yaml'],
        env: { COLLECTOR_GATEWAY: gateway.httpEndpoint },
      });
      t.after(() => agent.stop());
      const service = await startGateway({
        ...exerciseEnv,
        OTEL_EXPORTER_OTLP_ENDPOINT: agent.httpEndpoint,
        OTEL_METRIC_EXPORT_INTERVAL: '500',
        OTEL_SERVICE_NAME: 'tide',
      });
      t.after(() => service.stop());
      const sent = await publishAndLeave(service, agent);
      // The harsh way: nobody may write anything down in the last moment.
      await agent.kill();
      await gateway.kill();
      const prometheus = await startPrometheus({
        port,
        extraConfig: prometheusSettings('push.yml'),
        args: ['--web.enable-otlp-receiver', '--web.enable-remote-write-receiver'],
      });
      t.after(() => prometheus.stop());
      await gateway.restart();
      await agent.restart();
      await until('the last totals are in Prometheus', async () => (await sentSoFar(prometheus)) === sent, {
        timeoutMs: 30_000,
        everyMs: 100,
      });
      // Not only the last: every export of the time in which nobody could write is there, at its own time. What was on its way
      // when the agent was killed comes behind the others.
      await until(
        'three exports at least are in Prometheus',
        async () => {
          const [found] = await prometheus.query(
            'count_over_time(tidegauge_connection_opened_total{job="tide"}[10m])',
          );
          return (found?.value ?? 0) >= 3;
        },
        { timeoutMs: 30_000, everyMs: 100 },
      );
      const [drained] = await prometheus.query(
        'tidegauge_connection_closed_total{job="tide", tidegauge_close_reason="drain"}',
      );
      assert.equal(drained?.value, 1);
    });
  }
});

describe('prometheus-otlp', { skip: await skipWithout('otelcol', 'prometheus') }, () => {
  const nowMs = Date.now();
  const nanoseconds = (minutesAgo: number): string => `${nowMs - minutesAgo * 60_000}000000`;
  /** A push of one counter with one point; cumulative temporality is 2, delta 1. */
  const push = (instance: string, minutesAgo: number, aggregationTemporality: 1 | 2) => ({
    resource: {
      attributes: Object.entries({ 'service.name': 'tide', 'service.instance.id': instance }).map(
        ([key, stringValue]) => ({ key, value: { stringValue } }),
      ),
    },
    scopeMetrics: [
      {
        metrics: [
          {
            name: 'tidegauge.deliveries.sent',
            sum: {
              aggregationTemporality,
              isMonotonic: true,
              dataPoints: [
                {
                  startTimeUnixNano: nanoseconds(24 * 60),
                  timeUnixNano: nanoseconds(minutesAgo),
                  asInt: '1',
                },
              ],
            },
          },
        ],
      },
    ],
  });

  test('brings in what waited for hours beside what is new, and a push that is refused takes no other with it', async (t) => {
    const prometheus = await startPrometheus({
      extraConfig: prometheusSettings('push.yml'),
      args: ['--web.enable-otlp-receiver'],
    });
    t.after(() => prometheus.stop());
    const gateway = await startPipeline({
      files: ['gateway.yaml', 'exits/prometheus-otlp.yaml'],
      env: { PROMETHEUS_OTLP_URL: `${prometheus.url}/api/v1/otlp` },
    });
    t.after(() => gateway.stop());
    const send = async (...resourceMetrics: object[]): Promise<void> => {
      const response = await fetch(`${gateway.httpEndpoint}/v1/metrics`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ resourceMetrics }),
      });
      assert.equal(response.status, 200);
    };
    await send(push('first', 0, 2));
    // At once, so that whatever puts pushes together could.
    await Promise.all([
      send(push('differences', 0, 1)),
      send(push('old', 5 * 60, 2)),
      ...['second', 'third'].map((instance) => send(push(instance, 0, 2))),
    ]);
    const instances = async (): Promise<string[]> => {
      const found = await prometheus.query(
        'count by (instance) (count_over_time(tidegauge_deliveries_sent_total[6h]))',
      );
      return found.map(({ labels }) => labels.instance ?? '').sort();
    };
    await until(
      'all are there but the one that cannot be',
      async () => (await instances()).join() === 'first,old,second,third',
      { timeoutMs: 20_000, everyMs: 100 },
    );
  });
});

describe('a Prometheus that scrapes', { skip: await skipWithout('otelcol', 'prometheus') }, () => {
  /** As fast as a test wants it, else as it is in the file. */
  const global = { scrape_interval: '500ms', scrape_timeout: '500ms' };
  const served = 'tidegauge_connection_active';

  test('finds the service by scrape.yml, as a target of its own', async (t) => {
    const service = await startGateway();
    t.after(() => service.stop());
    const address = new URL(service.adminUrl).host;
    const settings = prometheusSettings('scrape.yml', { inFile: '127.0.0.1:3002', instead: address });
    const prometheus = await startPrometheus({ extraConfig: { ...settings, global } });
    t.after(() => prometheus.stop());
    const labels = await labelsOf(prometheus, served);
    assert.deepEqual(labels, { job: 'tidegauge', instance: address });
  });

  test('finds pushed figures by collector.yml under the names of who pushed them, with cluster and namespace', async (t) => {
    const gateway = await startPipeline({ files: ['gateway.yaml', 'exits/prometheus-scrape.yaml'] });
    // In the order of the way: a collector that is to end waits some seconds for whoever is connected to it.
    const running: { stop(): Promise<void> }[] = [gateway];
    t.after(async () => {
      for (const part of running.toReversed()) await part.stop();
    });
    const folder = createTempFolder('overlay');
    // Everything of kubernetes.yaml but the processor that asks an API server, whose attributes the service gives here.
    const withoutApi = join(folder.path, 'without-api.yaml');
    const processors = ['memory_limiter', 'transform/kubernetes'];
    writeFileSync(withoutApi, JSON.stringify({ service: { pipelines: { metrics: { processors } } } }));
    const agent = await startPipeline({
      files: ['agent.yaml', 'kubernetes.yaml', withoutApi],
      env: { ...forKubernetes, COLLECTOR_GATEWAY: gateway.httpEndpoint },
    });
    running.push(agent);
    const service = await startGateway({
      OTEL_EXPORTER_OTLP_ENDPOINT: agent.httpEndpoint,
      OTEL_METRIC_EXPORT_INTERVAL: '300',
      OTEL_RESOURCE_ATTRIBUTES: 'k8s.namespace.name=quay,service.instance.id=tide-0,service.namespace=port',
    });
    running.push(service);
    const target = { inFile: '127.0.0.1:9464', instead: gateway.prometheusAddress };
    const settings = prometheusSettings('collector.yml', target);
    const prometheus = await startPrometheus({ extraConfig: { ...settings, global } });
    running.push(prometheus);
    const added = { cluster: 'harbour', namespace: 'quay' };
    const labels = await labelsOf(prometheus, served);
    assert.deepEqual(labels, { job: 'port/tidegauge', instance: 'tide-0', ...added });
    const [info] = await prometheus.query('target_info{job="port/tidegauge"}');
    assert.equal(info?.labels.k8s_cluster_name, 'harbour');
    // On every series of the service, not only on some.
    const without = await prometheus.query('{job="port/tidegauge", __name__!="target_info", cluster=""}');
    assert.deepEqual(without, []);
    folder.remove();
  });
});

/** The labels of the one series of a name, as soon as there is one. */
async function labelsOf(prometheus: Prometheus, name: string): Promise<Record<string, string>> {
  const [first, ...more] = await until(
    `${name} is there`,
    async () => {
      const found = await prometheus.query(name);
      return found.length > 0 && found;
    },
    { timeoutMs: 60_000, everyMs: 100 },
  );
  assert.deepEqual(more, []);
  const { __name__, ...labels } = first!.labels;
  assert.equal(__name__, name);
  return labels;
}

/** Messages over several exports, then SIGTERM. Answers with the number of deliveries that the log accounts for. */
async function publishAndLeave(service: GatewayProcess, agent: Pipeline): Promise<number> {
  const client = await connectClient(service.wsUrl);
  const taken = (): Promise<number> => agent.figure('otelcol_receiver_accepted_metric_points');
  for (let exportsSeen = 0; exportsSeen < 3; exportsSeen += 1) {
    const before = await taken();
    await publish(service, 10);
    await until('another export is taken', async () => (await taken()) > before, { timeoutMs: 60_000 });
  }
  service.child.signal('SIGTERM');
  await client.closed;
  assert.deepEqual(await service.child.exited, { code: 0, signal: null });
  const drained = service.lines().find(({ msg }) => msg === 'drained') as unknown as {
    deliveries: { sent: number };
  };
  assert.equal(drained.deliveries.sent, 30);
  return drained.deliveries.sent;
}

async function sentSoFar(prometheus: Prometheus): Promise<number | undefined> {
  const [sample] = await prometheus.query('last_over_time(tidegauge_deliveries_sent_total{job="tide"}[10m])');
  return sample?.value;
}

/** Every choice of one or more, in the given order. */
function combinations<Choice>(choices: readonly Choice[]): Choice[][] {
  const [first, ...rest] = choices;
  if (first === undefined) return [];
  const others = combinations(rest);
  return [[first], ...others, ...others.map((other) => [first, ...other])];
}
