/**
 * The rules of OpenTelemetry's weaver for registries, in our own words: what the JSON schema of `definition/2` allows
 * (the part of it that a registry of metrics uses), and what the policies for semantic conventions ask beyond that.
 * Sources: schemas/semconv.schema.v2.json of weaver 0.25, the packages `naming_conventions` and `stability` of
 * opentelemetry-weaver-packages, and "Naming" and "How to write conventions" of the semantic conventions 1.45.
 */
import type { AttributeDefinition, MetricDefinition } from './registry.ts';

export type Registry = { attributes: readonly AttributeDefinition[]; metrics: readonly MetricDefinition[] };

type Properties = { required: readonly string[]; optional: readonly string[] };
type Plain = Readonly<Record<string, unknown>>;

const common = ['note', 'annotations', 'deprecated'];
const sections = ['attributes', 'attribute_groups', 'imports', 'metrics', 'metric_refinements'];
const metricProperties: Properties = {
  required: ['name', 'instrument', 'unit', 'brief', 'stability'],
  optional: [...common, 'attributes', 'requirement_level', 'entity_associations'],
};
const attributeProperties: Properties = {
  required: ['key', 'type', 'brief', 'stability'],
  optional: [...common, 'examples'],
};
const referenceProperties: Properties = {
  required: ['ref'],
  optional: [...common, 'brief', 'examples', 'requirement_level', 'stability'],
};
const memberProperties: Properties = {
  required: ['id'],
  optional: [...common, 'brief', 'value', 'stability'],
};

const instrumentWords = ['counter', 'updowncounter', 'gauge', 'histogram'];
/** Least stable first. */
const stabilityWords = ['development', 'alpha', 'beta', 'release_candidate', 'stable'];
const primitiveTypes = ['boolean', 'int', 'double', 'string'];
const attributeTypes = [...primitiveTypes, ...primitiveTypes.map((type) => `${type}[]`)];

/** What is not in the form of `definition/2`, a line for each fault. */
export function formFaults(file: unknown): string[] {
  const { file_format, metrics = [], attributes = [], ...rest } = file as Plain;
  return [
    ...(file_format === 'definition/2' ? [] : [`file_format is ${file_format}`]),
    ...Object.keys(rest)
      .filter((section) => !sections.includes(section))
      .map((section) => `unknown section ${section}`),
    ...(metrics as Plain[]).flatMap(metricFaults),
    ...(attributes as Plain[]).flatMap(attributeFaults),
  ];
}

function metricFaults(metric: Plain): string[] {
  return [
    ...propertyFaults(metric, metricProperties),
    ...oneOf(metric.instrument, instrumentWords),
    ...oneOf(metric.stability, stabilityWords),
    ...((metric.attributes ?? []) as Plain[]).flatMap((one) => [
      ...propertyFaults(one, referenceProperties),
      ...requirementFaults(one.requirement_level),
    ]),
  ];
}

function attributeFaults(attribute: Plain): string[] {
  const { type } = attribute;
  const members =
    typeof type === 'object' && type !== null ? (type as { members?: Plain[] }).members : undefined;
  return [
    ...propertyFaults(attribute, attributeProperties),
    ...oneOf(attribute.stability, stabilityWords),
    ...(members === undefined
      ? oneOf(type, attributeTypes)
      : members.flatMap((member) => propertyFaults(member, memberProperties))),
  ];
}

function requirementFaults(level: unknown): string[] {
  if (level === undefined) return [];
  if (typeof level === 'string') return oneOf(level, ['required', 'recommended', 'opt_in']);
  const [[key, text] = ['', undefined], ...others] = Object.entries(level as Plain);
  const isKnown = ['conditionally_required', 'recommended', 'opt_in'].includes(key);
  return isKnown && typeof text === 'string' && others.length === 0
    ? []
    : [`requirement level ${key}: ${text}`];
}

