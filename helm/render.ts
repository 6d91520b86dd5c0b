/**
 * From the declarations of the values to the three forms in which a user of the chart meets them: the commented file,
 * the schema that Helm checks, and the table in the README. Pure.
 */
import { stringify } from 'yaml';
import type { Schema } from './schema.ts';
import { chartSettings, presets } from './settings.ts';
import type { Group, Leaf, Values } from './values.ts';

const source = 'helm/values.ts and src/config.ts';
const lineWidth = 120;

export function renderValuesYaml(values: Values): string {
  const head = [`# Generated from ${source} by npm run generate. Do not edit.`];
  const parts = Object.entries(values).map(([key, entry]) => entryLines(key, entry).join('\n'));
  return `${[...head, ...parts].join('\n\n')}\n`;
}

function entryLines(key: string, entry: Leaf | Group): string[] {
  const comment = entry.doc === '' ? [] : wrap(entry.doc, '# ');
  if (entry.kind === 'group') {
    const members = Object.entries(entry.members).flatMap(([name, member]) => entryLines(name, member));
    return [...comment, `${key}:`, ...indented(members)];
  }
  return [...comment, ...leafLines(key, entry)];
}

function leafLines(key: string, leaf: Leaf): string[] {
  if (leaf.lines === undefined) return yamlOf({ [key]: leaf.default }).split('\n');
  const below = leaf.lines.flatMap((line) =>
    line.startsWith('# ') && !isAssignment(line) ? wrap(line.slice(2), '# ') : [line],
  );
  // A key above nothing but comments would be null, and a null is not a map.
  const hasEntry = below.some((line) => !line.startsWith('#'));
  return [hasEntry ? `${key}:` : `${key}: {}`, ...indented(below)];
}

/** `# NAME: value`: not to be wrapped. */
function isAssignment(line: string): boolean {
  return /^# [A-Z][A-Z0-9_]+:/.test(line);
}

function indented(lines: string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function wrap(text: string, prefix: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= lineWidth - 4)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${prefix}${word}`);
  }
  return lines;
}

function yamlOf(value: unknown): string {
  return stringify(value, { lineWidth: 0, singleQuote: true }).trimEnd();
}

export function renderSchema(values: Values): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: `Generated from ${source} by npm run generate. Do not edit.`,
    title: 'Values of the chart tidegauge',
    ...groupSchema({ kind: 'group', doc: '', members: values }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function groupSchema({ members, open, doc }: Group): Schema {
  const properties = Object.fromEntries(
    Object.entries(members).map(([key, entry]) => [
      key,
      entry.kind === 'group' ? groupSchema(entry) : { description: entry.doc, ...entry.schema },
    ]),
  );
  const needed = Object.keys(members).filter((key) => isNeeded(members[key]!));
  return {
    type: 'object',
    ...(doc !== '' && { description: doc }),
    properties,
    ...(open === undefined
      ? { additionalProperties: false, ...(needed.length > 0 && { required: needed }) }
      : { $comment: `open: ${open}` }),
  };
}

/** What is declared has a default, and is missing only where somebody has taken it away by a null. */
function isNeeded(entry: Leaf | Group): boolean {
  if (entry.kind === 'group') return entry.open === undefined;
  return entry.isNeeded === true || ['integer', 'boolean'].includes(String(entry.schema.type));
}

/** The table of values, and below it the table of settings. */
export function renderTables(values: Values): string {
  const rows = Object.entries(values).flatMap(([key, entry]) => tableRows(key, entry));
  const settings = chartSettings.map(({ env, default: preset, doc, accepts, isSecret, isFile }) => {
    const where = isFile ? 'files' : isSecret ? 'secrets' : 'settings';
    const own = presets[env];
    const shown = own === undefined ? preset : String(own.value);
    const why = own === undefined ? '' : ` ${own.why}`;
    return `| \`${where}.${env}\` | ${shown === undefined ? 'unset' : `\`${shown}\``} | ${cell(`${doc}${why}`)} | ${cell(accepts)} |`;
  });
  return [
    '| value | default | meaning |',
    '| --- | --- | --- |',
    ...rows,
    '',
    '### Settings',
    '',
    '| value | default | meaning | accepts |',
    '| --- | --- | --- | --- |',
    ...settings,
  ].join('\n');
}

function tableRows(path: string, entry: Leaf | Group): string[] {
  if (entry.kind === 'leaf') {
    const preset = entry.lines === undefined ? `\`${JSON.stringify(entry.default)}\`` : 'see below';
    return [`| \`${path}\` | ${cell(preset)} | ${cell(entry.doc)} |`];
  }
  const own = entry.doc === '' ? [] : [`| **\`${path}\`** | | ${cell(entry.doc)} |`];
  return [
    ...own,
    ...Object.entries(entry.members).flatMap(([key, member]) => tableRows(`${path}.${key}`, member)),
  ];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
