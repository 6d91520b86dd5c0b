/**
 * Gets the real parts that tests run against, one by one and only what is missing.
 *
 *   node test/tools/get.ts nats-server prometheus     builds what is not in the cache yet, prints the paths
 *   node test/tools/get.ts --list                     each part, its version, and where it is or how it is had
 *
 * First the cache folder is asked, then Go builds the part; the slow ones take minutes the first time. Any number of
 * processes may ask at once: one builds, the others wait for it. Progress goes to standard error.
 */

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { buildCollector, buildGoPart, goVersion, joinManifests } from './build.ts';
import { cachedPath, cachedStamp, cacheFolder, install } from './cache.ts';
import { acquireLock } from './lock.ts';
import { isPartName, type Part, type PartName, partNames, partStamp, parts } from './parts.ts';

export type PartFound = { path: string } | { missing: string };

export type GetOptions = {
  env?: NodeJS.ProcessEnv;
  /** Takes one line of progress. */
  onProgress?: (line: string) => void;
};

const progressEveryMs = 15_000;
/** A build under way elsewhere is given this many times what it should take, and never less than the minimum. */
const patience = 5;
const lockTimeoutMsMin = 5 * 60_000;
/** Building folders older than this belong to builds that were killed. */
const leftoverAfterMs = 6 * 3_600_000;

const goRemedy =
  'there is no Go to build it with: install Go 1.26 or newer (https://go.dev/dl/) so that `go` is on the PATH, ' +
  'then run the same command again';

/** Where the part is already; never builds. */
export function findPart(name: PartName, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const part = parts[name];
  if (part.recipe.kind === 'system') return part.recipe.paths.find(isExecutable);
  const folder = cacheFolder(env);
  return cachedStamp(folder, name) === partStamp(part) ? cachedPath(folder, name) : undefined;
}

/** Finds or builds the part. A part that cannot be had is an answer with the reason and the remedy, not an error. */
export async function getPart(name: PartName, options: GetOptions = {}): Promise<PartFound> {
  const { env = process.env, onProgress = printProgress } = options;
  const part = parts[name];
  const found = findPart(name, env);
  if (found !== undefined) return { path: found };
  if (part.recipe.kind === 'system') return { missing: part.recipe.remedy };

  const go = await goVersion(env);
  if (go === undefined) {
    const other = await findOnPath(name, part, env);
    return other === undefined ? { missing: goRemedy } : { path: other };
  }
  try {
    return { path: await buildOnce(name, part, go, env, onProgress) };
  } catch (error) {
    return { missing: `building it failed: ${(error as Error).message}` };
  }
}

