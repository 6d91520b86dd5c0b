/**
 * The values of the chart, each declared once: default, shape, and a sentence. values.yaml, values.schema.json and the
 * table in the chart's README are written from here. Settings of the gateway are not repeated: they come from its own
 * table, by way of ./settings.ts.
 */
import * as k8s from './kubernetes.ts';
import {
  anyObject,
  boolean,
  integer,
  intOrPercent,
  list,
  map,
  oneOf,
  orNull,
  type Schema,
  string,
} from './schema.ts';
import { settingFiles, settingKeys, settingSecrets, settingValues } from './setting-values.ts';

/** What leaving may take beside its delay, its window and the last export (src/leaving.ts); a test compares. */
export const MARGIN_MIN_SECONDS = 4;

/** One value. */
export type Leaf = {
  kind: 'leaf';
  doc: string;
  schema: Schema;
  default: unknown;
  /** Templates cannot do without it: a null, which takes a default away, is refused. So it is for every number and flag. */
  isNeeded?: boolean;
  /** Lines for values.yaml below the key, in place of the default: a map whose entries are explained one by one. */
  lines?: string[];
};
/** Values that belong together. */
export type Group = {
  kind: 'group';
  doc: string;
  members: Values /** Why its object is not closed. */;
  open?: string;
};
export type Values = Readonly<Record<string, Leaf | Group>>;

function value(preset: unknown, schema: Schema, doc: string): Leaf {
  return { kind: 'leaf', default: preset, schema, doc };
}
function group(doc: string, members: Values, open?: string): Group {
  return { kind: 'group', doc, members, ...(open !== undefined && { open }) };
}
const text = (preset: string, doc: string): Leaf => value(preset, string, doc);
const flag = (preset: boolean, doc: string): Leaf => value(preset, boolean, doc);
const computed = (schema: Schema, doc: string): Leaf => value(null, orNull(schema), doc);
const natsObject = anyObject("of the NATS chart's own");
const annotations = (of: string): Leaf => value({}, map(), `Annotations of the ${of}.`);
const labels = (of: string): Leaf => value({}, map(), `Further labels of the ${of}.`);
const additionalLabels = (of: string, example: string): Leaf =>
  value({}, map(), `Labels by which ${of} is found, such as ${example}.`);

const monitor = (what: string): Values => ({
  enabled: flag(false, `A ${what} for Prometheus Operator.`),
  interval: text('15s', 'Time between two scrapes.'),
  scrapeTimeout: text('10s', 'How long a scrape may take.'),
  additionalLabels: additionalLabels('the monitor', 'release: kube-prometheus-stack'),
  relabelings: value([], k8s.relabelings, 'Relabelings of the target.'),
  metricRelabelings: value([], k8s.relabelings, 'Relabelings of the series.'),
});

const probe = (
  periodSeconds: number,
  timeoutSeconds: number,
  failureThreshold: number,
  doc: string,
): Leaf => ({
  ...value({ periodSeconds, timeoutSeconds, failureThreshold }, k8s.probe, doc),
  isNeeded: true,
});

