/**
 * The telemetry schema of our own names: which of them were renamed, from version to version, in the file format 1.1.0
 * of OpenTelemetry's schemas. Pure; otel/generate.ts writes a file for each version.
 *
 * Renaming an instrument or an attribute adds a version here, newest first. A file that has been published is never
 * changed again. A new instrument is no change in this sense; neither is one that has gone.
 */

export type SchemaVersion = {
  version: string;
  /** Old name to new name. */
  renamedMetrics: Readonly<Record<string, string>>;
  renamedAttributes: Readonly<Record<string, string>>;
};

/**
 * Names the registry, and is where its schema files are found once somebody publishes them. `.invalid` belongs to nobody
 * (RFC 6761): until there is such a place, no address is claimed that leads somewhere else.
 */
const schemaFamily = 'https://tidegauge.invalid/schemas';

export const schemaVersions: readonly [SchemaVersion, ...SchemaVersion[]] = [
  { version: '0.1.0', renamedMetrics: {}, renamedAttributes: {} },
];

export const registryUrl = urlOf(schemaVersions[0].version);

/** By file name: each version with all that came before it. */
export function schemaFiles(versions: readonly SchemaVersion[] = schemaVersions): Record<string, object> {
  return Object.fromEntries(
    versions.map(({ version }, index) => [`${version}.yaml`, schemaFile(versions.slice(index))]),
  );
}

function schemaFile(versions: readonly SchemaVersion[]): object {
  return {
    file_format: '1.1.0',
    schema_url: urlOf(versions[0]!.version),
    versions: Object.fromEntries(versions.map((one) => [one.version, changesOf(one)])),
  };
}

function changesOf({ renamedMetrics, renamedAttributes }: SchemaVersion): object | null {
  const changes = {
    ...(isEmpty(renamedAttributes)
      ? {}
      : { all: { changes: [{ rename_attributes: { attribute_map: renamedAttributes } }] } }),
    ...(isEmpty(renamedMetrics) ? {} : { metrics: { changes: [{ rename_metrics: renamedMetrics }] } }),
  };
  return isEmpty(changes) ? null : changes;
}

function urlOf(version: string): string {
  return `${schemaFamily}/${version}`;
}

function isEmpty(record: object): boolean {
  return Object.keys(record).length === 0;
}
