/**
 * Rules as text: the YAML of Prometheus' rule files, which is also what the `spec` of a PrometheusRule has in it.
 * It knows just enough of YAML for plain data: mappings, sequences, strings and numbers. Pure.
 */

import { formatPromql } from './format-promql.ts';

export type Plain = string | number | readonly Plain[] | { readonly [key: string]: Plain | undefined };

const indent = '  ';

/** A document. An `expr` is PromQL, and broken into lines where it is long. */
export function renderYaml(document: Plain, head: readonly string[] = []): string {
  const lines = [...head.map((line) => `# ${line}`), ...render(document)];
  return `${lines.join('\n')}\n`;
}

function render(value: Plain): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((one: Plain) => {
      const [first = '', ...rest] = render(one);
      return [`- ${first}`, ...rest.map((line) => indent + line)];
    });
  }
  if (typeof value !== 'object') return [scalar(value)];
  return Object.entries(value as Record<string, Plain | undefined>).flatMap(([key, one]) => {
    if (one === undefined) return [];
    if (typeof one === 'string') {
      const lines = key === 'expr' ? formatPromql(one) : [one];
      if (lines.length === 1 && key !== 'expr') return [`${name(key)}: ${scalar(one)}`];
      return [`${name(key)}: |-`, ...lines.map((line) => indent + line)];
    }
    if (typeof one === 'number') return [`${name(key)}: ${scalar(one)}`];
    if (Object.keys(one).length === 0) return [`${name(key)}: ${Array.isArray(one) ? '[]' : '{}'}`];
    return [`${name(key)}:`, ...render(one).map((line) => indent + line)];
  });
}

function name(key: string): string {
  return /^[A-Za-z_][\w-]*$/.test(key) ? key : JSON.stringify(key);
}

/** JSON's strings are YAML's double-quoted ones. What could be taken for a number, a truth or a comment is quoted. */
function scalar(value: Plain): string {
  if (typeof value === 'number') return String(value);
  const text = value as string;
  const isPlain = /^[A-Za-z][\w./-]*$/.test(text) && !/^(?:true|false|yes|no|on|off|null|[yn])$/i.test(text);
  return isPlain || /^\d+(?:ms|[smhdw])$/.test(text) ? text : JSON.stringify(text);
}
