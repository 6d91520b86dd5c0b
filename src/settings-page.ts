/** The page of settings, rendered from the settings table. Pure; `npm run generate` writes it to settings.md. */
import { settingDeclarations } from './config.ts';
import { LEAVING_MARGIN_MS } from './leaving.ts';

export function renderSettingsPage(): string {
  const rows = settingDeclarations.map(({ env, default: preset, accepts, doc, isSecret }) => {
    const value = preset === undefined ? 'unset' : `\`${preset}\``;
    return `| \`${env}\` | ${value} | ${doc}${isSecret ? ' Secret: never shown.' : ''} | ${accepts} |`;
  });
  return `<!-- Generated from src/config.ts by npm run generate. Do not edit. -->
# Settings

All settings are environment variables. An empty or blank value counts as unset. Durations are written like \`250ms\`, \`5s\`,
\`2m\` or \`1h\`, sizes like \`512B\`, \`16KiB\` or \`1MiB\`; lists are separated by commas.

A value that cannot be used stops the start: every fault is listed at once, with the setting, the value and what it
must be, and the exit code is 78. So does a name that begins with \`TIDEGAUGE_\` and is not listed here, except those
that Kubernetes injects for a Service named tidegauge. \`npm start -- --check-config\` checks without starting and
shows what is in force, without secrets.

| name | default | meaning | accepts |
| --- | --- | --- | --- |
${rows.join('\n')}

Told to leave (SIGTERM, SIGINT or \`POST /drain\`), the gateway ends within \`TIDEGAUGE_DRAIN_DELAY\` plus
\`TIDEGAUGE_DRAIN_WINDOW\` plus ${LEAVING_MARGIN_MS / 1000} seconds, whatever clients, broker and collector do, and usually right after the
window. Who would kill it must wait for that long. A second signal hurries it.

The standard \`OTEL_\` variables choose what is exported and where: \`OTEL_SERVICE_NAME\`, \`OTEL_RESOURCE_ATTRIBUTES\`,
\`OTEL_METRICS_EXPORTER\`, \`OTEL_EXPORTER_OTLP_ENDPOINT\`, \`OTEL_EXPORTER_OTLP_PROTOCOL\`, \`OTEL_EXPORTER_OTLP_HEADERS\`,
\`OTEL_EXPORTER_OTLP_TIMEOUT\`, \`OTEL_EXPORTER_OTLP_COMPRESSION\` (each also with \`_METRICS_\` after \`OTLP\`),
\`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE\`, \`OTEL_METRIC_EXPORT_INTERVAL\`, \`OTEL_METRIC_EXPORT_TIMEOUT\` and
\`OTEL_SDK_DISABLED\`. OTLP is off unless an endpoint is set or \`OTEL_METRICS_EXPORTER\` names \`otlp\`.
`;
}
