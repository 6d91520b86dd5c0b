/**
 * The real programs that tests run against, each pinned, and how it is had.
 *
 * Only a table: ./build.ts follows the recipes, ./cache.ts keeps the results, ./get.ts joins the two. Changing any word
 * of a recipe makes the program in the cache one of another version, so that it is built anew.
 */

import { createHash } from 'node:crypto';

export const partNames = [
  'nats-server',
  'prometheus',
  'promtool',
  'otelcol',
  'helm',
  'helm3',
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
  'coredns',
  'prometheus-operator-crds',
  'gateway-api-crds',
  'keda-crds',
  'containerd',
  'runc',
  'cni-plugins',
  'nft',
  'iproute2',
  'busybox',
  'chromium',
] as const;
export type PartName = (typeof partNames)[number];

/** A Go module with its exact version. */
export type GoModule = { module: string; version: string };

/** A Go program, built in an empty module that requires nothing else: `go install` refuses modules with `replace`. */
export type GoRecipe = GoModule & {
  kind: 'go';
  /** The import path of its `main`. */
  package: string;
  ldflags: string;
  /** The version of the modules that this one keeps in its own tree, and requires as v0.0.0. */
  stagedVersion?: string;
  /** Some of it is written in C. */
  needsC?: true;
};

/** Files of a Go module that is never compiled: its YAML, joined into one file. */
export type ManifestsRecipe = GoModule & { kind: 'manifests'; folder: string; files: string[] };

/** An OpenTelemetry Collector of our own choice of components, put together by the project's builder. */
export type CollectorRecipe = {
  kind: 'collector';
  builder: GoModule;
  /** What the program is made of besides its components. */
  frame: GoModule[];
  ldflags: string;
  extensions: GoModule[];
  receivers: GoModule[];
  processors: GoModule[];
  exporters: GoModule[];
  connectors: GoModule[];
  providers: GoModule[];
};

/** A program of the operating system: found, never built. */
export type SystemRecipe = { kind: 'system'; paths: string[]; remedy: string };

export type Part = {
  /** What the program itself calls its version; of a system program: whatever the system has. */
  version: string;
  purpose: string;
  recipe: GoRecipe | CollectorRecipe | ManifestsRecipe | SystemRecipe;
  /** On two cores, with nothing downloaded or compiled before; parts share much, so it is often far less. */
  expectedSeconds: number;
  /** A program of that name on the PATH will do from this version on, where there is no Go to build ours. */
  acceptsFromPath?: string;
};

/** The name of a module that exists only while a part is built; `.invalid` belongs to nobody. */
const ownModule = 'tidegauge.invalid/part';

const core = 'go.opentelemetry.io/collector';
const contrib = 'github.com/open-telemetry/opentelemetry-collector-contrib';
const collectorVersion = 'v0.155.0';
/** The collector's configuration modules are past 1.0 and count on their own; this is the set of the same day. */
const providerVersion = 'v1.61.0';

const prometheusModule: GoModule = { module: 'github.com/prometheus/prometheus', version: 'v0.316.0' };
const prometheusVersion = '3.16.0';
/** Without symbol tables the programs are a quarter smaller and link faster. */
const stripped = '-s -w';
const prometheusFlags = `${stripped} -X github.com/prometheus/common/version.Version=${prometheusVersion}`;

/** What a Helm that was not built by its own Makefile would not know: its version, and the Kubernetes it renders for. */
const helm4Flags = `${stripped} -X helm.sh/helm/v4/internal/version.version=v4.3.1`;
const helm3Flags = [
  stripped,
  '-X helm.sh/helm/v3/internal/version.version=v3.22.0',
  ...['pkg/lint/rules', 'pkg/chartutil'].flatMap((folder) => [
    `-X helm.sh/helm/v3/${folder}.k8sVersionMajor=1`,
    `-X helm.sh/helm/v3/${folder}.k8sVersionMinor=37`,
  ]),
].join(' ');

const kubernetesVersion = '1.36.3';
/** Without its version in it a server says v0.0.0, and charts that name the versions they are for refuse it. */
const kubernetesFlags = [
  stripped,
  ...Object.entries({ gitVersion: `v${kubernetesVersion}`, gitMajor: '1', gitMinor: '36' }).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  ),
].join(' ');

function kubernetesPart(name: string, purpose: string, expectedSeconds: number, needsC?: true): Part {
  return {
    version: kubernetesVersion,
    purpose,
    recipe: {
      kind: 'go',
      module: 'k8s.io/kubernetes',
      version: `v${kubernetesVersion}`,
      package: `k8s.io/kubernetes/cmd/${name}`,
      ldflags: kubernetesFlags,
      stagedVersion: 'v0.36.3',
      ...(needsC && { needsC }),
    },
    expectedSeconds,
  };
}

function systemPart(purpose: string, debianPackage: string, paths: string[]): Part {
  const remedy = `install it: apt-get install ${debianPackage}`;
  return {
    version: 'of the system',
    purpose,
    recipe: { kind: 'system', paths, remedy },
    expectedSeconds: 0,
  };
}