function propertyFaults(entry: Plain, { required, optional }: Properties): string[] {
  const given = Object.keys(entry).filter((property) => entry[property] !== undefined);
  return [
    ...required.filter((property) => !given.includes(property)).map((property) => `${property} is missing`),
    ...given
      .filter((property) => !required.includes(property) && !optional.includes(property))
      .map((property) => `unknown property ${property}`),
  ];
}

function oneOf(word: unknown, words: readonly string[]): string[] {
  return word === undefined || words.includes(String(word)) ? [] : [`${word} is none of ${words.join(', ')}`];
}

export type BrokenRule = { rule: string; what: string };

/** Lower case, letters and digits, parted by single dots and underscores; a letter first. */
const namePattern = /^[a-z][a-z0-9]*(?:[._][a-z0-9]+)*$/;

/** Rules of the policies that are broken, each with the name that breaks it. */
export function brokenRules({ attributes, metrics }: Registry): BrokenRule[] {
  const stabilityOf = new Map(attributes.map(({ key, stability }) => [key, stability]));
  const used = new Set(metrics.flatMap(({ attributes: given = [] }) => given.map(({ ref }) => ref)));
  const keys = attributes.map(({ key }) => key);
  const names = metrics.map(({ name }) => name);
  const isDeclared = (name: string): boolean =>
    metrics
      .find((one) => one.name === name)
      ?.annotations.naming_conventions?.policy_exceptions.includes('metric_namespace_collision') === true;
  return [
    ...broken('name', [...keys, ...names], (name) => !namePattern.test(name)),
    ...broken('namespace', keys, (key) => !key.includes('.')),
    ...broken('words', names, (name) => /(?:^|[._])total$/.test(name)),
    ...broken('brief', attributes, ({ brief }) => brief.trim() === ''),
    ...broken('brief', metrics, ({ brief }) => !/\S\.$/.test(brief.trim())),
    ...broken('unused', keys, (key) => !used.has(key)),
    ...broken('reference', [...used], (ref) => isOwn(ref, names) && !stabilityOf.has(ref)),
    ...broken('constant', keys, (key) => sharesConstant(key, keys)),
    ...broken('constant', names, (name) => sharesConstant(name, names)),
    ...broken('namespace of another', keys, (key) => isNamespace(key, keys)),
    ...broken('namespace of another', names, (name) => {
      const below = names.filter((other) => other.startsWith(`${name}.`));
      return below.length > 0 && !isDeclared(name) && !below.every(isDeclared);
    }),
    ...broken('member id', attributes, ({ type }) => type.members.some(({ id }) => !namePattern.test(id))),
    ...broken(
      'member twice',
      attributes,
      ({ type: { members } }) =>
        !isDistinct(members.map(({ id }) => id.replaceAll('.', '_'))) ||
        !isDistinct(members.map(({ value }) => value)),
    ),
    ...broken('stability', metrics, ({ stability, attributes: given = [] }) =>
      given.some(
        ({ ref, requirement_level }) =>
          requirement_level !== 'opt_in' && isLess(stabilityOf.get(ref) ?? stability, stability),
      ),
    ),
  ];
}

function broken<Entry>(
  rule: string,
  entries: readonly Entry[],
  isBroken: (entry: Entry) => boolean,
): BrokenRule[] {
  return entries
    .filter(isBroken)
    .map((entry) => ({ rule, what: typeof entry === 'string' ? entry : JSON.stringify(entry) }));
}

/** Of the same first namespace as our metrics; what others define is theirs to explain. */
function isOwn(ref: string, names: readonly string[]): boolean {
  return names.some((name) => name.split('.')[0] === ref.split('.')[0]);
}

function sharesConstant(name: string, names: readonly string[]): boolean {
  const constant = (text: string): string => text.replaceAll('.', '_');
  return names.some((other) => other !== name && constant(other) === constant(name));
}

function isNamespace(name: string, names: readonly string[]): boolean {
  return names.some((other) => other.startsWith(`${name}.`));
}

function isDistinct(words: readonly string[]): boolean {
  return new Set(words).size === words.length;
}

function isLess(one: string, other: string): boolean {
  return stabilityWords.indexOf(one) < stabilityWords.indexOf(other);
}
