/**
 * A real Prometheus has loaded the rules and scrapes a real gateway on a real nats-server: every rule has data to work
 * on, no alert fires while all is well, and alerts fire and resolve when something is really wrong. The rules are those
 * of the files, generated with shorter intervals and a hundred and twentieth of each `for`.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { recordedNames } from '../../grafana/alerts/recorded.ts';
import { renderYaml } from '../../grafana/alerts/rule-file.ts';
import { type AlertName, allAlerts, defaultOptions, ruleFiles } from '../../grafana/alerts/rules.ts';
import { createTempFolder } from '../support/child.ts';
import { createControlGroup, type TestGroup } from '../support/control-groups.ts';
import { allSeriesExist, exercise, exerciseEnv } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { freePort } from '../support/ports.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { parsePromql, selectorText } from '../support/promql.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { connectClient, type WsClient } from '../support/ws-client.ts';

const options = {
  ...defaultOptions,
  runbookUrl: 'https://docs.example/runbook',
  grafanaUrl: 'https://grafana.example',
  recordingIntervalSeconds: 1,
  evaluationIntervalSeconds: 1,
  holdScale: 1 / 120,
};
const rules = Object.values(ruleFiles(options)).flatMap(({ groups }) =>
  groups.flatMap((group) => group.rules),
);
const places = 20;
const waiting = { timeoutMs: 90_000, everyMs: 250 };

/** On a machine that is busy with other things these may rightly fire. */
const ofTheMachine: readonly AlertName[] = [
  'TidegaugeCpuThrottled',
  'TidegaugeEventLoopLate',
  'TidegaugeSaturated',
  'TidegaugeDeliveryLatencyBudgetBurn',
];

type RuleState = { name: string; health: string; lastError?: string };
type ActiveAlert = {
  state: 'pending' | 'firing';
  labels: Record<string, string>;
  annotations: Record<string, string>;
};