export const parts: Record<PartName, Part> = {
  'nats-server': {
    version: '2.15.2',
    purpose: 'the broker',
    recipe: {
      kind: 'go',
      module: 'github.com/nats-io/nats-server/v2',
      version: 'v2.15.2',
      package: 'github.com/nats-io/nats-server/v2',
      ldflags: stripped,
    },
    expectedSeconds: 50,
    acceptsFromPath: '2.9.0',
  },
  prometheus: {
    version: prometheusVersion,
    purpose: 'scrapes /metrics, takes OTLP, answers PromQL',
    recipe: {
      kind: 'go',
      ...prometheusModule,
      package: `${prometheusModule.module}/cmd/prometheus`,
      ldflags: prometheusFlags,
    },
    expectedSeconds: 440,
  },
  promtool: {
    version: prometheusVersion,
    purpose: 'lints metrics and rules',
    recipe: {
      kind: 'go',
      ...prometheusModule,
      package: `${prometheusModule.module}/cmd/promtool`,
      ldflags: prometheusFlags,
    },
    expectedSeconds: 400,
  },
  otelcol: {
    version: '0.155.0',
    purpose: 'an OpenTelemetry Collector: the far end of OTLP',
    recipe: {
      kind: 'collector',
      builder: { module: `${core}/cmd/builder`, version: collectorVersion },
      frame: [
        { module: `${core}/otelcol`, version: collectorVersion },
        { module: `${core}/service`, version: collectorVersion },
      ],
      ldflags: stripped,
      extensions: [
        { module: `${contrib}/extension/healthcheckextension`, version: collectorVersion },
        { module: `${contrib}/extension/storage/filestorage`, version: collectorVersion },
      ],
      receivers: [{ module: `${core}/receiver/otlpreceiver`, version: collectorVersion }],
      processors: [
        { module: `${core}/processor/memorylimiterprocessor`, version: collectorVersion },
        { module: `${contrib}/processor/k8sattributesprocessor`, version: collectorVersion },
        { module: `${contrib}/processor/transformprocessor`, version: collectorVersion },
      ],
      exporters: [
        { module: `${core}/exporter/debugexporter`, version: collectorVersion },
        { module: `${core}/exporter/otlpexporter`, version: collectorVersion },
        { module: `${core}/exporter/otlphttpexporter`, version: collectorVersion },
        { module: `${contrib}/exporter/fileexporter`, version: collectorVersion },
        { module: `${contrib}/exporter/prometheusexporter`, version: collectorVersion },
        { module: `${contrib}/exporter/prometheusremotewriteexporter`, version: collectorVersion },
      ],
      connectors: [{ module: `${core}/connector/forwardconnector`, version: collectorVersion }],
      providers: [
        { module: `${core}/confmap/provider/envprovider`, version: providerVersion },
        { module: `${core}/confmap/provider/fileprovider`, version: providerVersion },
        { module: `${core}/confmap/provider/yamlprovider`, version: providerVersion },
      ],
    },
    expectedSeconds: 360,
  },
  helm: {
    version: '4.3.1',
    purpose: 'lints, renders and installs the chart',
    recipe: {
      kind: 'go',
      module: 'helm.sh/helm/v4',
      version: 'v4.3.1',
      package: 'helm.sh/helm/v4/cmd/helm',
      ldflags: helm4Flags,
    },
    expectedSeconds: 150,
  },
  helm3: {
    version: '3.22.0',
    purpose: 'the Helm that many still have',
    recipe: {
      kind: 'go',
      module: 'helm.sh/helm/v3',
      version: 'v3.22.0',
      package: 'helm.sh/helm/v3/cmd/helm',
      ldflags: helm3Flags,
    },
    expectedSeconds: 90,
  },
  etcd: {
    version: '3.6.16',
    purpose: 'where Kubernetes keeps what it knows',
    recipe: {
      kind: 'go',
      module: 'go.etcd.io/etcd/server/v3',
      version: 'v3.6.16',
      package: 'go.etcd.io/etcd/server/v3',
      ldflags: stripped,
    },
    expectedSeconds: 60,
  },
  'kube-apiserver': kubernetesPart('kube-apiserver', 'the API of Kubernetes', 300),
  'kube-controller-manager': kubernetesPart('kube-controller-manager', 'deployments and endpoints', 180),
  'kube-scheduler': kubernetesPart('kube-scheduler', 'gives each pod its node', 120),
  kubelet: kubernetesPart('kubelet', 'runs the pods of a node', 180, true),
  'kube-proxy': kubernetesPart('kube-proxy', 'brings connections to a Service to its pods', 90),
  kubectl: kubernetesPart('kubectl', 'asks the API', 90),
  coredns: {
    version: '1.15.0',
    purpose: 'the names of Services',
    recipe: {
      kind: 'go',
      module: 'github.com/coredns/coredns',
      version: 'v1.15.0',
      package: 'github.com/coredns/coredns',
      ldflags: stripped,
    },
    expectedSeconds: 150,
  },
  'prometheus-operator-crds': {
    version: '0.85.0',
    purpose: 'the shapes of monitors and rules',
    recipe: {
      kind: 'manifests',
      module: 'github.com/prometheus-operator/prometheus-operator',
      version: 'v0.85.0',
      folder: 'example/prometheus-operator-crd',
      files: ['podmonitors', 'prometheusrules', 'servicemonitors'].map(
        (kind) => `monitoring.coreos.com_${kind}.yaml`,
      ),
    },
    expectedSeconds: 15,
  },
  'gateway-api-crds': {
    version: '1.6.3',
    purpose: 'the shapes of routes',
    recipe: {
      kind: 'manifests',
      module: 'sigs.k8s.io/gateway-api',
      version: 'v1.6.3',
      folder: 'config/crd/standard',
      files: ['gatewayclasses', 'gateways', 'httproutes'].map(
        (kind) => `gateway.networking.k8s.io_${kind}.yaml`,
      ),
    },
    expectedSeconds: 15,
  },
  'keda-crds': {
    version: '2.21.0',
    purpose: 'the shape of an autoscaler',
    recipe: {
      kind: 'manifests',
      module: 'github.com/kedacore/keda/v2',
      version: 'v2.21.0',
      folder: 'config/crd/bases',
      files: ['keda.sh_scaledobjects.yaml', 'keda.sh_triggerauthentications.yaml'],
    },
    expectedSeconds: 15,
  },
  containerd: systemPart('keeps images and containers', 'containerd', ['/usr/bin/containerd']),
  runc: systemPart('starts containers', 'runc', ['/usr/sbin/runc', '/usr/bin/runc']),
  'cni-plugins': systemPart('connect pods', 'containernetworking-plugins', [
    '/usr/lib/cni/bridge',
    '/opt/cni/bin/bridge',
  ]),
  nft: systemPart('filters and forwards packets', 'nftables', ['/usr/sbin/nft', '/usr/bin/nft']),
  iproute2: systemPart('connects network namespaces', 'iproute2', [
    '/usr/sbin/ip',
    '/usr/bin/ip',
    '/sbin/ip',
  ]),
  busybox: systemPart('the program of a container that does nothing', 'busybox-static', [
    '/usr/bin/busybox',
    '/bin/busybox',
  ]),
  chromium: systemPart('the browser', 'chromium', [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ]),
};

