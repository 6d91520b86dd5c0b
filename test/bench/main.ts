/**
 * The bench: the gateway and its peers under the same workloads, in the same run, on the same machine; each run
 * with a real NATS server, a publisher, a load client and the server in processes of their own. Prints Markdown and
 * writes all it saw to test/bench/results. Only ratios within one bench say something about two contenders;
 * absolute figures are the machine's. Everything is on the loopback, bounded in time, and ends with this process.
 *
 *   npm run bench [-- --quick | --only fanout-1000x1000 --rounds 1 --seconds 10 --peers tidegauge,forty-paced]
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { figuresOf, Results } from './figures.ts';
import { goals, type InProcessResults } from './goals.ts';
import { type IdleResult, idleServerNames, measureIdle, renderIdle } from './idle.ts';
import { pin } from './pinning.ts';
import { type Arguments, type InProcessName, parsePlan, type Step, usage } from './plan.ts';
import { run } from './run.ts';
import { renderGoals, renderTable, renderWorkload, show } from './tables.ts';

/** What a run takes beside its window: starting, dialling, waiting for the last delivery. */
const SECONDS_AROUND_A_RUN = 8;
const SECONDS_FOR_IDLE = 30;

function readArguments(): Arguments {
  try {
    return parsePlan(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return process.exit(2);
  }
}

const { plan, isList, isHelp } = readArguments();
if (isHelp) {
  console.log(usage);
  process.exit(0);
}
if (isList) {
  for (const step of plan.steps) console.log(JSON.stringify(step));
  for (const line of plan.skipped) console.log(line);
  process.exit(0);
}

const startedAt = new Date();
const deadlineMs = performance.now() + plan.minutesMax * 60_000;
const folder = join(import.meta.dirname, 'results');
const stamp = startedAt.toISOString().slice(0, 19).replaceAll(':', '-');
const resultFile = join(folder, `${stamp}.json`);
const profileFolder = plan.hasProfiles ? join(folder, stamp) : undefined;
mkdirSync(profileFolder ?? folder, { recursive: true });
const pinning = pin(plan.serverCore, plan.loadCores, plan.isPinned);
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryMiB: Math.round(totalmem() / 2 ** 20),
  kernel: release(),
  node: process.version,
};
const results = new Results();
const idle: IdleResult[] = [];
const inProcess: InProcessResults = { matching: [], tracking: [] };
const failures: string[] = [];
const { skipped } = plan;

/** After each step, so that a bench which is stopped has not been for nothing. */
function save(): void {
  const { steps: _, ...settings } = plan;
  const found = { runs: results.placed, idle, inProcess, skipped, failures, goals: allGoals() };
  writeFileSync(
    resultFile,
    JSON.stringify({ startedAt, machine, pinning: pinning.what, settings, ...found }, null, 1),
  );
}

const allGoals = () => goals(results, idle, inProcess);

async function take(step: Step): Promise<string> {
  if (step.kind === 'in-process') {
    const result = await runInProcess(step.name);
    (inProcess[step.name] as unknown[]).push(result);
    return rounded(result);
  }
  if (step.kind === 'idle') {
    const measured: IdleResult[] = [];
    for (const server of idleServerNames) measured.push(await measureIdle(server, step.connections));
    idle.push(...measured);
    return measured
      .map(({ server, perConnectionKiB }) => `${server} ${perConnectionKiB.toFixed(2)} KiB`)
      .join(', ');
  }
  const { contender, round, warmUpSeconds, seconds } = step;
  const workload = plan.workloads[step.workload]!;
  const { memoryLimitMiB } = plan;
  const label = `${step.workload}.${contender}.${round + 1}`;
  const profile = profileFolder ? { folder: profileFolder, name: `${label}.cpuprofile` } : undefined;
  const made = await run(contender, workload, { seconds, warmUpSeconds, memoryLimitMiB, pinning, profile });
  const figures = figuresOf(made, workload.rate);
  const { aborted } = made.measured;
  results.placed.push({ workload: step.workload, contender, round, figures, aborted, run: made });
  return [
    `${show(figures.deliveriesPerSecond, 0)}/s`,
    `${show(figures.cpuMicrosPerDelivery, 3)} us`,
    `p99 ${show(figures.p99Ms, 1)} ms`,
    `undelivered ${show(figures.undelivered, 0)}`,
    ...(aborted ? [`cut short: ${aborted}`] : []),
  ].join(', ');
}

