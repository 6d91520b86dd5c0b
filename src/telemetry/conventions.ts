/**
 * Which semantic conventions the names follow, told to whoever receives them: the schema URL of every scope and of the
 * resource. By it a backend knows what `v8js.gc.duration` meant on the day of the export, and can translate names that
 * the conventions change later (OpenTelemetry specification, "Telemetry Schemas").
 *
 * It is OpenTelemetry's own URL, not one of ours. A schema lists what was renamed, and our own names add to the
 * conventions without changing one; a URL must also lead to a file, and the conventions' does. The registry of our own
 * names, in otel/registry, builds on the same version.
 */
import type { Meter, MeterProvider } from '@opentelemetry/api';
import type { Scope } from './catalogue.ts';

/** A test holds it against the version of the package that the catalogue's names are checked with. */
export const conventionsVersion = '1.45.0';

export const schemaUrl = `https://opentelemetry.io/schemas/${conventionsVersion}`;

/** The meter of a scope. All instruments of a scope must come from here: another schema URL would be another meter. */
export function scopeMeter(provider: MeterProvider, scope: Scope): Meter {
  return provider.getMeter(scope, undefined, { schemaUrl });
}
