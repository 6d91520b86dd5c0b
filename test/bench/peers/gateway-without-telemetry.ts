/**
 * The gateway itself with OpenTelemetry's own no-op in place of telemetry, and nothing that watches the process: the other
 * side of the question what telemetry costs. (OTEL_SDK_DISABLED is no such side: the JSON reports go on, and so do their instruments.)
 */
import { randomUUID } from 'node:crypto';
import { createNoopMeter, type MeterProvider } from '@opentelemetry/api';
import { pino } from 'pino';
import { parseSettings } from '../../../src/config.ts';
import { Service } from '../../../src/service.ts';
import type { Telemetry } from '../../../src/telemetry/sdk.ts';

const { settings, faults } = parseSettings(process.env);
if (settings === undefined) throw new Error(faults.join('\n'));

const meterProvider: MeterProvider = { getMeter: createNoopMeter };
const nothing = (): never => {
  throw new Error('this gateway has no telemetry');
};
const telemetry: Telemetry = {
  instanceId: randomUUID(),
  meterProvider,
  snapshot: { collect: nothing, collectShared: nothing } as unknown as Telemetry['snapshot'],
  scrape: nothing,
  forceFlush: nothing,
  shutdown: async () => {},
};
const service = new Service({ settings, telemetry, log: pino({ base: null }) });
process.once('SIGTERM', () => process.exit(0));
await service.start();
// No windows, no look at each turn of the event loop or at the collector.
service.platform.stop();
