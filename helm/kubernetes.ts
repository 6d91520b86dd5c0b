/**
 * The shapes of the parts of Kubernetes objects that values hand through. They are closed like the rest, so that a
 * misspelt `matchLabel` is found when the chart is rendered.
 */
import {
  anyObject,
  boolean,
  integer,
  list,
  map,
  object,
  oneOf,
  quantity,
  type Schema,
  string,
} from './schema.ts';

const labelSelector = object({
  matchLabels: map(),
  matchExpressions: list(
    object({ key: string, operator: string, values: list(string) }, ['key', 'operator']),
  ),
});

const nodeRequirement = object({ key: string, operator: string, values: list(string) }, ['key', 'operator']);
const nodeTerm = object({ matchExpressions: list(nodeRequirement), matchFields: list(nodeRequirement) });

const podTerm = object(
  {
    labelSelector,
    namespaceSelector: labelSelector,
    namespaces: list(string),
    topologyKey: string,
    matchLabelKeys: list(string),
    mismatchLabelKeys: list(string),
  },
  ['topologyKey'],
);
const podRules = object({
  requiredDuringSchedulingIgnoredDuringExecution: list(podTerm),
  preferredDuringSchedulingIgnoredDuringExecution: list(
    object({ weight: integer(1, 100), podAffinityTerm: podTerm }, ['weight', 'podAffinityTerm']),
  ),
});

export const affinity = object({
  nodeAffinity: object({
    requiredDuringSchedulingIgnoredDuringExecution: object({ nodeSelectorTerms: list(nodeTerm) }, [
      'nodeSelectorTerms',
    ]),
    preferredDuringSchedulingIgnoredDuringExecution: list(
      object({ weight: integer(1, 100), preference: nodeTerm }, ['weight', 'preference']),
    ),
  }),
  podAffinity: podRules,
  podAntiAffinity: podRules,
});

export const toleration = object({
  key: string,
  operator: string,
  value: string,
  effect: oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute'),
  tolerationSeconds: integer(0),
});

export const topologySpreadConstraint = object(
  {
    maxSkew: integer(1),
    topologyKey: string,
    whenUnsatisfiable: oneOf('DoNotSchedule', 'ScheduleAnyway'),
    labelSelector,
    matchLabelKeys: list(string),
    minDomains: integer(1),
    nodeAffinityPolicy: oneOf('Honor', 'Ignore'),
    nodeTaintsPolicy: oneOf('Honor', 'Ignore'),
  },
  ['maxSkew', 'topologyKey', 'whenUnsatisfiable'],
);

export const resources = object({ requests: map(quantity), limits: map(quantity) });

const seccompProfile = object({
  type: oneOf('RuntimeDefault', 'Localhost', 'Unconfined'),
  localhostProfile: string,
});
const seLinuxOptions = object({ level: string, role: string, type: string, user: string });

/** A null takes a default away, for platforms that choose the user themselves. */
const idOrNull: Schema = { type: ['integer', 'null'], minimum: 1 };

export const podSecurityContext = object({
  runAsNonRoot: boolean,
  runAsUser: idOrNull,
  runAsGroup: idOrNull,
  fsGroup: idOrNull,
  fsGroupChangePolicy: oneOf('Always', 'OnRootMismatch'),
  supplementalGroups: list(integer(1)),
  seccompProfile,
  seLinuxOptions,
  sysctls: list(object({ name: string, value: string }, ['name', 'value'])),
});

export const securityContext = object({
  allowPrivilegeEscalation: boolean,
  readOnlyRootFilesystem: boolean,
  privileged: boolean,
  runAsNonRoot: boolean,
  runAsUser: idOrNull,
  runAsGroup: idOrNull,
  capabilities: object({ drop: list(string), add: list(string) }),
  seccompProfile,
  seLinuxOptions,
});

const keyRef = object({ name: string, key: string, optional: boolean }, ['name', 'key']);

export const envVar = object(
  {
    name: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$' },
    value: string,
    valueFrom: object({
      secretKeyRef: keyRef,
      configMapKeyRef: keyRef,
      fieldRef: object({ apiVersion: string, fieldPath: string }, ['fieldPath']),
      resourceFieldRef: object({ containerName: string, resource: string, divisor: quantity }, ['resource']),
    }),
  },
  ['name'],
);

const sourceRef = object({ name: string, optional: boolean }, ['name']);
export const envFromSource = object({ prefix: string, configMapRef: sourceRef, secretRef: sourceRef });

const volumeSources = [
  ...['configMap', 'secret', 'projected', 'emptyDir', 'persistentVolumeClaim', 'csi', 'downwardAPI'],
  ...['ephemeral', 'hostPath', 'image', 'nfs'],
];
export const volume = object(
  {
    name: string,
    ...Object.fromEntries(volumeSources.map((one) => [one, anyObject('a volume source of Kubernetes')])),
  },
  ['name'],
);

export const volumeMount = object(
  {
    name: string,
    mountPath: string,
    subPath: string,
    subPathExpr: string,
    readOnly: boolean,
    recursiveReadOnly: string,
    mountPropagation: string,
  },
  ['name', 'mountPath'],
);

export const networkPeer = object({
  podSelector: labelSelector,
  namespaceSelector: labelSelector,
  ipBlock: object({ cidr: string, except: list(string) }, ['cidr']),
});
const networkPort = object({
  protocol: oneOf('TCP', 'UDP', 'SCTP'),
  port: { anyOf: [integer(1, 65535), string] },
  endPort: integer(1, 65535),
});
export const ingressRule = object({ from: list(networkPeer), ports: list(networkPort) });
export const egressRule = object({ to: list(networkPeer), ports: list(networkPort) });

const scalingRules = object({
  stabilizationWindowSeconds: integer(0, 3600),
  selectPolicy: oneOf('Max', 'Min', 'Disabled'),
  tolerance: quantity,
  policies: list(
    object({ type: oneOf('Pods', 'Percent'), value: integer(1), periodSeconds: integer(1, 1800) }, [
      'type',
      'value',
      'periodSeconds',
    ]),
  ),
});
export const scalingBehavior = object({ scaleUp: scalingRules, scaleDown: scalingRules });

export const probe = object({
  periodSeconds: integer(1),
  timeoutSeconds: integer(1),
  failureThreshold: integer(1),
  initialDelaySeconds: integer(0),
});

const relabeling = object({
  action: string,
  sourceLabels: list(string),
  separator: string,
  regex: string,
  modulus: integer(1),
  targetLabel: string,
  replacement: string,
});
export const relabelings = list(relabeling);

export const parentRef = object(
  {
    name: string,
    namespace: string,
    sectionName: string,
    port: integer(1, 65535),
    group: string,
    kind: string,
  },
  ['name'],
);
export const ingressTls = object({ hosts: list(string), secretName: string });
export const pullSecret: Schema = { anyOf: [string, object({ name: string }, ['name'])] };
