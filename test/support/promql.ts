/** Reads PromQL without a server, by the grammar of Prometheus' own editor. */
import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

export type Matcher = { label: string; operator: string; value: string };

export type Selector = {
  name: string;
  matchers: Matcher[];
  /** Of a range selector, as it is written. */
  range: string | undefined;
  /** The functions that it is an argument of, innermost first. */
  functions: string[];
};

export type ParsedPromql = {
  /** Where the text is no PromQL. */
  errors: string[];
  selectors: Selector[];
  /** Labels that aggregations and matchings go by. */
  groupings: string[];
};

/** What Grafana writes in the place of a duration; none of these stands in a query of ours for itself. */
const durations: Readonly<Record<string, string>> = {
  $__rate_interval: '101s',
  $__range: '103s',
  $__interval: '107s',
};

/** Durations may be variables of Grafana; other variables stand in strings, where anything may. */
export function parsePromql(promql: string): ParsedPromql {
  let text = promql;
  for (const [variable, duration] of Object.entries(durations)) text = text.replaceAll(variable, duration);
  const textOf = ({ from, to }: SyntaxNode): string => text.slice(from, to);
  const parsed: ParsedPromql = { errors: [], selectors: [], groupings: [] };
  parser.parse(text).iterate({
    enter({ node, type, from }) {
      if (type.isError) parsed.errors.push(`${text.slice(0, from)} <- here`);
      if (type.name === 'GroupingLabels') parsed.groupings.push(...node.getChildren('LabelName').map(textOf));
      if (type.name === 'VectorSelector') parsed.selectors.push(readSelector(node, textOf));
    },
  });
  return parsed;
}

function readSelector(node: SyntaxNode, textOf: (node: SyntaxNode) => string): Selector {
  const identifier = node.getChild('Identifier');
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
  const duration = node.parent?.name === 'MatrixSelector' ? node.parent.getChild('DurationExpr') : null;
  const functions: string[] = [];
  for (let outer = node.parent; outer !== null; outer = outer.parent) {
    const called = outer.getChild('FunctionIdentifier');
    if (outer.name === 'FunctionCall' && called !== null) functions.push(textOf(called));
  }
  return {
    name: identifier === null ? '' : textOf(identifier),
    matchers: matchers.map((matcher) => ({
      label: textOf(matcher.getChild('LabelName')!),
      operator: textOf(matcher.getChild('MatchOp')!),
      value: JSON.parse(textOf(matcher.getChild('StringLiteral')!)) as string,
    })),
    range: duration === null ? undefined : variableOf(textOf(duration)),
    functions,
  };
}

/** As a query of its own. A range is asked for its last samples: whether there are any is the question. */
export function selectorText({ name, matchers, range }: Selector): string {
  const inBraces = matchers.map(
    ({ label, operator, value }) => `${label}${operator}${JSON.stringify(value)}`,
  );
  const selector = inBraces.length === 0 ? name : `${name}{${inBraces.join(', ')}}`;
  return range === undefined ? selector : `last_over_time(${selector}[${range}])`;
}

function variableOf(duration: string): string {
  return Object.entries(durations).find(([, written]) => written === duration)?.[0] ?? duration;
}
