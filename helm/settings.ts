/**
 * The settings as the chart sees them: the gateway's table, the OpenTelemetry variables, and what the chart presets
 * where the gateway's own default would be wrong in a pod.
 */
import { type SettingKind, settingDeclarations } from '../src/config.ts';
import { otelSettings } from './otel-settings.ts';

export type ChartSetting = {
  env: string;
  kind: SettingKind;
  /** The gateway's own; undefined: unset. */
  default: string | undefined;
  accepts: string;
  doc: string;
  isSecret: boolean;
  /** Its value is the path of a file in the container. */
  isFile: boolean;
  bounds?: readonly [least: number, most: number];
  choices?: readonly string[];
};

export const chartSettings: readonly ChartSetting[] = [
  ...settingDeclarations.map(chartSetting),
  ...otelSettings.map(chartSetting),
];

function chartSetting(one: Omit<ChartSetting, 'isFile'>): ChartSetting {
  const { env, kind, default: preset, accepts, doc, isSecret, bounds, choices } = one;
  return {
    ...{ env, kind, default: preset, accepts, doc, isSecret },
    isFile: doc.startsWith('Path of '),
    ...(bounds && { bounds }),
    ...(choices && { choices }),
  };
}

/** What the chart sets where its user does not, and why. A null in the values takes a preset away again. */
export const presets: Readonly<Record<string, { value: string | number; why: string }>> = {
  HOST: { value: '0.0.0.0', why: 'Clients come from outside the pod.' },
  PORT: { value: 3002, why: 'The port of the container; that of the Service is `service.port`.' },
  ADMIN_PORT: {
    value: 3003,
    why: 'Figures and actions have a port of their own, which no Ingress and no route leads to. null: all on PORT.',
  },
  TIDEGAUGE_MAX_CONNECTIONS: {
    value: 20_000,
    why: 'What the default memory limit carries with room for queues; raise both together.',
  },
  TIDEGAUGE_DRAIN_DELAY: {
    value: '5s',
    why: 'Load balancers need a moment to hear that a pod is leaving. 0s with `termination.preStopSleepSeconds`.',
  },
  TIDEGAUGE_DRAIN_WINDOW: {
    value: '30s',
    why: 'Clients of a leaving pod come back over this time rather than all at once.',
  },
};

for (const env of Object.keys(presets)) {
  if (!chartSettings.some((one) => one.env === env)) throw new Error(`${env} is preset, but is no setting`);
}

/** What the templates need to know of each setting, as data: they cannot read TypeScript. */
export function renderSettingsData(): string {
  const rows = chartSettings.map(({ env, kind, default: preset, isSecret, isFile }) => [
    env,
    {
      kind,
      ...(preset !== undefined && { default: preset }),
      ...(isSecret && { isSecret }),
      ...(isFile && { isFile }),
    },
  ]);
  return `${JSON.stringify(Object.fromEntries(rows), null, 2)}\n`;
}