describe('alerts in a real Prometheus', { skip: await skipWithout('prometheus', 'nats-server') }, () => {
  let nats: NatsServer;
  let gateway: GatewayProcess;
  let group: TestGroup | string;
  let prometheus: Prometheus;
  let clients: WsClient[] = [];
  let env: Record<string, string>;
  const folder = createTempFolder('rules');

  before(async () => {
    nats = await startNatsServer();
    env = {
      ...exerciseEnv,
      // Fixed, so that the instance is the same after a restart.
      PORT: String(await freePort()),
      NATS_URL: nats.url,
      TIDEGAUGE_MAX_CONNECTIONS: String(places),
      TIDEGAUGE_READY_BUS_GRACE: '0',
      TIDEGAUGE_SAMPLE_INTERVAL: '500ms',
    };
    group = createControlGroup(`tidegauge-alerts-${process.pid}`, {
      memoryLimitBytes: 512 * 2 ** 20,
      hasHalfACore: true,
    });
    gateway = await startGateway(env, [], [], typeof group === 'string' ? undefined : group);
    for (const [name, file] of Object.entries(ruleFiles(options))) {
      writeFileSync(join(folder.path, name), renderYaml(file));
    }
    await until('the gateway is ready', async () => (await fetch(`${gateway.adminUrl}/readyz`)).ok, waiting);
    prometheus = await startPrometheus({
      scrapeTargets: [{ job: 'tidegauge', address: new URL(gateway.adminUrl).host }],
      scrapeInterval: '1s',
      extraConfig: { rule_files: [join(folder.path, '*.yaml')] },
    });
    clients = await exercise(gateway);
    await allSeriesExist(gateway);
  });
  after(async () => {
    for (const { socket } of clients) socket.terminate();
    await prometheus?.stop();
    await gateway?.stop();
    await nats?.stop();
    if (group !== undefined && typeof group !== 'string') await group.remove();
    folder.remove();
  });

  async function ask<Data>(path: string): Promise<Data> {
    const answer = await fetch(`${prometheus.url}/api/v1/${path}`, { signal: AbortSignal.timeout(10_000) });
    return ((await answer.json()) as { data: Data }).data;
  }
  const active = async (): Promise<ActiveAlert[]> => (await ask<{ alerts: ActiveAlert[] }>('alerts')).alerts;
  const activeOf = async (name: AlertName): Promise<ActiveAlert[]> =>
    (await active()).filter(({ labels }) => labels.alertname === name);
  const fires = (name: AlertName): Promise<ActiveAlert> =>
    until(
      `${name} fires`,
      async () => (await activeOf(name)).find(({ state }) => state === 'firing'),
      waiting,
    );
  const resolves = (name: AlertName): Promise<true> =>
    until(`${name} is over`, async () => (await activeOf(name)).length === 0, waiting);

  test('every rule is evaluated without an error', async () => {
    const states = await until(
      'every rule has been evaluated',
      async () => {
        const { groups } = await ask<{ groups: { rules: RuleState[] }[] }>('rules');
        const all = groups.flatMap((one) => one.rules);
        return all.every(({ health }) => health !== 'unknown') && all;
      },
      waiting,
    );
    assert.equal(states.length, rules.length);
    assert.deepEqual(
      states.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`),
      [],
    );
  });

  test('every recorded series is there, for each promise', async () => {
    for (const name of recordedNames) {
      const expected = rules.filter(({ record }) => record === name).map(({ labels }) => labels?.slo);
      await until(
        `${name} has been recorded`,
        async () => {
          const found = (await prometheus.query(name)).map(({ labels }) => labels.slo);
          return found.length === expected.length && expected.every((slo) => found.includes(slo!));
        },
        waiting,
      );
    }
    for (const { labels, value } of await prometheus.query('job:tidegauge_slo:error_budget_remaining30d')) {
      assert.ok(value <= 1 && Number.isFinite(value), `${labels.slo}: ${value}`);
    }
    const handshakes = await prometheus.query('job:tidegauge_slo:burnrate1h{slo="handshake_success"}');
    assert.equal(handshakes[0]?.value, 0);
  });

  test('every selector of every rule finds series, or there is a reason', async () => {
    const selectors = new Map(
      rules
        .flatMap(({ expr }) => parsePromql(expr).selectors)
        .map((one) => [selectorText(one), one] as const),
    );
    const absent: string[] = [];
    for (const [text, { name }] of selectors) {
      if ((await prometheus.query(text)).length === 0) absent.push(name);
    }
    // Without a control group of its own the gateway has the limits of this machine, which may be none: then there is
    // no series, and what divides by it is rightly silent.
    const mayBeAbsent = typeof group === 'string' ? /^(?:tidegauge_)?container_/ : undefined;
    assert.deepEqual(
      absent.filter((name) => !mayBeAbsent?.test(name)),
      [],
    );
    assert.ok(selectors.size > 30);
  });

  test('while all is well nothing fires', async () => {
    // A scrape that a busy machine has failed to answer in time is forgotten soon; what is wrong stays.
    await until(
      'nothing fires',
      async () => {
        const firing = (await active()).filter(({ state }) => state === 'firing');
        const wrong = firing.filter(({ labels }) => !ofTheMachine.includes(labels.alertname as AlertName));
        if (wrong.length > 0) throw new Error(wrong.map(({ labels }) => labels.alertname).join(', '));
        return true;
      },
      waiting,
    );
    // What was evaluated was all of it.
    const { groups } = await ask<{ groups: { rules: RuleState[] }[] }>('rules');
    const names = new Set(groups.flatMap((one) => one.rules.map(({ name }) => name)));
    for (const { name } of allAlerts()) assert.ok(names.has(name), name);
  });

  test('the broker dies: TidegaugeBusDisconnected fires, alone, and resolves when it is back', async () => {
    await nats.kill();
    const alert = await fires('TidegaugeBusDisconnected');
    const instance = new URL(gateway.adminUrl).host;
    assert.deepEqual(alert.labels, {
      alertname: 'TidegaugeBusDisconnected',
      severity: 'critical',
      job: 'tidegauge',
      instance,
    });
    assert.equal(alert.annotations.summary, `${instance} of tidegauge has lost the bus`);
    assert.equal(alert.annotations.runbook_url, 'https://docs.example/runbook#tidegaugebusdisconnected');
    const link = new URL(alert.annotations.dashboard_url!);
    assert.equal(link.origin, 'https://grafana.example');
    assert.equal(link.searchParams.get('var-instance'), instance);
    // The gateway is not ready by now, and nobody else is woken for that.
    await until(
      'it says that it is not ready',
      async () => {
        const [reason] = await prometheus.query('tidegauge_ready_ratio{tidegauge_ready_reason="bus"} == 1');
        return reason !== undefined;
      },
      waiting,
    );
    assert.deepEqual(await activeOf('TidegaugeNoneReady'), []);
    await nats.restart();
    await resolves('TidegaugeBusDisconnected');
  });

  test('all places are taken: the gateway is not ready, and one of one is all of them', async () => {
    while (clients.length < places) clients.push(await connectClient(gateway.wsUrl));
    const alert = await fires('TidegaugeNotReady');
    assert.equal(alert.labels.tidegauge_ready_reason, 'capacity');
    assert.match(
      alert.annotations.description ?? '',
      /takes no new connections, for the reason "capacity"\.$/,
    );
    await fires('TidegaugeNoneReady');
    for (const { socket } of clients.splice(3)) socket.close();
    await resolves('TidegaugeNotReady');
    await resolves('TidegaugeNoneReady');
  });

  test('the process is killed: its instance is down, and the job is; both come back with it', async () => {
    await gateway.child.kill();
    await fires('TidegaugeInstanceDown');
    const alert = await fires('TidegaugeDown');
    assert.equal(alert.labels.instance, undefined);
    assert.equal(alert.labels.job, 'tidegauge');
    gateway = await startGateway(env);
    await resolves('TidegaugeInstanceDown');
    await resolves('TidegaugeDown');
  });
});
