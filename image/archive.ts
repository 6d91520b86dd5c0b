/**
 * An image archive made from folders, one layer each, without a container engine.
 *
 * One file for everybody: its blobs and index follow the OCI image layout (image-spec 1.1), and a `manifest.json` beside
 * them is what `docker load` of any age reads. Layers are plain tar: what carries the file away compresses it.
 */

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileEntry, folderEntries, renderTar, type TarEntry } from './tar.ts';

/** What a container made from the image starts with; the names are those of the image-spec's configuration. */
export type ImageConfig = {
  User?: string;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  WorkingDir?: string;
  ExposedPorts?: Record<string, object>;
  StopSignal?: string;
  Labels?: Record<string, string>;
  /** Of Docker's own; others pass it over. Times in nanoseconds. */
  Healthcheck?: { Test: string[]; Interval?: number; Timeout?: number; StartPeriod?: number };
};

export type ImageSpec = {
  /** Such as `tidegauge:1.2.3`. */
  name: string;
  /** Folders, the lowest layer first. */
  layers: string[];
  config: ImageConfig;
};

type Blob = { entry: TarEntry; digest: string; sizeBytes: number };

/** Nobody's clock: an image says what it is made of, not when. */
const created = '1970-01-01T00:00:00Z';
const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Returns the digest of the manifest, which is that of the image. */
export async function writeImage(spec: ImageSpec, file: string): Promise<string> {
  const drafts = await mkdtemp(join(dirname(file), '.image-'));
  try {
    const layers: Blob[] = [];
    for (const [index, folder] of spec.layers.entries())
      layers.push(await layerBlob(folder, join(drafts, `${index}`)));
    const config = jsonBlob(renderConfig(spec.config, layers));
    const manifest = jsonBlob(renderManifest(config, layers));
    const entries = [
      fileEntry('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' })),
      fileEntry('index.json', JSON.stringify(renderIndex(spec.name, manifest))),
      fileEntry('manifest.json', JSON.stringify(renderDockerManifest(spec.name, config, layers))),
      // The same layer twice is one blob.
      ...new Map([...layers, config, manifest].map((blob) => [blob.digest, blob.entry])).values(),
    ];
    await pipeline(renderTar(entries), createWriteStream(file));
    return manifest.digest;
  } finally {
    await rm(drafts, { recursive: true, force: true });
  }
}

async function layerBlob(folder: string, draft: string): Promise<Blob> {
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of renderTar(folderEntries(folder))) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(hashed(), createWriteStream(draft));
  const digest = `sha256:${hash.digest('hex')}`;
  const sizeBytes = (await stat(draft)).size;
  const entry: TarEntry = { ...fileEntry(blobPath(digest), ''), sizeBytes };
  return { entry: { ...entry, content: () => createReadStream(draft) }, digest, sizeBytes };
}

function jsonBlob(value: object): Blob {
  const text = JSON.stringify(value);
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { entry: fileEntry(blobPath(digest), text), digest, sizeBytes: Buffer.byteLength(text) };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function renderConfig(config: ImageConfig, layers: Blob[]): object {
  return {
    created,
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  };
}

function renderManifest(config: Blob, layers: Blob[]): object {
  const { digest, sizeBytes } = config;
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: sizeBytes },
    layers: layers.map((layer) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: layer.digest,
      size: layer.sizeBytes,
    })),
  };
}

function renderIndex(name: string, { digest, sizeBytes }: Blob): object {
  const annotations = {
    'io.containerd.image.name': fullName(name),
    'org.opencontainers.image.ref.name': name.split(':').at(-1),
  };
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: sizeBytes, annotations },
    ],
  };
}

function renderDockerManifest(name: string, config: Blob, layers: Blob[]): object {
  return [
    {
      Config: blobPath(config.digest),
      RepoTags: [name],
      Layers: layers.map(({ digest }) => blobPath(digest)),
    },
  ];
}

/** As engines write a name out: with its registry, and `library` where there is no owner. */
export function fullName(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  if (hasRegistry) return name;
  return rest.length > 0 ? `docker.io/${name}` : `docker.io/library/${name}`;
}
