/**
 * Follows a recipe of ./parts.ts with Go, in a folder of its own, and leaves one program there.
 *
 * It keeps Go's ordinary module and build caches, so that a second build takes seconds; it downloads through whatever
 * module proxy Go is set to use. Builds run at a low priority: they may take minutes of every core.
 */

import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import {
  type CollectorRecipe,
  collectorModules,
  type GoModule,
  type GoRecipe,
  type ManifestsRecipe,
  renderGoMod,
  renderManifest,
  stagedModules,
} from './parts.ts';

export type BuildContext = {
  /** An empty folder; everything is written here. */
  folder: string;
  env: NodeJS.ProcessEnv;
  /** Told the name of each step as it begins. */
  onStep: (step: string) => void;
};

export class BuildError extends Error {
  override name = 'BuildError';
}

const lowPriority = 10;
const errorLinesMax = 15;

/** What `go version` says, or undefined where there is no Go. */
export async function goVersion(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const line = await run('go', ['version'], '/', env);
    return /\bgo\d\S*/.exec(line)?.[0];
  } catch {
    return undefined;
  }
}

/** Returns the path of the program. */
export async function buildGoPart(name: string, recipe: GoRecipe, context: BuildContext): Promise<string> {
  const output = join(context.folder, name);
  await buildInOwnModule(recipe, output, context);
  return output;
}

/** Joins the files into one; returns its path. */
export async function joinManifests(
  name: string,
  recipe: ManifestsRecipe,
  { folder, env, onStep }: BuildContext,
): Promise<string> {
  onStep(`fetching ${recipe.module} ${recipe.version}`);
  const { Dir } = await download(recipe, folder, env);
  const texts = await Promise.all(
    recipe.files.map((file) => readFile(join(Dir, recipe.folder, file), 'utf8')),
  );
  const output = join(folder, name);
  await writeFile(output, texts.map((text) => `---\n${text.replace(/^---\n/, '')}`).join(''));
  return output;
}

/**
 * The builder only writes the program's sources; the `go.mod` beside them is ours. Its own way of fetching modules ends
 * in `go mod tidy`, which stumbles over modules that none but the components' own tests need.
 */
export async function buildCollector(
  name: string,
  version: string,
  recipe: CollectorRecipe,
  context: BuildContext,
): Promise<string> {
  const { folder, onStep } = context;
  const env = goEnv(context.env);
  const builder = join(folder, 'builder');
  const output = join(folder, name);
  const { ldflags } = recipe;
  await buildInOwnModule({ ...recipe.builder, package: recipe.builder.module, ldflags }, builder, context);

  onStep('writing the sources');
  await writeFile(join(folder, 'manifest.yaml'), renderManifest(version, recipe));
  await run(builder, ['--config', 'manifest.yaml', '--skip-get-modules', '--skip-compilation'], folder, env);
  const sources = join(folder, 'out');
  await writeFile(join(sources, 'go.mod'), renderGoMod(collectorModules(recipe)));

  onStep('fetching and compiling the components');
  await run('go', ['build', '-trimpath', '-ldflags', recipe.ldflags, '-o', output, '.'], sources, env);
  return output;
}

async function buildInOwnModule(
  recipe: Omit<GoRecipe, 'kind'>,
  output: string,
  { env, onStep }: BuildContext,
): Promise<void> {
  const { module, version, ldflags, needsC } = recipe;
  const own = `${output}-module`;
  await mkdir(own);
  onStep(`fetching ${module} ${version}`);
  await writeFile(join(own, 'go.mod'), renderGoMod([], await replacements(recipe, own, env)));
  const suffix = recipe.package.slice(module.length);
  await run('go', ['get', `${module}${suffix}@${version}`], own, goEnv(env, needsC));
  onStep(`compiling ${recipe.package}`);
  await run(
    'go',
    ['build', '-trimpath', '-ldflags', ldflags, '-o', output, recipe.package],
    own,
    goEnv(env, needsC),
  );
}

async function replacements(
  recipe: Omit<GoRecipe, 'kind'>,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<GoModule[]> {
  const { stagedVersion } = recipe;
  if (stagedVersion === undefined) return [];
  const { GoMod } = await download(recipe, cwd, env);
  return stagedModules(await readFile(GoMod, 'utf8')).map((module) => ({ module, version: stagedVersion }));
}

/** Into Go's module cache; tells where its files are there. */
async function download(
  { module, version }: GoModule,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ Dir: string; GoMod: string }> {
  return JSON.parse(await run('go', ['mod', 'download', '-json', `${module}@${version}`], cwd, goEnv(env)));
}

function goEnv(env: NodeJS.ProcessEnv, needsC = false): NodeJS.ProcessEnv {
  return { ...env, CGO_ENABLED: needsC ? '1' : '0', GOFLAGS: '-mod=mod', GOWORK: 'off' };
}

/** Its standard output; an error with the last lines of both streams if it fails. */
function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let transcript = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      transcript += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      transcript += text;
    });
    child.once('error', reject);
    child.once('spawn', () => lowerPriority(child.pid));
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(output);
      const tail = transcript.trim().split('\n').slice(-errorLinesMax).join('\n');
      reject(new BuildError(`${command} ${args[0]} ended with ${signal ?? `code ${code}`}:\n${tail}`));
    });
  });
}

function lowerPriority(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, lowPriority);
  } catch {
    // It has ended already, or the system has no priorities; the build is the same.
  }
}
