/** What a bench will do, from its command line: which steps, in which order, and what is left out and why. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ContenderName, contenderNames, contenders } from './contenders.ts';
import { usualCores } from './pinning.ts';
import { overloads, usualWarmUpSeconds, type Workload, workloads } from './workloads.ts';

export const inProcessNames = ['matching', 'tracking'] as const;
export type InProcessName = (typeof inProcessNames)[number];

export type Step =
  | {
      kind: 'run';
      workload: string;
      contender: ContenderName;
      warmUpSeconds: number;
      seconds: number;
      round: number;
    }
  | { kind: 'idle'; connections: number; round: number }
  | { kind: 'in-process'; name: InProcessName; round: number };

export type Plan = {
  steps: Step[];
  /** What is not done, each as a line for the output. */
  skipped: string[];
  workloads: Record<string, Workload>;
  rounds: number;
  memoryLimitMiB: number;
  minutesMax: number;
  serverCore: number;
  loadCores: string;
  isPinned: boolean;
  hasProfiles: boolean;
};

export const usage = `Usage: npm run bench [-- OPTIONS]
  --quick              each workload for 5 s, one round
  --only A,B           only these: ${[...Object.keys(workloads), 'idle', ...inProcessNames].join(', ')}
  --peers A,B          only these contenders: ${contenderNames.join(', ')}
  --rounds N           default 3
  --seconds S          the window of each run, instead of the workload's own
  --warm-up S          before each window, instead of the workload's own
  --overload-rate N    messages a second of ${overloads.join(' and ')}; default ${overloads.map((name) => workloads[name]!.rate).join(' and ')}
  --memory-limit MIB   a contender that grows beyond is cut short; default 4096
  --minutes-max N      no new run begins after this; default 300
  --server-core N, --load-cores LIST   default ${usualCores.server} and ${usualCores.load}; --no-pin leaves it to the scheduler
  --profile            each server leaves a CPU profile beside the results
  --list               the steps, and nothing else`;

const quick = { rounds: 1, seconds: 5, warmUpSeconds: 1, idle: [4_000] };
const full = { rounds: 3, seconds: undefined, warmUpSeconds: undefined, idle: [1_000, 4_000, 16_000] };

export type Arguments = { plan: Plan; isList: boolean; isHelp: boolean };

export function parsePlan(args: string[]): Arguments {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      'overload-rate': { type: 'string' },
      'memory-limit': { type: 'string', default: '4096' },
      'minutes-max': { type: 'string', default: '300' },
      'server-core': { type: 'string', default: String(usualCores.server) },
      'load-cores': { type: 'string', default: usualCores.load },
      'no-pin': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const preset = values.quick ? quick : full;
  const rounds = positive('rounds', values.rounds ?? String(preset.rounds));
  const seconds = values.seconds === undefined ? preset.seconds : positive('seconds', values.seconds);
  const only = names('only', values.only, [...Object.keys(workloads), 'idle', ...inProcessNames]);
  const peers = names('peers', values.peers, contenderNames) as ContenderName[] | undefined;
  const chosen = { ...workloads };
  if (values['overload-rate'] !== undefined) {
    const rate = positive('overload-rate', values['overload-rate']);
    for (const name of overloads) chosen[name] = { ...chosen[name]!, rate };
  }
  const { steps, skipped } = createSteps(chosen, {
    rounds,
    warmUpSeconds:
      values['warm-up'] === undefined ? preset.warmUpSeconds : positive('warm-up', values['warm-up']),
    seconds,
    only,
    peers,
    idle: preset.idle,
  });
  return {
    isList: values.list,
    isHelp: values.help,
    plan: {
      steps,
      skipped,
      workloads: chosen,
      rounds,
      memoryLimitMiB: positive('memory-limit', values['memory-limit']),
      minutesMax: positive('minutes-max', values['minutes-max']),
      serverCore: Number(values['server-core']),
      loadCores: values['load-cores'],
      isPinned: !values['no-pin'],
      hasProfiles: values.profile,
    },
  };
}

type Choice = {
  rounds: number;
  warmUpSeconds: number | undefined;
  seconds: number | undefined;
  only: string[] | undefined;
  peers: ContenderName[] | undefined;
  idle: readonly number[];
};

/** Rounds outermost, so that what changes in the course of a bench meets all contenders alike. */
function createSteps(chosen: Record<string, Workload>, choice: Choice): { steps: Step[]; skipped: string[] } {
  const isWanted = (name: string): boolean => choice.only === undefined || choice.only.includes(name);
  const skipped: string[] = [];
  const absences = new Map<ContenderName, string[]>();
  const missing = new Map<ContenderName, string>();
  for (const name of contenderNames) {
    const node = contenders[name].node();
    if ('missing' in node) missing.set(name, node.missing);
  }
  const runnable: [string, ContenderName[]][] = [];
  for (const [name, workload] of Object.entries(chosen).filter(([name]) => isWanted(name))) {
    const fault = settingFault(workload);
    if (fault !== undefined) {
      skipped.push(`${name}: left out, for the gateway refuses its settings: ${fault}`);
      continue;
    }
    // The two sides of telemetry are the question itself, not peers.
    const asked = workload.contenders.filter(
      (one) => name === 'telemetry' || (choice.peers?.includes(one) ?? true),
    );
    for (const one of asked) if (missing.has(one)) absences.set(one, [...(absences.get(one) ?? []), name]);
    runnable.push([name, asked.filter((one) => !missing.has(one))]);
  }
  for (const [name, where] of absences)
    skipped.push(`without ${name}, for ${missing.get(name)}: ${where.join(', ')}`);
  const steps: Step[] = [];
  for (let round = 0; round < choice.rounds; round += 1) {
    for (const name of inProcessNames.filter(isWanted)) steps.push({ kind: 'in-process', name, round });
    for (const [name, present] of runnable) {
      const { seconds: own, secondsMin = 0, warmUpSeconds: ownWarmUp = usualWarmUpSeconds } = chosen[name]!;
      const seconds = Math.max(choice.seconds ?? own, secondsMin);
      const warmUpSeconds = choice.warmUpSeconds ?? ownWarmUp;
      // Another one goes first in each round.
      for (let turn = 0; turn < present.length; turn += 1) {
        const contender = present[(turn + round) % present.length]!;
        steps.push({ kind: 'run', workload: name, contender, warmUpSeconds, seconds, round });
      }
    }
    if (isWanted('idle'))
      for (const connections of choice.idle) steps.push({ kind: 'idle', connections, round });
  }
  return { steps, skipped };
}

/** What the gateway says against a workload's settings; undefined when it takes them. Exit code 78 is its word for it. */
function settingFault({ env }: Workload): string | undefined {
  if (env === undefined) return undefined;
  const { PATH = '', HOME = '' } = process.env;
  const main = join(import.meta.dirname, '../../src/main.ts');
  const check = spawnSync(process.execPath, [main, '--check-config'], {
    env: { PATH, HOME, ...env },
    encoding: 'utf8',
  });
  return check.status === 78 ? check.stderr.trim().replaceAll('\n', '; ') : undefined;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${option} ${text}: it must be a number above 0`);
  return value;
}

function names(option: string, text: string | undefined, known: readonly string[]): string[] | undefined {
  const given = text?.split(',').map((one) => one.trim());
  const stranger = given?.find((one) => !known.includes(one));
  if (stranger !== undefined)
    throw new RangeError(`--${option} ${stranger}: it must be among ${known.join(', ')}`);
  return given;
}
