/** Questions to the API server, by kubectl. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { parseExposition, type Sample } from '../openmetrics.ts';
import { partPath } from '../real-part.ts';
import { type UntilOptions, until } from '../until.ts';
import type { Cluster } from './cluster.ts';

// biome-ignore lint/suspicious/noExplicitAny: whatever the API has; a test that reads into it knows what it looks for
export type Thing = any;

export type CommandOptions = { input?: string; timeoutMs?: number };

/** Answers come within seconds on a quiet machine; this is for a busy one. */
const commandTimeoutMs = 120_000;
export const patiently: UntilOptions = { timeoutMs: 120_000, everyMs: 250 };

export class Kubectl {
  readonly #cluster: Cluster;
  readonly #path: string;
  readonly #namespace: string;

  private constructor(cluster: Cluster, path: string, namespace: string) {
    this.#cluster = cluster;
    this.#path = path;
    this.#namespace = namespace;
  }

  static async for(cluster: Cluster, namespace: string): Promise<Kubectl> {
    return new Kubectl(cluster, await partPath('kubectl'), namespace);
  }

  in(namespace: string): Kubectl {
    return new Kubectl(this.#cluster, this.#path, namespace);
  }

  /** Its standard output; rejects with its standard error. */
  async run(args: string[], options: CommandOptions = {}): Promise<string> {
    return await runProgram(
      this.#path,
      ['--namespace', this.#namespace, ...args],
      this.#cluster.env,
      options,
    );
  }

  async json(...args: string[]): Promise<Thing> {
    return JSON.parse(await this.run([...args, '--output', 'json']));
  }

  async apply(manifest: string, ...args: string[]): Promise<string> {
    return await this.run(['apply', '--filename', '-', ...args], { input: manifest });
  }

  /** The pods with that label, those that are being deleted too. */
  async pods(selector: string): Promise<Thing[]> {
    return (await this.json('get', 'pods', '--selector', selector)).items;
  }

  /** Waits until exactly so many pods are there, all of them ready and none about to leave. */
  async readyPods(selector: string, count: number): Promise<Thing[]> {
    return await until(
      `${count} pods with ${selector} are ready`,
      async () => {
        const pods = await this.pods(selector);
        return pods.length === count && pods.every(isReady) && pods;
      },
      patiently,
    );
  }

  /** What a pod's admin port answers, asked by way of the API server. */
  async scrape(pod: string, port: number): Promise<Sample[]> {
    const path = `/api/v1/namespaces/${this.#namespace}/pods/${pod}:${port}/proxy/metrics`;
    return parseExposition(await this.run(['get', '--raw', path]));
  }
}

export function isReady(pod: Thing): boolean {
  const conditions: Thing[] = pod.status.conditions ?? [];
  const isUp = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  return isUp && pod.metadata.deletionTimestamp === undefined;
}

/** The value of the only sample with that name and those labels; undefined if there is none. */
export function sampleValue(
  samples: Sample[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  return samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )?.value;
}

/** Runs a program to its end; its standard output, and an error with its standard error if it fails. */
export async function runProgram(
  path: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  { input = '', timeoutMs = commandTimeoutMs }: CommandOptions = {},
): Promise<string> {
  const program = spawn(path, args, { env, timeout: timeoutMs, killSignal: 'SIGKILL' });
  program.stdin.on('error', () => undefined);
  program.stdin.end(input);
  const [output, complaint, [code, signal]] = await Promise.all([
    text(program.stdout),
    text(program.stderr),
    once(program, 'close') as Promise<[number | null, string | null]>,
  ]);
  if (code === 0) return output;
  throw new Error(`${path} ${args.join(' ')}\nended with ${signal ?? `code ${code}`}\n${complaint}${output}`);
}
