/**
 * The chart as Helm renders it: the committed value sets, rendered text and parsed objects, and what a container would
 * find in its environment.
 */

import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments, parseDocument } from 'yaml';
import { createTempFolder } from './child.ts';
import { partPath } from './real-part.ts';

export const helms = ['helm', 'helm3'] as const;
export type HelmName = (typeof helms)[number];

export const chartPath = join(import.meta.dirname, '../../helm/tidegauge');
const setEnding = '-values.yaml';

/** The names of the committed value sets, each of which must work. */
export const valueSets: readonly string[] = readdirSync(join(chartPath, 'ci'))
  .filter((file) => file.endsWith(setEnding))
  .map((file) => file.slice(0, -setEnding.length))
  .sort();

export function valueSetPath(name: string): string {
  return join(chartPath, 'ci', `${name}${setEnding}`);
}

/** Any YAML; a test that reads into it knows what it looks for. */
// biome-ignore lint/suspicious/noExplicitAny: what is asserted is the shape itself
export type Yaml = any;
export type Manifest = { apiVersion: string; kind: string; metadata: Yaml; [field: string]: Yaml };

export type RenderOptions = {
  helm?: HelmName;
  /** A committed value set, below the values. */
  set?: string;
  values?: object;
  release?: string;
  args?: string[];
};

const run = promisify(execFile);

/** Runs Helm, with nothing of its user's configuration. Rejects with its standard error. */
export async function runHelm(helm: HelmName, args: string[]): Promise<string> {
  const folder = createTempFolder('helm');
  try {
    const home = { HOME: folder.path, HELM_CACHE_HOME: folder.path, HELM_CONFIG_HOME: folder.path };
    const options = { env: { ...home, HELM_DATA_HOME: folder.path }, maxBuffer: 64 * 1024 ** 2 };
    return (await run(await partPath(helm), args, options)).stdout;
  } finally {
    folder.remove();
  }
}

/** `helm template`, with the blank lines removed that one Helm leaves before a document and the other does not. */
export async function renderChart(options: RenderOptions = {}): Promise<string> {
  const { helm = 'helm', set, values, release = 'tide', args = [] } = options;
  const folder = createTempFolder('values');
  try {
    const files = set === undefined ? [] : ['--values', valueSetPath(set)];
    if (values !== undefined) {
      const file = join(folder.path, 'values.json');
      writeFileSync(file, JSON.stringify(values));
      files.push('--values', file);
    }
    const text = await runHelm(helm, [
      'template',
      ...[release, chartPath, '--namespace', 'harbour', ...files, ...args],
    ]);
    return `${text.replaceAll(/\n\s*\n---/g, '\n---').trim()}\n`;
  } finally {
    folder.remove();
  }
}

/** NOTES.txt, which `helm template` leaves out: rendered as a part of an object of the user's own. */
export async function renderNotes(options: RenderOptions = {}): Promise<string> {
  const text = [
    'apiVersion: v1',
    'kind: ConfigMap',
    'metadata: { name: notes }',
    'data: { notes: {{ include "tidegauge/templates/NOTES.txt" . | toJson }} }',
  ].join('\n');
  const rendered = await renderChart({ ...options, values: { ...options.values, extraObjects: [text] } });
  const notes = parseManifests(rendered).find(({ metadata }) => metadata.name === 'notes');
  return `${notes!.data.notes.trim()}\n`;
}

/** Strict: a key that comes twice is an error, as it is for an API server. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true }).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    const manifest = document.toJS();
    return manifest === null ? [] : [manifest as Manifest];
  });
}

export async function renderManifests(options: RenderOptions = {}): Promise<Manifests> {
  return new Manifests(parseManifests(await renderChart(options)));
}

export class Manifests {
  readonly all: readonly Manifest[];

  constructor(all: readonly Manifest[]) {
    this.all = all;
  }

  of(kind: string): Manifest[] {
    return this.all.filter((one) => one.kind === kind);
  }

  /** The only one of its kind, or of its kind and with that end of its name. */
  one(kind: string, suffix = ''): Manifest {
    const found = this.of(kind).filter(({ metadata }) => metadata.name.endsWith(suffix));
    if (found.length !== 1)
      throw new Error(`${found.length} objects are a ${kind} with a name that ends in "${suffix}"`);
    return found[0]!;
  }

  /** That of the gateway, which is not the only one where NATS is beside it. */
  get deployment(): Manifest {
    return this.one('Deployment');
  }

  get pod(): Yaml {
    return this.deployment.spec.template.spec;
  }

  get container(): Yaml {
    return this.pod.containers[0];
  }

  get testPod(): Yaml {
    return this.of('Pod').find(({ metadata }) => metadata.name.endsWith('-test'));
  }

  /**
   * The environment of the gateway's container. What comes from a Secret of the chart is taken from there, what comes
   * from another is a word that stands for it.
   */
  environment(): Record<string, string> {
    const env: Record<string, string> = {};
    for (const { configMapRef } of this.container.envFrom) {
      const map = this.of('ConfigMap').find(({ metadata }) => metadata.name === configMapRef?.name);
      Object.assign(env, map?.data);
    }
    for (const { name, value, valueFrom } of this.container.env) {
      env[name] = value ?? this.#valueFrom(valueFrom);
    }
    return env;
  }

  #valueFrom({ secretKeyRef, fieldRef }: Yaml): string {
    if (secretKeyRef === undefined) return `the-${fieldRef?.fieldPath ?? 'value'}`;
    const secret = this.of('Secret').find(({ metadata }) => metadata.name === secretKeyRef.name);
    const data = secret?.data[secretKeyRef.key];
    return data === undefined ? 'nats://of-another-secret:4222' : Buffer.from(data, 'base64').toString();
  }
}

export function readYaml(text: string): Yaml {
  return parseDocument(text).toJS();
}
