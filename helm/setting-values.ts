/**
 * The four values through which settings reach the gateway, with all of them known by name: what is no secret goes into
 * a ConfigMap, secrets into a Secret or are taken from an existing one, and files are mounted.
 */
import type { SettingKind } from '../src/config.ts';
import { list, object, type Schema, string } from './schema.ts';
import { type ChartSetting, chartSettings, presets } from './settings.ts';
import type { Leaf } from './values.ts';

const plain = chartSettings.filter(({ isSecret, isFile }) => !isSecret && !isFile);
const secrets = chartSettings.filter(({ isSecret }) => isSecret);
const files = chartSettings.filter(({ isFile }) => isFile);

/** As one writes it in YAML: numbers and flags bare, lists as lists or as text. The gateway checks the rest. */
const shapes: Record<SettingKind, (setting: ChartSetting) => Schema[]> = {
  text: () => [string],
  integer: ({ env, bounds }) => {
    // The Service and the probes have to know the port: it cannot be left to chance.
    const isPort = env === 'PORT' || env === 'ADMIN_PORT';
    return [
      { type: 'integer', minimum: isPort ? 1 : bounds![0], maximum: bounds![1] },
      { type: 'string', pattern: isPort ? '^[1-9][0-9]*$' : '^[0-9]+$' },
    ];
  },
  number: ({ bounds }) => [
    { type: 'number', minimum: bounds![0], maximum: bounds![1] },
    { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?$' },
  ],
  duration: () => [{ type: 'string', pattern: '^(0|[0-9]+(\\.[0-9]+)?(ms|s|m|h))$' }, { const: 0 }],
  size: () => [
    { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(B|KiB|MiB|GiB|kB|MB|GB)?$' },
    { type: 'integer', minimum: 0 },
  ],
  choice: ({ choices }) => [{ enum: choices }],
  flag: () => [{ type: 'boolean' }, { enum: ['true', 'false'] }],
  list: () => [string, list(string)],
};

function settingSchema(setting: ChartSetting): Schema {
  return { description: setting.doc, anyOf: [...shapes[setting.kind](setting), { type: 'null' }] };
}

function settingLines(setting: ChartSetting): string[] {
  const { env, doc, accepts, default: preset } = setting;
  const own = presets[env];
  const comment = `${doc} (${accepts})${own === undefined ? '' : ` ${own.why}`}`;
  if (own !== undefined) return [`# ${comment}`, `${env}: ${own.value}`];
  return [`# ${comment}`, `# ${env}: ${preset === undefined ? '' : quoted(preset)}`.trimEnd()];
}

/** Plain where YAML reads it back as what it is. */
function quoted(text: string): string {
  return /^[\w.]+$/.test(text) ? text : `'${text}'`;
}

function each(settings: readonly ChartSetting[], schema: (setting: ChartSetting) => Schema): Schema {
  return object(Object.fromEntries(settings.map((one) => [one.env, schema(one)])));
}

export const settingValues: Leaf = {
  kind: 'leaf',
  doc: 'The settings of the gateway, by their own names. What is not set here, the gateway presets itself. null: unset.',
  default: Object.fromEntries(Object.entries(presets).map(([env, { value }]) => [env, value])),
  schema: each(plain, settingSchema),
  lines: plain.flatMap(settingLines),
};

export const settingSecrets: Leaf = {
  kind: 'leaf',
  doc: 'Settings that are secrets, given in plain; they are kept in a Secret of the chart. Better: `existingSecret`.',
  default: {},
  schema: each(secrets, ({ doc }) => ({ type: ['string', 'null'], description: doc })),
  lines: secrets.flatMap(settingLines),
};

export const settingKeys: Leaf = {
  kind: 'leaf',
  doc: 'Which settings the existing Secret holds: setting: key. A pod whose Secret lacks one of them does not start.',
  default: {},
  // What the templates calculate with has to be known when they are rendered.
  schema: each(
    [...secrets, ...plain].filter(({ env }) => !(env in presets)),
    () => ({ type: ['string', 'null'], minLength: 1 }),
  ),
  lines: ['# TIDEGAUGE_ADMIN_TOKEN: admin-token'],
};

export const settingFiles: Leaf = {
  kind: 'leaf',
  doc: 'Settings that name a file, taken from a Secret or a ConfigMap: setting: {secret or configMap, key}.',
  default: {},
  schema: each(files, ({ doc }) => ({
    description: doc,
    anyOf: [
      object({ secret: string, key: string }, ['secret', 'key']),
      object({ configMap: string, key: string }, ['configMap', 'key']),
      { type: 'null' },
    ],
  })),
  lines: files.flatMap(({ env, doc }) => [`# ${doc}`, `# ${env}: {secret: name-of-secret, key: key-in-it}`]),
};
