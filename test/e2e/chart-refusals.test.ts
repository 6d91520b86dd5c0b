/**
 * Values that must not be rendered: those that contradict each other, with a message that says what to do, and those that
 * are no values at all. Whatever is refused here would have been found out in production.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { helms, type RenderOptions, renderChart } from '../support/chart.ts';
import { skipWithout } from '../support/real-part.ts';

const nats = { NATS_URL: 'nats://nats:4222' };

type Refusal = { name: string; values: object; says: RegExp; release?: string };

const contradictions: Refusal[] = [
  {
    name: 'two autoscalers',
    values: {
      settings: nats,
      autoscaling: { enabled: true },
      keda: { enabled: true, serverAddress: 'http://p' },
    },
    says: /autoscaling\.enabled and keda\.enabled are both true/,
  },
  {
    name: 'an autoscaler without figures',
    values: { settings: { ...nats, OTEL_SDK_DISABLED: true }, autoscaling: { enabled: true } },
    says: /an autoscaler is enabled and settings\.OTEL_SDK_DISABLED is true/,
  },
  {
    name: 'KEDA without a Prometheus',
    values: { settings: nats, keda: { enabled: true } },
    says: /keda\.serverAddress does not say/,
  },
  {
    name: 'fewer pods at most than at least',
    values: { settings: nats, autoscaling: { enabled: true, minReplicas: 5, maxReplicas: 4 } },
    says: /minReplicas is above autoscaling\.maxReplicas/,
  },
  {
    name: 'an autoscaler on the in-memory bus',
    values: { autoscaling: { enabled: true } },
    says: /an autoscaler needs a NATS/,
  },
  {
    name: 'several pods on the in-memory bus',
    values: { replicaCount: 2 },
    says: /replicaCount is above 1 on the in-memory bus/,
  },
  {
    name: 'a sleep and a delay',
    values: { termination: { preStopSleepSeconds: 5 } },
    says: /preStopSleepSeconds and settings\.TIDEGAUGE_DRAIN_DELAY wait for the same thing/,
  },
  {
    name: 'a grace period that is one second too short',
    values: { termination: { gracePeriodSeconds: 49 } },
    says: /gracePeriodSeconds is 49, but leaving takes up to 50/,
  },
  {
    name: 'a progress deadline that a rollout would miss',
    values: { rollout: { progressDeadlineSeconds: 300 } },
    says: /progressDeadlineSeconds is 300, but a step of a rollout may take 600/,
  },
  {
    name: 'a rollout that can replace nothing',
    values: { rollout: { maxSurge: '0%', maxUnavailable: 0 } },
    says: /maxSurge and rollout\.maxUnavailable are both 0/,
  },
  ...[
    { replicaCount: 2, podDisruptionBudget: { maxUnavailable: 0 } },
    { replicaCount: 2, podDisruptionBudget: { maxUnavailable: '0%' } },
    { replicaCount: 2, podDisruptionBudget: { minAvailable: 2 } },
    { replicaCount: 2, podDisruptionBudget: { minAvailable: '51%' } },
    { autoscaling: { enabled: true, minReplicas: 3 }, podDisruptionBudget: { minAvailable: 3 } },
  ].map((values) => ({
    name: `a budget that lets no pod go: ${JSON.stringify(values)}`,
    values: { settings: nats, ...values },
    says: /podDisruptionBudget lets none of \d pod\(s\) go: a node could never be drained/,
  })),
  ...['serviceMonitor', 'podMonitor'].flatMap((monitor) => [
    {
      name: `a ${monitor} of figures that are not served`,
      values: { settings: { OTEL_SDK_DISABLED: true }, [monitor]: { enabled: true } },
      says: /settings\.OTEL_SDK_DISABLED is true: there would be nothing to scrape/,
    },
    {
      name: `a ${monitor} of a port that nobody reaches`,
      values: { settings: { ADMIN_HOST: '127.0.0.1' }, [monitor]: { enabled: true } },
      says: /settings\.ADMIN_HOST is a loopback address, where no Prometheus can scrape/,
    },
  ]),
  {
    name: 'two monitors',
    values: { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } },
    says: /every pod would be scraped twice/,
  },
  {
    name: 'public reports for nobody in particular',
    values: { settings: { TIDEGAUGE_PUBLIC_REPORTS: true } },
    says: /name the origins that may read them/,
  },
  ...[{ ingress: { enabled: true, hosts: ['a'] } }, { service: { type: 'LoadBalancer' } }].map((exposed) => ({
    name: `reports on the port that ${Object.keys(exposed)[0]} opens, without a token`,
    values: { settings: { ADMIN_PORT: null }, ...exposed },
    says: /set ADMIN_PORT, or a TIDEGAUGE_ADMIN_TOKEN/,
  })),
  {
    name: 'one port for both',
    values: { settings: { ADMIN_PORT: 3002 } },
    says: /ADMIN_PORT is settings\.PORT too/,
  },
  ...[
    ['NATS_URL', 'nats://a:4222,nats://user:not-a-real-password@b:4222'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://user:not-a-real-password@collector:4318'],
  ].map(([name, url]) => ({
    name: `credentials in ${name}`,
    values: { settings: { [name!]: url } },
    says: new RegExp(`settings\\.${name} has credentials in it, and settings are in a ConfigMap`),
  })),
  { name: 'loopback', values: { settings: { HOST: '127.0.0.1' } }, says: /HOST is a loopback address/ },
  {
    name: 'a route to nowhere',
    values: { httpRoute: { enabled: true } },
    says: /parentRefs names no Gateway/,
  },
  {
    name: 'an Ingress for every name',
    values: { ingress: { enabled: true } },
    says: /ingress\.hosts is empty/,
  },
  {
    name: 'two sorts of NATS',
    values: { settings: nats, nats: { enabled: true } },
    says: /the gateway has one bus/,
  },
  {
    name: 'a gateway and a NATS of one name',
    values: { nats: { enabled: true } },
    release: 'nats-tidegauge',
    says: /would both be called nats-tidegauge/,
  },
  {
    name: 'a setting in two places',
    values: {
      settings: { NATS_USER: 'a' },
      secrets: { NATS_TOKEN: 'b' },
      existingSecret: 's',
      existingSecretKeys: { NATS_USER: 'user', NATS_TOKEN: 'token' },
    },
    says: /NATS_TOKEN is in secrets and in existingSecretKeys[\s\S]*NATS_USER is in settings and in existingSecretKeys/,
  },
  {
    name: 'a Secret of which nothing is taken',
    values: { existingSecret: 's' },
    says: /existingSecretKeys names no setting/,
  },
  {
    name: 'keys of no Secret',
    values: { existingSecretKeys: { NATS_TOKEN: 'token' } },
    says: /existingSecret does not say in which Secret/,
  },
  ...[
    ['TIDEGAUGE_SUBJECTS', /use settings\.TIDEGAUGE_SUBJECTS/],
    ['NATS_TOKEN', /use secrets\.NATS_TOKEN/],
    ['NATS_CREDS', /use files\.NATS_CREDS/],
    ['NODE_OPTIONS', /NODE_OPTIONS, which the chart sets itself/],
    ['OTEL_RESOURCE_ATTRIBUTES', /OTEL_RESOURCE_ATTRIBUTES, which the chart sets itself/],
    ['TIDEGAUGE_SUBJECT', /TIDEGAUGE_SUBJECT, which is no setting/],
  ].map(([name, says]) => ({
    name: `${name} as a further variable`,
    values: { extraEnv: [{ name, value: 'x' }] },
    says: says as RegExp,
  })),
  {
    name: 'a variable twice',
    values: {
      extraEnv: [
        { name: 'TZ', value: 'UTC' },
        { name: 'TZ', value: 'CET' },
      ],
    },
    says: /extraEnv has TZ twice/,
  },
];

const wrongShapes: Refusal[] = [
  { name: 'an unknown value', values: { replicas: 2 }, says: /replicas/ },
  { name: 'an unknown setting', values: { settings: { TIDEGAUGE_SUBJECT: 'a' } }, says: /TIDEGAUGE_SUBJECT/ },
  { name: 'a secret among settings', values: { settings: { NATS_TOKEN: 'a' } }, says: /NATS_TOKEN/ },
  { name: 'a port of chance', values: { settings: { PORT: 0 } }, says: /PORT/ },
  {
    name: 'a number out of bounds',
    values: { settings: { TIDEGAUGE_MAX_CONNECTIONS: 0 } },
    says: /MAX_CONNECTIONS/,
  },
  {
    name: 'a duration without a unit',
    values: { settings: { TIDEGAUGE_PING_INTERVAL: '25' } },
    says: /PING_INTERVAL/,
  },
  {
    name: 'a choice that there is not',
    values: { settings: { TIDEGAUGE_SLOW_POLICY: 'wait' } },
    says: /SLOW_POLICY/,
  },
  { name: 'a slip in an affinity', values: { affinity: { podAffinities: {} } }, says: /podAffinities/ },
  {
    name: 'a file of no source',
    values: { files: { NATS_CREDS: { key: 'nats.creds' } } },
    says: /NATS_CREDS/,
  },
  { name: 'a short digest', values: { image: { digest: 'sha256:abc' } }, says: /digest/ },
  ...(
    [
      ['settings', { settings: null }],
      ['networkPolicy', { networkPolicy: null }],
      ['marginSeconds', { termination: { marginSeconds: null } }],
      ['minReadySeconds', { rollout: { minReadySeconds: null } }],
      ['startup', { probes: { startup: null } }],
      ['enabled', { podDisruptionBudget: { enabled: null } }],
    ] as const
  ).map(([key, values]) => ({
    name: `a null for ${key}`,
    values,
    says: new RegExp(`missing propert(?:y|ies) .*'${key}'|${key} is required`),
  })),
  { name: 'a text for a flag', values: { autoscaling: { enabled: 'yes' } }, says: /autoscaling/ },
];

for (const helm of helms) {
  describe(helm, { skip: await skipWithout(helm) }, () => {
    for (const { name, says, ...options } of contradictions) {
      test(`refuses ${name}`, async () => {
        await assert.rejects(render({ helm, ...options }), says);
      });
    }

    for (const { name, says, ...options } of wrongShapes) {
      test(`takes no ${name.replace(/^an? /, '')} for a value`, async () => {
        const error = await render({ helm, ...options }).then(
          () => assert.fail('it was rendered'),
          (reason: Error) => reason,
        );
        assert.match(error.message, /specifications of the schema/);
        assert.match(error.message, says);
      });
    }

    test('tells every fault at once', async () => {
      const values = { replicaCount: 3, settings: { HOST: 'localhost' }, ingress: { enabled: true } };
      const error: Error = await renderChart({ helm, values }).then(assert.fail, (reason) => reason);
      for (const word of ['replicaCount', 'settings.HOST', 'ingress.enabled'])
        assert.ok(error.message.includes(`- ${word}`), `${word} in ${error.message}`);
    });
  });
}

function render(options: RenderOptions): Promise<string> {
  return renderChart(options);
}

test('each refusal has a name of its own', () => {
  const names = [...contradictions, ...wrongShapes].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});
