/**
 * What the kernel says about a process and about the cores, read from outside of it, so the figures of a contender
 * never come from the contender. Linux only: elsewhere the bench has nothing to compare.
 */
import { readFileSync } from 'node:fs';

/** The unit of CPU time in /proc: USER_HZ, a hundred to the second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const MIB = 2 ** 20;

/** User and system time of all threads, the ended ones included; exact to 10 ms. */
export function cpuSeconds(pid: number): number {
  return ticks(`/proc/${pid}/stat`) / TICKS_PER_SECOND;
}

/** The same of the main thread alone: in Node, the one that runs JavaScript. */
export function mainThreadSeconds(pid: number): number {
  return ticks(`/proc/${pid}/task/${pid}/stat`) / TICKS_PER_SECOND;
}

function ticks(file: string): number {
  const stat = readFileSync(file, 'latin1');
  // The name in brackets may hold anything; what follows it is numbered from the third field on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024) / MIB;
}

/** Ticks of one core since the machine started. Stolen is what the host gave to other machines. */
export type CoreTicks = { busy: number; idle: number; stolen: number };

export function coreTicks(): CoreTicks[] {
  return [...readFileSync('/proc/stat', 'latin1').matchAll(/^cpu\d+ (.+)$/gm)].map((match) => {
    const [user, nice, system, idle, wait, irq, softIrq, stolen] = match[1]!.split(' ').map(Number);
    return { busy: user! + nice! + system! + irq! + softIrq!, idle: idle! + wait!, stolen: stolen ?? 0 };
  });
}

/** For each core the share of the time between two readings in which it did something, and that was stolen. */
export function coreShares(
  before: readonly CoreTicks[],
  after: readonly CoreTicks[],
): { busy: number; stolen: number }[] {
  return after.map((core, index) => {
    const from = before[index]!;
    const busy = core.busy - from.busy;
    const stolen = core.stolen - from.stolen;
    const all = Math.max(1, busy + stolen + core.idle - from.idle);
    return { busy: busy / all, stolen: stolen / all };
  });
}