export function isPartName(word: string): word is PartName {
  return (partNames as readonly string[]).includes(word);
}

/** One line that names the version and the recipe; the program in the cache is current while its own is the same. */
export function partStamp(part: Part): string {
  const digest = createHash('sha256').update(JSON.stringify(part.recipe)).digest('hex').slice(0, 12);
  return `${part.version} ${digest}`;
}

/** The manifest that the collector's builder reads. */
export function renderManifest(version: string, recipe: CollectorRecipe): string {
  const section = (title: string, modules: GoModule[]): string[] => [
    `${title}:`,
    ...modules.map((entry) => `  - gomod: ${entry.module} ${entry.version}`),
  ];
  return [
    'dist:',
    '  name: otelcol',
    `  module: ${ownModule}`,
    '  output_path: ./out',
    `  version: ${version}`,
    ...section('extensions', recipe.extensions),
    ...section('receivers', recipe.receivers),
    ...section('processors', recipe.processors),
    ...section('exporters', recipe.exporters),
    ...section('connectors', recipe.connectors),
    ...section('providers', recipe.providers),
    '',
  ].join('\n');
}

/** Every module of the collector that its sources name. */
export function collectorModules(recipe: CollectorRecipe): GoModule[] {
  const { frame, extensions, receivers, processors, exporters, connectors, providers } = recipe;
  return [...frame, ...extensions, ...receivers, ...processors, ...exporters, ...connectors, ...providers];
}

/**
 * The modules that a `go.mod` requires as v0.0.0: they lie in the same tree, its own `replace` lines say so, and only
 * those of a main module count. Whoever builds from outside has to say which published version stands for them.
 */
export function stagedModules(goMod: string): string[] {
  return [...goMod.matchAll(/^\t(\S+) v0\.0\.0(?: \/\/ indirect)?$/gm)].map(([, module]) => module!);
}

/**
 * The text of a `go.mod`. Its Go version matters: without one Go would take the module for one of 2021, and fetch the
 * requirements of all requirements.
 */
export function renderGoMod(requirements: GoModule[], replacements: GoModule[] = []): string {
  const required = requirements.map(({ module, version }) => `\t${module} ${version}`);
  const replaced = replacements.map(({ module, version }) => `\t${module} => ${module} ${version}`);
  const replace = replaced.length === 0 ? [] : ['replace (', ...replaced, ')', ''];
  return [`module ${ownModule}`, '', 'go 1.25.0', '', 'require (', ...required, ')', '', ...replace].join(
    '\n',
  );
}
