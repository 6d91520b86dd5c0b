/** What Linux tells of other processes. One that has gone meanwhile is an answer, not an error. */

import { readdirSync, readFileSync } from 'node:fs';

/** The processes that this one has started and that have not been taken away yet. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => stateAndParent(pid)?.parent === parent);
}

/** False also for one that has ended and that its parent has not asked about: it holds nothing any more. */
export function isRunning(pid: number): boolean {
  const state = stateAndParent(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** The program and its arguments; empty for one that has ended. */
export function commandOf(pid: number): string[] {
  return read(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
}

function stateAndParent(pid: number): { state: string; parent: number } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // They follow the name, which is in brackets and may hold anything.
  const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent) };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended.
    return undefined;
  }
}
