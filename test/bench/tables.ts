/** The results as Markdown, for people. */
import { type ContenderName, contenderNames, contenders } from './contenders.ts';
import type { Figures, Results } from './figures.ts';
import type { Goal } from './goals.ts';

type Column = { head: string; show(results: Results, workload: string, contender: ContenderName): string };

const figure = (head: string, name: keyof Figures, digits: number): Column => ({
  head,
  show: (results, workload, contender) => show(results.median(workload, contender, name), digits),
});

const columns: Column[] = [
  figure('deliveries/s', 'deliveriesPerSecond', 0),
  figure('CPU us/delivery', 'cpuMicrosPerDelivery', 3),
  {
    head: 'of the gateway’s',
    show: (results, workload, contender) => {
      const ours: ContenderName = contender.startsWith('telemetry-') ? 'telemetry-off' : 'tidegauge';
      const here = (name: ContenderName) => ({ workload, contender: name });
      return show(results.ratio('cpuMicrosPerDelivery', here(contender), here(ours)), 2);
    },
  },
  figure('cores', 'cpuCores', 2),
  figure('p50 ms', 'p50Ms', 1),
  figure('p99 ms', 'p99Ms', 1),
  figure('p99.9 ms', 'p999Ms', 1),
  figure('pong p99 ms', 'pongP99Ms', 1),
  figure('loop p99 ms', 'loopP99Ms', 1),
  figure('RSS MiB', 'residentMiB', 0),
  figure('undelivered', 'undelivered', 0),
  figure('dropped', 'dropped', 0),
  figure('load client cores', 'loadClientCores', 2),
  figure('strangers', 'strangerCores', 2),
];

/** Below these a run is not quite what it should be, and the table says so. */
const PUBLISHED_SHARE_MIN = 0.98;
const STRANGERS_MAX = 0.05;

/** One table, and below it what was wrong with a run. */
export function renderWorkload(results: Results, workload: string, what: string): string {
  const present = contenderNames.filter((name) => results.of(workload, name).length > 0);
  const rows = present.map((name) => [
    `${name} (${contenders[name].what})`,
    ...columns.map((column) => column.show(results, workload, name)),
  ]);
  const notes = results.placed
    .filter((one) => one.workload === workload)
    .flatMap(({ contender, round, aborted, figures }) => {
      const found: string[] = [];
      if (aborted !== undefined) found.push(`cut short: ${aborted}`);
      if (figures.publishedShare < PUBLISHED_SHARE_MIN)
        found.push(`only ${show(figures.publishedShare, 2)} of the rate was published`);
      if (figures.strangerCores > STRANGERS_MAX)
        found.push(`disturbed: others had ${show(figures.strangerCores, 2)} of its core`);
      return found.map((note) => `\n- ${contender}, round ${round + 1}: ${note}`);
    });
  const table = renderTable(['contender', ...columns.map(({ head }) => head)], rows);
  return `### ${workload}\n\n${what}\n\n${table}\n${notes.join('')}`;
}

export function renderGoals(goals: readonly Goal[]): string {
  const rows = goals.map(({ text, value, bound, isMet }) => [
    text,
    show(value, 3),
    bound,
    isMet ? 'met' : 'MISSED',
  ]);
  return `### What it should show\n\n${renderTable(['claim', 'measured', 'bound', ''], rows)}\n`;
}

export function renderTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

/** With thousands apart; a dash for what does not exist. */
export function show(value: number, digits: number): string {
  if (Number.isNaN(value)) return '-';
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
