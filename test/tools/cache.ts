/**
 * The folder that keeps built parts between runs: a program, and beside it a file with the stamp of its recipe.
 *
 * It lies outside the tree, so that cleaning or cloning the tree costs no build. Nothing is ever half there: a program
 * comes in by a rename, its stamp after it, and a program without the right stamp does not count.
 */

import { accessSync, constants, readFileSync } from 'node:fs';
import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * `TEST_PARTS_FOLDER`, else the user's cache folder. Relative paths are refused in both, as the XDG base directory
 * specification asks: they would mean another folder in every working directory.
 */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const own = env.TEST_PARTS_FOLDER;
  if (own !== undefined && own !== '') {
    if (!isAbsolute(own)) throw new Error(`TEST_PARTS_FOLDER must be an absolute path, not ${own}`);
    return own;
  }
  const xdg = env.XDG_CACHE_HOME;
  const caches = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env.HOME || homedir(), '.cache');
  return join(caches, 'tidegauge', 'parts');
}

export function cachedPath(folder: string, name: string): string {
  return join(folder, name);
}

export function stampPath(folder: string, name: string): string {
  return join(folder, `${name}.version`);
}

/** What the stamp beside a program says; undefined when either is not there. */
export function cachedStamp(folder: string, name: string): string | undefined {
  try {
    accessSync(cachedPath(folder, name), constants.X_OK);
    return readFileSync(stampPath(folder, name), 'utf8').trim();
  } catch {
    // Not there, or not to be run: either way there is nothing to use.
    return undefined;
  }
}

/** Moves a built program in. `built` must lie on the same file system. Who runs the old one goes on running it. */
export async function install(folder: string, name: string, built: string, stamp: string): Promise<string> {
  const path = cachedPath(folder, name);
  // The old stamp goes first: if we are stopped in between, what is there is built again, never taken for the other.
  await rm(stampPath(folder, name), { force: true });
  await chmod(built, 0o755);
  await rename(built, path);
  const stampDraft = `${built}.version`;
  await writeFile(stampDraft, `${stamp}\n`);
  await rename(stampDraft, stampPath(folder, name));
  return path;
}