async function buildOnce(
  name: PartName,
  part: Part,
  go: string,
  env: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
): Promise<string> {
  const cache = cacheFolder(env);
  const title = `${name} ${part.version}`;
  const lock = await acquireLock(join(cache, `${name}.lock`), {
    timeoutMs: Math.max(lockTimeoutMsMin, part.expectedSeconds * 1000 * patience),
    onWait: (owner) =>
      onProgress(`${title}: waiting for process ${owner?.pid ?? '(just starting)'}, which builds it`),
  });
  try {
    // Whoever held the lock before has most likely built it.
    const found = findPart(name, env);
    if (found !== undefined) return found;
    await removeLeftovers(cache, name);
    const folder = await mkdtemp(join(cache, `${name}.building-`));
    const progress = startProgress(title, part.expectedSeconds, go, onProgress);
    try {
      const context = { folder, env, onStep: progress.onStep };
      const built = await build(name, part, context);
      const path = await install(cache, name, built, partStamp(part));
      progress.end(`built: ${path}, ${Math.round((await stat(path)).size / 1024 ** 2)} MiB`);
      return path;
    } catch (error) {
      progress.end('failed');
      throw error;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } finally {
    await lock.release();
  }
}

async function build(
  name: PartName,
  part: Part,
  context: Parameters<typeof buildGoPart>[2],
): Promise<string> {
  switch (part.recipe.kind) {
    case 'go':
      return await buildGoPart(name, part.recipe, context);
    case 'collector':
      return await buildCollector(name, part.version, part.recipe, context);
    case 'manifests':
      return await joinManifests(name, part.recipe, context);
    case 'system':
      throw new Error(`${name} is a program of the system and cannot be built`);
  }
}

function startProgress(
  title: string,
  expectedSeconds: number,
  go: string,
  onProgress: (line: string) => void,
) {
  const startMs = performance.now();
  const elapsed = (): string => `${Math.round((performance.now() - startMs) / 1000)} s`;
  let step = 'starting';
  onProgress(`${title}: building with ${go}; up to ${expectedSeconds} s the first time, on two cores`);
  const timer = setInterval(() => onProgress(`${title}: ${elapsed()}, ${step}`), progressEveryMs);
  return {
    onStep(next: string): void {
      step = next;
      onProgress(`${title}: ${elapsed()}, ${step}`);
    },
    end(result: string): void {
      clearInterval(timer);
      onProgress(`${title}: ${elapsed()}, ${result}`);
    },
  };
}

async function removeLeftovers(cache: string, name: PartName): Promise<void> {
  for (const entry of await readdir(cache)) {
    if (!entry.startsWith(`${name}.building-`)) continue;
    const path = join(cache, entry);
    if (Date.now() - (await stat(path)).mtimeMs > leftoverAfterMs)
      await rm(path, { recursive: true, force: true });
  }
}

async function findOnPath(name: PartName, part: Part, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (part.acceptsFromPath === undefined) return undefined;
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder === '' || !isExecutable(path)) continue;
    const version = await programVersion(path);
    if (version !== undefined && isAtLeast(version, part.acceptsFromPath)) return path;
  }
  return undefined;
}

/** The first thing in the answer to `--version` that looks like one; undefined if it does not run here. */
export async function programVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
    return /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0];
  } catch {
    return undefined;
  }
}

/** Both of the form 1.2.3. */
export function isAtLeast(version: string, least: string): boolean {
  const have = version.split('.').map(Number);
  for (const [index, want] of least.split('.').map(Number).entries()) {
    const digit = have[index] ?? 0;
    if (digit !== want) return digit > want;
  }
  return true;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function printProgress(line: string): void {
  process.stderr.write(`[parts] ${line}\n`);
}

/** One line for each part: name, version, purpose, and where it is or how it is had. */
export function listParts(env: NodeJS.ProcessEnv = process.env): string[] {
  return partNames.map((name) => {
    const part = parts[name];
    const how =
      part.recipe.kind === 'system'
        ? part.recipe.remedy
        : `not built yet: node test/tools/get.ts ${name} (up to ${part.expectedSeconds} s)`;
    return `${name.padEnd(24)} ${part.version.padEnd(14)} ${findPart(name, env) ?? how}  (${part.purpose})`;
  });
}

const usage = `usage: node test/tools/get.ts --list | --all | ${partNames.join(' | ')} ...`;

/** Exit codes: 0 everything asked for is there, 1 something is missing, 2 the question was wrong. */
async function main(words: string[]): Promise<number> {
  if (words.length === 1 && words[0] === '--list') {
    for (const line of listParts()) console.log(line);
    return 0;
  }
  const wanted = words.length === 1 && words[0] === '--all' ? [...partNames] : words.filter(isPartName);
  if (wanted.length === 0 || (wanted.length !== words.length && words[0] !== '--all')) {
    const unknown = words.find((word) => !isPartName(word));
    console.error(unknown === undefined ? usage : `unknown part: ${unknown}\n${usage}`);
    return 2;
  }
  await mkdir(cacheFolder(process.env), { recursive: true });
  let missing = 0;
  for (const name of wanted) {
    const part = await getPart(name);
    if ('path' in part) {
      console.log(`${name} ${part.path}`);
    } else {
      missing++;
      console.error(`${name} is missing: ${part.missing}`);
    }
  }
  return missing === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
