/**
 * The same dashboards and rules for whoever scrapes and whoever pushes: every query of a panel, a variable or a rule that
 * has an answer in a Prometheus that scrapes /metrics has one in a Prometheus that gets the same gateway's figures by
 * OTLP, and in one that scrapes the collector which they were pushed to. Whether the answers of the first are the right
 * ones is the business of dashboards.test.ts and alerts-fire.test.ts; that the series are the same, of series-names.test.ts.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { renderYaml } from '../../grafana/alerts/rule-file.ts';
import { defaultOptions, ruleFiles } from '../../grafana/alerts/rules.ts';
import { createTempFolder } from '../support/child.ts';
import { type Choice, fillIn, labelValuesQuery, readDashboards } from '../support/dashboards.ts';
import { allSeriesExist, exercise, exerciseEnv, publish } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { type Pipeline, prometheusSettings, startPipeline } from '../support/pipelines.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { parsePromql, selectorText } from '../support/promql.ts';
import { skipWithout } from '../support/real-part.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

/** What has an answer where /metrics is scraped, and rightly none on the other way, with the reason. */
const silentByPush: Readonly<Record<string, string>> = {
  up: 'Prometheus makes it of its targets, and whoever pushes is none',
};

const job = 'tidegauge';
const instance = 'tide-0';
const choice: Choice = { options: { job: [job] }, rateIntervalSeconds: 60, rangeSeconds: 60 };
const waiting = { timeoutMs: 60_000, everyMs: 500 };

type Question = { where: string; promql: string };

describe('queries', { skip: await skipWithout('prometheus', 'otelcol') }, () => {
  const running: { stop(): Promise<void> }[] = [];
  const folder = createTempFolder('fast-rules');
  let service: GatewayProcess;
  let scraped: Prometheus;
  let pushed: Prometheus;
  let collected: Prometheus;

  before(async () => {
    const files = ruleFiles({ ...defaultOptions, recordingIntervalSeconds: 1, evaluationIntervalSeconds: 1 });
    for (const [name, file] of Object.entries(files))
      writeFileSync(join(folder.path, name), renderYaml(file));
    const rules = { rule_files: [join(folder.path, '*.yaml')] };

    const pushSettings = prometheusSettings('push.yml');
    pushed = await started(
      startPrometheus({ extraConfig: { ...pushSettings, ...rules }, args: ['--web.enable-otlp-receiver'] }),
    );
    const gateway: Pipeline = await started(
      startPipeline({
        files: ['gateway.yaml', 'exits/prometheus-otlp.yaml', 'exits/prometheus-scrape.yaml'],
        env: { PROMETHEUS_OTLP_URL: `${pushed.url}/api/v1/otlp` },
      }),
    );
    const agent: Pipeline = await started(
      startPipeline({ files: ['agent.yaml'], env: { COLLECTOR_GATEWAY: gateway.httpEndpoint } }),
    );
    service = await started(
      startGateway({
        ...exerciseEnv,
        OTEL_EXPORTER_OTLP_ENDPOINT: agent.httpEndpoint,
        OTEL_METRIC_EXPORT_INTERVAL: '500',
        OTEL_SERVICE_NAME: job,
        OTEL_RESOURCE_ATTRIBUTES: `service.instance.id=${instance}`,
      }),
    );
    const global = { scrape_interval: '500ms', scrape_timeout: '500ms' };
    const target = { inFile: '127.0.0.1:9464', instead: gateway.prometheusAddress };
    collected = await started(
      startPrometheus({ extraConfig: { ...prometheusSettings('collector.yml', target), global, ...rules } }),
    );
    scraped = await started(
      startPrometheus({
        scrapeTargets: [{ job, address: new URL(service.adminUrl).host }],
        extraConfig: rules,
      }),
    );
    await exercise(service);
    await allSeriesExist(service);
  });
  after(async () => {
    for (const one of running.toReversed()) await one.stop();
    folder.remove();
  });

  async function started<Part extends { stop(): Promise<void> }>(starting: Promise<Part>): Promise<Part> {
    const part = await starting;
    running.push(part);
    return part;
  }

  const ways = [
    { name: 'by OTLP', prometheus: () => pushed, silent: silentByPush },
    // The collector is a target, and so there is `up`, though of another job.
    { name: "by the collector's Prometheus exporter", prometheus: () => collected, silent: {} },
  ];

  for (const { name, prometheus, silent } of ways) {
    test(`of panels are answered ${name} as by a scrape`, async () => {
      await answersAlike(prometheus(), panelQuestions(), {});
    });

    test(`of rules are answered ${name} as by a scrape`, async () => {
      await answersAlike(prometheus(), ruleQuestions(), silent);
    });

    test(`of variables find the service ${name}`, async () => {
      for (const dashboard of readDashboards()) {
        for (const variable of dashboard.templating.list.filter(({ type }) => type === 'query')) {
          const { match, label } = labelValuesQuery(variable);
          const found = await prometheus().labelValues(label, fillIn(match, dashboard, choice));
          assert.deepEqual(found, { job: [job], instance: [instance] }[label] ?? [], label);
        }
      }
    });
  }

  /**
   * Asked again for a while: figures arrive at different times, and rates take two of them. Messages and handshakes go on
   * meanwhile, for of what happened between the first two looks of the one, the other may have seen nothing but the sum.
   */
  async function answersAlike(
    other: Prometheus,
    questions: readonly Question[],
    silent: Readonly<Record<string, string>>,
  ): Promise<void> {
    let unanswered: string[] = [];
    let answered = 0;
    // Most have an answer, whatever the machine; without any there would be nothing to compare.
    const answeredMin = 0.7 * questions.length;
    const asked = async (prometheus: Prometheus, { promql }: Question): Promise<boolean> =>
      (await prometheus.query(promql)).length > 0;
    const isAlike = async (): Promise<boolean> => {
      await publish(service, 2);
      (await connectClient(service.wsUrl)).socket.close();
      unanswered = [];
      answered = 0;
      for (const question of questions) {
        if (!(await asked(scraped, question))) continue;
        answered += 1;
        if (!(await asked(other, question))) unanswered.push(question.where);
      }
      return answered > answeredMin && unanswered.every((where) => where in silent);
    };
    await until('the same queries are answered', isAlike, waiting).catch(() => {});
    assert.deepEqual(unanswered.sort(), Object.keys(silent));
    assert.ok(answered > answeredMin, `only ${answered} of ${questions.length} are answered by a scrape`);
  }
});

function panelQuestions(): Question[] {
  return readDashboards().flatMap((dashboard) =>
    dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ refId, expr }) => ({
        where: `${dashboard.title}, ${title}, ${refId}`,
        promql: fillIn(expr, dashboard, choice),
      })),
    ),
  );
}

/** What rules ask for, not what they answer: an alert is silent as long as all is well. */
function ruleQuestions(): Question[] {
  const rules = Object.values(ruleFiles()).flatMap(({ groups }) => groups.flatMap((group) => group.rules));
  const selectors = new Map(
    rules.flatMap(({ expr }) => parsePromql(expr).selectors).map((one) => [selectorText(one), one.name]),
  );
  return [...selectors].map(([promql, where]) => ({ where, promql }));
}
