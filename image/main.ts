/**
 * `npm run image`: makes the image of the Dockerfile without a container engine, as one archive that every engine loads.
 *
 * It does what the Dockerfile says: the production dependencies are installed apart, ./layout.ts lays the files out, and
 * the last stage tells the rest. What differs is where Node comes from (the npm package `node`) and the libraries (this
 * machine's). The same tree on the same machine gives the same image, byte for byte.
 */

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { writeImage } from './archive.ts';
import { parseLastStage } from './dockerfile.ts';
import { createLayout } from './layout.ts';

const root = join(import.meta.dirname, '..');
const usage = `Usage: npm run image [-- OPTION...]
  --name NAME:TAG  of the image (default: tidegauge and the version of the program)
  --out FILE       the archive (default: image/tidegauge.tar)
  --help           this text`;
/** Where the build stage of the Dockerfile leaves the layers. */
const stageFolder = '/layers';

/** Returns the digest of the image. Takes seconds, most of them for the dependencies. */
export async function makeImage(name: string, file: string): Promise<string> {
  const { base, copies, config } = parseLastStage(await readFile(join(root, 'Dockerfile'), 'utf8'));
  if (base !== 'scratch')
    throw new Error(`the last stage begins with ${base}: only scratch can be made here`);
  const work = await mkdtemp(join(tmpdir(), 'tidegauge-image-'));
  try {
    await installDependencies(work);
    const out = join(work, 'layers');
    createLayout(out, join(work, 'node_modules'));
    const layers = copies.map(({ source, target }) => {
      if (target !== '/' || dirname(source) !== stageFolder)
        throw new Error(`a layer ${source} at ${target} is not one of the layout`);
      return join(out, source.slice(stageFolder.length));
    });
    await mkdir(dirname(file), { recursive: true });
    return await writeImage({ name, layers, config }, file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As the Dockerfile does it: exactly what the lockfile says, less what is for developers, and nobody's install scripts. */
async function installDependencies(folder: string): Promise<void> {
  for (const name of ['package.json', 'package-lock.json'])
    await copyFile(join(root, name), join(folder, name));
  const args = ['ci', '--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  await promisify(execFile)('npm', args, { cwd: folder });
}

/** The name that the chart uses unless it is told another. */
export async function defaultImageName(): Promise<string> {
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return `${name}:${version}`;
}

function readArguments() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ options: { name: text, out: text, help: { type: 'boolean' } } }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return process.exit(2);
  }
}

async function main(): Promise<void> {
  const options = readArguments();
  if (options.help === true) return console.log(usage);
  const name = options.name ?? (await defaultImageName());
  const file = resolve(options.out ?? join(import.meta.dirname, 'tidegauge.tar'));
  const digest = await makeImage(name, file);
  const megabytes = Math.round((await stat(file)).size / 1e6);
  console.log(
    `${name} ${digest}\n${file}, ${megabytes} MB: docker load -i, podman load -i, ctr images import`,
  );
}

if (import.meta.main) await main();
