/**
 * Real collectors with the configuration files of otel/collector, as a user starts them: by their command line and
 * their variables, and nothing else. One that was killed can be started again on the same ports, with the same disk.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { type Child, createTempFolder, startChild, untilUp } from './child.ts';
import { freePorts } from './ports.ts';
import { partPath } from './real-part.ts';

const otel = join(import.meta.dirname, '../../otel');

export const exits = ['prometheus-otlp', 'prometheus-remote-write', 'prometheus-scrape', 'debug'] as const;
export type Exit = (typeof exits)[number];

export type PipelineOptions = {
  /** Paths, seen from otel/collector, in the order of the command line. */
  files: readonly string[];
  env?: Record<string, string>;
};

export type Pipeline = {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT` with http/protobuf; and for another collector. */
  readonly httpEndpoint: string;
  readonly grpcEndpoint: string;
  /** What exits/prometheus-scrape.yaml serves. */
  readonly prometheusAddress: string;
  log(): string;
  /** A figure of the collector's own, summed over its series; 0 while there is none. */
  figure(name: string): Promise<number>;
  /** SIGKILL: whatever is not on disk is gone. */
  kill(): Promise<void>;
  /** Again, after a kill. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

const startTimeoutMs = 30_000;

export async function startPipeline({ files, env = {} }: PipelineOptions): Promise<Pipeline> {
  const binary = await partPath('otelcol');
  const folder = createTempFolder('pipeline');
  const [http, grpc, health, metrics, prometheus] = await freePorts(5);
  const logFile = join(folder.path, 'log');
  const start = async (): Promise<Child> => {
    const child = await startChild(binary, configArguments(files), {
      logFile,
      cwd: folder.path,
      env: {
        COLLECTOR_OTLP_HTTP: `127.0.0.1:${http}`,
        COLLECTOR_OTLP_GRPC: `127.0.0.1:${grpc}`,
        COLLECTOR_HEALTH: `127.0.0.1:${health}`,
        COLLECTOR_METRICS_PORT: String(metrics),
        COLLECTOR_PROMETHEUS: `127.0.0.1:${prometheus}`,
        COLLECTOR_STORAGE: join(folder.path, 'queue'),
        ...env,
      },
    });
    const isHealthy = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${health}`)).ok;
    await untilUp(child, 'the collector is healthy', isHealthy, { timeoutMs: startTimeoutMs, everyMs: 20 });
    return child;
  };
  let child = await start();
  return {
    httpEndpoint: `http://127.0.0.1:${http}`,
    grpcEndpoint: `http://127.0.0.1:${grpc}`,
    prometheusAddress: `127.0.0.1:${prometheus}`,
    log: () => child.log(),
    async figure(name) {
      const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
      const lines = text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'));
      return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
    },
    async kill() {
      await child.kill();
    },
    async restart() {
      child = await start();
    },
    async stop() {
      await child.stop();
      folder.remove();
    },
  };
}

/** `otelcol validate`: undefined if it finds nothing, else what it says. The environment is the one given. */
export async function validatePipeline(
  files: readonly string[],
  env: Record<string, string> = {},
): Promise<string | undefined> {
  const binary = await partPath('otelcol');
  return await new Promise((resolve) => {
    execFile(binary, ['validate', ...configArguments(files)], { env }, (error, stdout, stderr) =>
      resolve(error === null ? undefined : `${stdout}${stderr}`),
    );
  });
}

/** A file of otel/prometheus as data, with another target than the one in it. */
export function prometheusSettings(
  file: string,
  target?: { inFile: string; instead: string },
): Record<string, unknown> {
  let text = readFileSync(join(otel, 'prometheus', file), 'utf8');
  if (target !== undefined) {
    if (!text.includes(target.inFile)) throw new Error(`${file} does not name ${target.inFile}`);
    text = text.replaceAll(target.inFile, target.instead);
  }
  return parse(text) as Record<string, unknown>;
}

function configArguments(files: readonly string[]): string[] {
  return files.flatMap((file) => ['--config', resolve(otel, 'collector', file)]);
}
