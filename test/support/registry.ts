/** The semantic-convention registry as it lies in the tree, read by a YAML parser and not from its generator. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const folder = join(import.meta.dirname, '../../otel/registry');

export type RequirementLevel = 'required' | 'recommended' | 'opt_in' | { conditionally_required: string };
export type AttributeDefinition = {
  key: string;
  brief: string;
  stability: string;
  type: { members: { id: string; value: string; stability: string }[] };
};
export type AttributeReference = { ref: string; requirement_level: RequirementLevel; note?: string };
export type MetricDefinition = {
  name: string;
  brief: string;
  note: string;
  instrument: 'counter' | 'updowncounter' | 'gauge' | 'histogram';
  unit: string;
  stability: string;
  attributes?: AttributeReference[];
  annotations: {
    instrumentation_scope: string;
    code_generation: { metric_value_type: 'int' | 'double' };
    naming_conventions?: { policy_exceptions: string[] };
  };
};
export type RegistryManifest = {
  schema_url: string;
  stability: string;
  description: string;
  dependencies: { schema_url: string; registry_path: string }[];
};

/** The files of definitions by name, as they were parsed. */
export const definitionFiles: Readonly<Record<string, Record<string, unknown>>> = Object.fromEntries(
  readdirSync(folder)
    .filter((name) => name !== 'manifest.yaml')
    .map((name) => [name, parseFile(name) as Record<string, unknown>]),
);

export const manifest = parseFile('manifest.yaml') as RegistryManifest;
export const metrics = all('metrics') as MetricDefinition[];
export const attributes = all('attributes') as AttributeDefinition[];
export const importedMetrics = (all('imports') as { metrics: string[] }[]).flatMap((one) => one.metrics);

function all(section: string): unknown[] {
  return Object.values(definitionFiles).flatMap((file) => file[section] ?? []);
}

function parseFile(name: string): unknown {
  return parse(readFileSync(join(folder, name), 'utf8'));
}