export const values: Values = {
  settings: { ...settingValues, isNeeded: true },
  secrets: settingSecrets,
  existingSecret: text('', 'Name of a Secret that holds settings; `existingSecretKeys` says which.'),
  existingSecretKeys: settingKeys,
  files: settingFiles,
  resourceAttributes: value(
    {},
    map(),
    'Further OpenTelemetry resource attributes, beside those of the pod (k8s.pod.name, k8s.pod.uid, k8s.namespace.name, k8s.node.name, k8s.deployment.name, k8s.container.name, service.instance.id).',
  ),
  replicaCount: computed(
    integer(0),
    'Number of pods. null: 2, or 1 on the in-memory bus, which pods cannot share. Without effect under an autoscaler.',
  ),
  image: group('The image of the gateway.', {
    registry: text('', 'Registry; empty: that of the container runtime, or `global.imageRegistry`.'),
    repository: text('tidegauge', 'Repository.'),
    tag: text('', 'Tag; empty: the version of the application.'),
    digest: value(
      '',
      { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
      'Digest; goes before the tag.',
    ),
    pullPolicy: value('IfNotPresent', oneOf('Always', 'IfNotPresent', 'Never'), 'When the image is pulled.'),
  }),
  imagePullSecrets: value(
    [],
    list(k8s.pullSecret),
    'Secrets for the registry: names, or objects with a name.',
  ),
  resources: value(
    { requests: { cpu: '250m', memory: '512Mi' }, limits: { memory: '512Mi' } },
    k8s.resources,
    'Requests and limits. No CPU limit: throttling shows as latency; the CPU request is what matters.',
  ),
  heapPercent: value(
    50,
    integer(10, 90),
    'Share of the memory limit that the JavaScript heap may take. The rest is for sockets and messages on their way.',
  ),
  nodeOptions: text('', 'Further options of Node, added to NODE_OPTIONS.'),
  rollout: group('How pods are replaced.', {
    maxSurge: value(1, intOrPercent, 'Pods above the wanted number during a rollout.'),
    maxUnavailable: value(0, intOrPercent, 'Pods below the wanted number during a rollout.'),
    minReadySeconds: value(
      10,
      integer(0),
      'How long a new pod must be ready before the next one is replaced.',
    ),
    progressDeadlineSeconds: computed(
      integer(1),
      'When a rollout without progress counts as failed. null: computed, at least 600.',
    ),
    revisionHistoryLimit: value(5, integer(0), 'Old ReplicaSets kept for a rollback.'),
  }),
  termination: group('How a pod leaves.', {
    preStopSleepSeconds: value(
      0,
      integer(0),
      'A sleep by the kubelet before SIGTERM, instead of `settings.TIDEGAUGE_DRAIN_DELAY`; not both.',
    ),
    marginSeconds: value(
      10,
      integer(MARGIN_MIN_SECONDS),
      `What is left beyond sleep or delay, window and last export, for the last answers of clients, bus and callers. ${MARGIN_MIN_SECONDS} at least.`,
    ),
    gracePeriodSeconds: computed(
      integer(1),
      'null: computed from the sleep or the delay, the window, the last export and the margin. Less is refused.',
    ),
  }),
  probes: group('Probes, all on the port for clients.', {
    startup: probe(1, 2, 60, 'GET /livez until it answers.'),
    liveness: probe(10, 5, 6, 'GET /livez: the event loop turns. A stall of a minute is not death.'),
    readiness: probe(5, 3, 2, 'GET /readyz: may clients come here?'),
  }),
  service: group('The Service for clients.', {
    type: value('ClusterIP', oneOf('ClusterIP', 'NodePort', 'LoadBalancer'), 'Its type.'),
    port: value(80, integer(1, 65535), 'Its port.'),
    nodePort: computed(integer(1, 65535), 'For a NodePort: which.'),
    appProtocol: text('kubernetes.io/ws', 'What is spoken, for proxies that ask; empty: unsaid.'),
    annotations: annotations('Service'),
    labels: labels('Service'),
    loadBalancerClass: text('', 'Class of the load balancer.'),
    loadBalancerSourceRanges: value([], list(string), 'Addresses that the load balancer lets in.'),
    externalTrafficPolicy: value('', oneOf('', 'Cluster', 'Local'), 'Local keeps the address of clients.'),
    ipFamilyPolicy: value(
      '',
      oneOf('', 'SingleStack', 'PreferDualStack', 'RequireDualStack'),
      'IPv4, IPv6 or both; empty: as the cluster has it.',
    ),
  }),
  adminService: group('The headless Service for figures and actions, where there is an ADMIN_PORT.', {
    annotations: annotations('Service'),
    labels: labels('Service'),
  }),
  httpRoute: group(
    'A route of the Gateway API: /ws, and the reports that are public. Never the admin port.',
    {
      enabled: flag(false, 'Whether there is a route.'),
      parentRefs: value([], list(k8s.parentRef), 'The Gateways that it belongs to.'),
      hostnames: value([], list(string), 'The names that it answers to.'),
      annotations: annotations('HTTPRoute'),
      labels: labels('HTTPRoute'),
    },
  ),
  ingress: group('An Ingress: /ws, and the reports that are public. Never the admin port.', {
    enabled: flag(false, 'Whether there is an Ingress.'),
    className: text('', 'Its class.'),
    hosts: value([], list(string), 'The names that it answers to.'),
    tls: value([], list(k8s.ingressTls), 'Certificates.'),
    annotations: annotations('Ingress'),
    labels: labels('Ingress'),
  }),
  networkPolicy: group('What may reach the pods, and what they may reach. All else is denied.', {
    enabled: flag(true, 'Whether there is a NetworkPolicy.'),
    clientsFrom: value([], list(k8s.networkPeer), 'Who may reach the port for clients. Empty: everybody.'),
    adminFrom: value(
      [
        {
          namespaceSelector: {},
          podSelector: { matchLabels: { 'app.kubernetes.io/name': 'prometheus' } },
        },
      ],
      list(k8s.networkPeer),
      'Who may reach the admin port. Empty: nobody.',
    ),
    natsTo: value(
      [],
      list(k8s.networkPeer),
      'Where the servers of NATS_URL are. Empty: anywhere, on their ports.',
    ),
    natsFrom: value(
      [{ podSelector: {} }],
      list(k8s.networkPeer),
      'Who, beside the gateway, may reach the NATS of `nats.enabled`: those that publish. Preset: pods of the same namespace.',
    ),
    otlpTo: value([], list(k8s.networkPeer), 'Where the collector is. Empty: anywhere, on its port.'),
    dnsTo: value(
      [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } },
        { ipBlock: { cidr: '169.254.0.0/16' } },
      ],
      list(k8s.networkPeer),
      'Where names are looked up, on port 53: kube-system, and the addresses of node-local caches.',
    ),
    extraIngress: value([], list(k8s.ingressRule), 'Further rules for who may come in.'),
    extraEgress: value([], list(k8s.egressRule), 'Further rules for what may be reached.'),
  }),
  podDisruptionBudget: group('How many pods a node drain may take at once.', {
    enabled: flag(true, 'Whether there is a budget.'),
    maxUnavailable: value(1, intOrPercent, 'Pods that may be missing.'),
    minAvailable: computed(
      intOrPercent,
      'Pods that must stay; where it is given, in place of `maxUnavailable`.',
    ),
    unhealthyPodEvictionPolicy: value(
      'IfHealthyBudget',
      oneOf('IfHealthyBudget', 'AlwaysAllow'),
      'Whether pods that are not ready may always be evicted. One that is full, or without NATS, is not ready and has clients all the same.',
    ),
  }),
  autoscaling: group('A HorizontalPodAutoscaler on connections and saturation.', {
    enabled: flag(
      false,
      'Needs the custom-metrics adapter; the rules for it are in a ConfigMap of the chart.',
    ),
    minReplicas: value(2, integer(1), 'Pods at least; also with KEDA.'),
    maxReplicas: value(10, integer(1), 'Pods at most; also with KEDA.'),
    connectionsPercent: value(
      70,
      integer(1, 100),
      'Share of TIDEGAUGE_MAX_CONNECTIONS that each pod should carry; also with KEDA.',
    ),
    saturationPercent: value(
      70,
      integer(1, 100),
      'How full the fullest resource of a pod should be; also with KEDA.',
    ),
    behavior: value(
      {
        scaleUp: {
          stabilizationWindowSeconds: 30,
          policies: [{ type: 'Percent', value: 100, periodSeconds: 60 }],
        },
        scaleDown: {
          stabilizationWindowSeconds: 600,
          policies: [{ type: 'Pods', value: 1, periodSeconds: 300 }],
        },
      },
      k8s.scalingBehavior,
      'How fast; down slowly, for each pod that goes sends its clients away. Also with KEDA.',
    ),
  }),
  keda: group('A ScaledObject of KEDA instead; it takes its numbers from `autoscaling`.', {
    enabled: flag(false, 'Whether there is one. `autoscaling.enabled` must be false then.'),
    serverAddress: text('', 'The Prometheus that it asks, such as http://prometheus.monitoring:9090.'),
    authenticationRef: text('', 'A TriggerAuthentication for Prometheus.'),
    pollingInterval: value(30, integer(1), 'Seconds between two questions.'),
    matchers: value(
      {},
      { ...map(), propertyNames: { pattern: '^[a-zA-Z_][a-zA-Z0-9_]*$' } },
      'Further labels of the series, such as `cluster: eu-1` where one Prometheus has several clusters.',
    ),
    labels: labels('ScaledObject'),
  }),
  serviceMonitor: group('Scraping by the admin Service.', monitor('ServiceMonitor')),
  podMonitor: group('Scraping by pod, instead.', monitor('PodMonitor')),
  prometheusRule: group('The alert rules, for Prometheus Operator.', {
    enabled: flag(false, 'Whether there is a PrometheusRule.'),
    additionalLabels: additionalLabels('the rule', 'release: kube-prometheus-stack'),
  }),
  dashboards: group("The dashboards, for Grafana's sidecar.", {
    enabled: flag(false, 'Whether there is a ConfigMap for each.'),
    labels: value({ grafana_dashboard: '1' }, map(), 'Labels by which the sidecar finds them.'),
    annotations: value({}, map(), 'Annotations, such as grafana_folder: Tidegauge.'),
  }),
  serviceAccount: group('The account of the pods. It has no rights, and no token is mounted.', {
    create: flag(true, 'Whether it is created.'),
    name: text('', 'Its name; empty: that of the release, or `default` where none is created.'),
    annotations: annotations('ServiceAccount'),
  }),
  podSecurityContext: value(
    {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      fsGroup: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    k8s.podSecurityContext,
    'As the Pod Security Standard `restricted` asks. runAsUser, runAsGroup and fsGroup null: the platform chooses.',
  ),
  securityContext: value(
    {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    k8s.securityContext,
    'Of the container, likewise.',
  ),
  podAnnotations: annotations('pods'),
  podLabels: labels('pods'),
  commonLabels: value({}, map(), 'Further labels of every object.'),
  nodeSelector: value({}, map(), 'Labels that a node must have.'),
  affinity: value({}, k8s.affinity, 'Affinity of the pods.'),
  tolerations: value([], list(k8s.toleration), 'Taints that the pods tolerate.'),
  topologySpreadConstraints: computed(
    list(k8s.topologySpreadConstraint),
    'How pods are spread; without a selector: those of this release. null: over nodes and zones, where possible.',
  ),
  priorityClassName: text('', 'Priority class of the pods.'),
  extraEnv: value(
    [],
    list(k8s.envVar),
    'Further variables. A setting is refused here: it has its place in `settings`, `secrets` or `files`.',
  ),
  envFrom: value([], list(k8s.envFromSource), 'Further sources of variables. `settings` go before them.'),
  extraVolumes: value([], list(k8s.volume), 'Further volumes.'),
  extraVolumeMounts: value([], list(k8s.volumeMount), 'Where they are mounted.'),
  extraObjects: value(
    [],
    list({ anyOf: [string, anyObject('a manifest of whatever kind')] }),
    'Further manifests, as objects or as text; both are rendered as templates.',
  ),
  test: group('`helm test`: a WebSocket is opened, a message published and read.', {
    enabled: flag(true, 'Whether there is a test.'),
    subject: text(
      '',
      'Where it publishes. Empty: within what clients may hear. Who listens there, hears it.',
    ),
    timeoutSeconds: value(60, integer(5), 'How long it may take.'),
    resources: value(
      { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '192Mi' } },
      k8s.resources,
      'Requests and limits of its pod.',
    ),
  }),
  nats: group(
    'The NATS chart as a subchart: a server beside the gateway, to try it or for a small cluster.',
    {
      enabled: flag(false, 'Whether it is installed; then NATS_URL is set to it.'),
      reloader: value(
        { enabled: false },
        natsObject,
        'A side car that would need a process namespace shared with the server.',
      ),
      natsBox: value({ enabled: false }, natsObject, 'A pod with a shell and the command line of NATS.'),
      podTemplate: value(
        {
          configChecksumAnnotation: true,
          merge: {
            spec: {
              automountServiceAccountToken: false,
              securityContext: {
                runAsNonRoot: true,
                runAsUser: 1000,
                runAsGroup: 1000,
                fsGroup: 1000,
                seccompProfile: { type: 'RuntimeDefault' },
              },
            },
          },
        },
        natsObject,
        'Of its pods: as `restricted` asks.',
      ),
      container: value(
        {
          merge: {
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
          },
        },
        natsObject,
        'Of its container, likewise.',
      ),
    },
    'a subchart has values of its own: see `helm show values charts/nats-*.tgz`',
  ),
  nameOverride: text('', 'In place of the name of the chart.'),
  fullnameOverride: text('', 'In place of release and chart, for all names.'),
  global: group(
    'For all charts of a release.',
    {
      imageRegistry: text('', 'The registry of all images; goes before that of each.'),
      imagePullSecrets: value([], list(k8s.pullSecret), 'Secrets for it.'),
    },
    'a chart above this one may have any globals',
  ),
};