async function runInProcess(name: InProcessName): Promise<unknown> {
  const script = join(import.meta.dirname, 'in-process', `${name}.ts`);
  const { stdout } = await promisify(execFile)(...pinning.serverCommand(process.execPath, [script]));
  return JSON.parse(stdout);
}

/** As JSON, with no more digits than mean something. */
function rounded(result: unknown): string {
  return JSON.stringify(result, (_key, value) =>
    typeof value === 'number' ? Math.round(value * 1000) / 1000 : value,
  );
}

function nameOf(step: Step): string {
  if (step.kind === 'run') return `${step.workload}, ${step.contender}`;
  return step.kind === 'idle' ? `idle, ${step.connections} connections` : step.name;
}

function expectedMinutes(steps: readonly Step[]): number {
  const seconds = steps.map((step) =>
    step.kind === 'run'
      ? step.warmUpSeconds + step.seconds + SECONDS_AROUND_A_RUN
      : step.kind === 'idle'
        ? SECONDS_FOR_IDLE
        : SECONDS_AROUND_A_RUN,
  );
  return seconds.reduce((sum, one) => sum + one, 0) / 60;
}

console.error(
  `${plan.steps.length} runs, about ${show(expectedMinutes(plan.steps), 0)} minutes; ${pinning.what}`,
);
for (const line of skipped) console.error(line);
for (const [index, step] of plan.steps.entries()) {
  const name = `${nameOf(step)}, round ${step.round + 1}`;
  const place = `[${index + 1}/${plan.steps.length}] ${name}`;
  if (performance.now() > deadlineMs) {
    skipped.push(`${name}: left out, the bench has taken ${plan.minutesMax} minutes`);
    continue;
  }
  try {
    console.error(`${place}: ${await take(step)}`);
  } catch (error) {
    const line = `${name}: ${(error as Error).message}`;
    failures.push(line);
    console.error(`${place}: FAILED: ${(error as Error).message}`);
  }
  save();
}
save();
print();
process.exit(failures.length > 0 ? 1 : 0);

function print(): void {
  const { cpu, cores, memoryMiB, kernel, node } = machine;
  console.log(`## Bench of ${startedAt.toISOString().slice(0, 10)}\n`);
  console.log(`${cpu}, ${cores} cores, ${memoryMiB} MiB, Linux ${kernel}, Node ${node}; ${pinning.what}.`);
  console.log(`Medians of ${plan.rounds} round${plan.rounds === 1 ? '' : 's'}.\n`);
  for (const [name, { what }] of Object.entries(plan.workloads)) {
    if (results.placed.some(({ workload }) => workload === name))
      console.log(renderWorkload(results, name, what));
  }
  if (idle.length > 0) console.log(`### idle\n\n${renderIdle(idle)}\n`);
  const rows = Object.entries(inProcess).flatMap(([name, each]) =>
    each.map((result, round) => [name, String(round + 1), rounded(result)]),
  );
  if (rows.length > 0)
    console.log(`### In one process\n\n${renderTable(['bench', 'round', 'result'], rows)}\n`);
  const claims = allGoals();
  const measured = claims.filter(({ isMet }) => isMet !== undefined);
  if (measured.length > 0) console.log(renderGoals(measured));
  if (measured.length < claims.length)
    console.log(`- ${claims.length - measured.length} of ${claims.length} claims were not measured.`);
  for (const line of skipped) console.log(`- ${line}`);
  for (const line of failures) console.log(`- FAILED: ${line}`);
  console.log(`\nAll figures: ${relative(process.cwd(), resultFile)}`);
}
