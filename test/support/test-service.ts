/** A whole service on free ports, with a private MeterProvider: what an embedder would start. */
import { parseSettings } from '../../src/config.ts';
import type { Attributes, Readings } from '../../src/reports/readings.ts';
import { Service, type ServiceOptions } from '../../src/service.ts';
import { startTelemetry, type Telemetry } from '../../src/telemetry/sdk.ts';
import { until } from './until.ts';

export type TestService = {
  service: Service;
  telemetry: Telemetry;
  url: string;
  adminUrl: string;
  wsUrl: string;
  /** Lines that were logged, with their fields. */
  log: { level: string; message: string; [field: string]: unknown }[];
  /** After the start: when the bus is there, so that whoever connects hears everything and is told of no gap. */
  ready(): Promise<void>;
  collect(): Promise<Readings>;
  getJson(path: string, init?: RequestInit): Promise<Record<string, never> & { status: number; body: never }>;
  /** Drains, exports for the last time, closes. */
  stop(): Promise<void>;
};

let instances = 0;

export async function startTestService(
  env: Record<string, string> = {},
  options: Pick<ServiceOptions, 'platform'> = {},
): Promise<TestService> {
  const { settings, faults } = parseSettings({ PORT: '0', TIDEGAUGE_DRAIN_WINDOW: '0', ...env });
  if (settings === undefined) throw new Error(faults?.join('\n'));
  const lines: TestService['log'] = [];
  const log = Object.fromEntries(
    ['debug', 'info', 'warn', 'error'].map((level) => [
      level,
      (fields: object, message: string) => void lines.push({ level, message, ...fields }),
    ]),
  ) as Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;
  instances += 1;
  const instanceId = `test-${process.pid}-${instances}`;
  const telemetry = startTelemetry({ env, registerGlobally: false, instanceId, log });
  const service = new Service({ settings, telemetry, log, ...options });
  const { clientUrl, adminUrl } = await service.start();
  return {
    service,
    telemetry,
    url: clientUrl,
    adminUrl,
    wsUrl: `${clientUrl.replace('http', 'ws')}/ws`,
    log: lines,
    ready: () => until('it is ready', () => service.reasonsNotReady.length === 0).then(() => undefined),
    collect: () => telemetry.snapshot.collect(),
    getJson: async (path, init) => {
      const response = await fetch(`${adminUrl}${path}`, init);
      return { status: response.status, body: (await response.json()) as never } as never;
    },
    stop: async () => {
      await service.drain();
      await telemetry.shutdown(5_000);
      await service.close();
    },
  };
}

/** What has been counted of an instrument, point by point. */
export function pointsAboveZero(
  readings: Readings,
  name: string,
): { attributes: Attributes; value: number }[] {
  return readings
    .points(name)
    .filter(({ value }) => value > 0)
    .map(({ attributes, value }) => ({ attributes, value }));
}
