/** Images of one program that needs nothing else, for the node's store. */

import { copyFile, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ImageConfig, writeImage } from '../../../image/archive.ts';

/** The program must be linked statically; it lies in the root of the image under its own name. */
export async function programImage(
  name: string,
  program: string,
  entrypoint: string[],
  file: string,
  config: ImageConfig = {},
): Promise<void> {
  const folder = `${file}.root`;
  await mkdir(folder);
  await copyFile(program, join(folder, basename(program)));
  await writeImage({ name, layers: [folder], config: { Entrypoint: entrypoint, ...config } }, file);
  await rm(folder, { recursive: true });
}
