/**
 * The image made without an engine, taken apart again by the system's own tar: what its archive says, and what a container
 * would find in its root. Written apart from the code that makes it.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type UnpackedImage = {
  /** The folder that a container gets as its root. */
  root: string;
  layers: { digest: string; file: string; files: string[] }[];
  manifest: { config: Descriptor; layers: Descriptor[] };
  config: {
    architecture: string;
    rootfs: { diff_ids: string[] };
    config: {
      User: string;
      Env: string[];
      Entrypoint: string[];
      WorkingDir: string;
      StopSignal: string;
      ExposedPorts: Record<string, object>;
      Labels: Record<string, string>;
      Healthcheck: { Test: string[] };
    };
  };
  /** What `docker load` of an older engine reads. */
  dockerManifest: { Config: string; RepoTags: string[]; Layers: string[] }[];
  index: { manifests: { digest: string; annotations: Record<string, string> }[] };
};

type Descriptor = { mediaType: string; digest: string; size: number };

export function unpackImage(file: string, folder: string): UnpackedImage {
  const [archive, root] = [join(folder, 'archive'), join(folder, 'root')];
  for (const each of [archive, root]) mkdirSync(each, { recursive: true });
  execFileSync('tar', ['--extract', '--file', file, '--directory', archive]);
  const read = (path: string) => JSON.parse(readFileSync(join(archive, path), 'utf8'));
  const blob = (digest: string): string => join('blobs', ...digest.split(':'));
  const index = read('index.json') as UnpackedImage['index'];
  const manifest = read(blob(index.manifests[0]!.digest)) as UnpackedImage['manifest'];
  const layers = manifest.layers.map(({ digest }) => {
    const path = join(archive, blob(digest));
    const files = execFileSync('tar', ['--list', '--file', path], { encoding: 'utf8', maxBuffer: 64e6 });
    execFileSync('tar', ['--extract', '--same-permissions', '--file', path, '--directory', root]);
    return { digest, file: path, files: files.trim().split('\n') };
  });
  return {
    root,
    layers,
    manifest,
    config: read(blob(manifest.config.digest)),
    dockerManifest: read('manifest.json'),
    index,
  };
}
