/**
 * The whole way of a figure on one machine: `npm run stack` starts Tidegauge with its demonstration, a real
 * OpenTelemetry Collector with the pipelines of this folder, and a real Prometheus with its settings, and says where to
 * look. SIGINT or SIGTERM ends them, Tidegauge first, so that its last export still arrives.
 *
 * A tool for trying and developing: everything listens on loopback, on free ports unless told otherwise. Programs come
 * from the cache of real parts or from the PATH; what is missing is named, with the way to get it, and never built here.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import { parse, stringify } from 'yaml';
import { freePort } from '../test/support/ports.ts';
import { findPart, isAtLeast, programVersion } from '../test/tools/get.ts';
import { type PartName, parts } from '../test/tools/parts.ts';
import { lastLines, type Program, startProgram, untilReady } from './programs.ts';

const root = join(import.meta.dirname, '..');
const pipelines = join(import.meta.dirname, 'collector');

const usage = `Usage: npm run stack [-- OPTION...]
  --port N             of Tidegauge
  --prometheus-port N  of Prometheus
  --otlp-port N        of the collector, for OTLP over HTTP
  --data FOLDER        for data and logs, kept at the end (default: a temporary one, removed at the end)
  --help               this text
Ports are free ones unless given. Settings of Tidegauge are taken from the environment, as always.`;

/** What a program may be called on the PATH, and from which version on it knows what the configuration asks for. */
const fromPath: Readonly<Record<'prometheus' | 'otelcol', { names: readonly string[]; least: string }>> = {
  prometheus: { names: ['prometheus'], least: '3.0.0' },
  // The second is the distribution that has all components; the first may be anything.
  otelcol: { names: ['otelcol', 'otelcol-contrib'], least: '0.155.0' },
};
const readyTimeoutMs = 60_000;
const endGraceMs = 15_000;
const exportIntervalMs = 2_000;

type Ports = Readonly<
  Record<'gateway' | 'prometheus' | 'otlpHttp' | 'otlpGrpc' | 'health' | 'collectorMetrics', number>
>;
type Stack = { folder: string; ports: Ports; programs: Program[] };

await main();

async function main(): Promise<void> {
  const options = readArguments();
  if (options.help === true) return console.log(usage);
  const binaries = { prometheus: await find('prometheus'), otelcol: await find('otelcol') };
  const missing = Object.values(binaries).flatMap((found) => ('remedy' in found ? [found.remedy] : []));
  if (missing.length > 0) return fail(missing.join('\n'));

  const folder = options.data ?? mkdtempSync(join(tmpdir(), 'tidegauge-stack-'));
  mkdirSync(folder, { recursive: true });
  const stack: Stack = { folder, ports: await choosePorts(options), programs: [] };
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
  process.once('exit', () => {
    for (const program of stack.programs) program.kill();
  });

  const starting = start(stack, binaries as Record<'prometheus' | 'otelcol', { path: string }>).then(
    async () => {
      console.log(whereToLook(stack));
      return await Promise.race(
        stack.programs.map(async (one) => `${one.name} ended with ${await one.ended}:\n${lastLines(one)}`),
      );
    },
  );
  const fault = await Promise.race([signalled, starting.catch((error: Error) => error.message)]);
  if (fault === undefined) console.log('ending');
  process.on('SIGINT', () => process.exit(1));
  await end(stack);
  if (options.data === undefined) rmSync(folder, { recursive: true, force: true });
  if (fault !== undefined) fail(fault);
  process.exit();
}

function readArguments() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      options: {
        port: text,
        'prometheus-port': text,
        'otlp-port': text,
        data: text,
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return process.exit(2);
  }
}

async function choosePorts(options: ReturnType<typeof readArguments>): Promise<Ports> {
  const choose = async (given: string | undefined): Promise<number> => {
    if (given === undefined) return await freePort();
    if (/^\d{1,5}$/.test(given) && Number(given) > 0 && Number(given) < 65_536) return Number(given);
    console.error(`${given} is no port\n${usage}`);
    return process.exit(2);
  };
  return {
    gateway: await choose(options.port),
    prometheus: await choose(options['prometheus-port']),
    otlpHttp: await choose(options['otlp-port']),
    otlpGrpc: await freePort(),
    health: await freePort(),
    collectorMetrics: await freePort(),
  };
}

/** The cache of real parts first, for those are the versions that the tests run against. */
async function find(name: 'prometheus' | 'otelcol'): Promise<{ path: string } | { remedy: string }> {
  const cached = findPart(name satisfies PartName);
  if (cached !== undefined) return { path: cached };
  const { names, least } = fromPath[name];
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const path of folders.flatMap((folder) => names.map((one) => join(folder, one)))) {
    const version = await programVersion(path);
    if (version !== undefined && isAtLeast(version, least)) return { path };
  }
  const { expectedSeconds } = parts[name];
  return {
    remedy:
      `${name} is missing. Either put version ${least} or newer on the PATH, or build it with Go into the cache, ` +
      `which takes up to ${expectedSeconds} s:\n  node_modules/.bin/node test/tools/get.ts ${name}`,
  };
}

/** Each program before the one that talks to it. */
async function start(
  stack: Stack,
  binaries: Record<'prometheus' | 'otelcol', { path: string }>,
): Promise<void> {
  const { ports, folder } = stack;
  const run = async (
    name: string,
    command: string,
    args: string[],
    env: Record<string, string>,
  ): Promise<Program> => {
    console.log(`starting ${name}`);
    const options = { name, logFile: join(folder, `${name}.log`), env: { ...process.env, ...env } };
    const program = await startProgram(command, args, options);
    stack.programs.push(program);
    return program;
  };
  const prometheus = await run('prometheus', binaries.prometheus.path, prometheusArguments(stack), {});
  await untilReady(prometheus, () => answers(`${local(ports.prometheus)}/-/ready`), readyTimeoutMs);

  const collector = await run('otelcol', binaries.otelcol.path, collectorArguments(), {
    COLLECTOR_OTLP_HTTP: `127.0.0.1:${ports.otlpHttp}`,
    COLLECTOR_OTLP_GRPC: `127.0.0.1:${ports.otlpGrpc}`,
    COLLECTOR_HEALTH: `127.0.0.1:${ports.health}`,
    COLLECTOR_METRICS_PORT: String(ports.collectorMetrics),
    COLLECTOR_STORAGE: join(folder, 'otelcol-queue'),
    PROMETHEUS_OTLP_URL: `${local(ports.prometheus)}/api/v1/otlp`,
  });
  await untilReady(collector, () => answers(local(ports.health)), readyTimeoutMs);

  const gateway = await run('tidegauge', process.execPath, [join(root, 'src/main.ts'), '--demo'], {
    ...(parseEnv(readFileSync(join(import.meta.dirname, 'env/push.env'), 'utf8')) as Record<string, string>),
    OTEL_EXPORTER_OTLP_ENDPOINT: local(ports.otlpHttp),
    OTEL_METRIC_EXPORT_INTERVAL: String(exportIntervalMs),
    OTEL_METRIC_EXPORT_TIMEOUT: String(exportIntervalMs),
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=local',
    PORT: String(ports.gateway),
  });
  await untilReady(gateway, () => answers(`${local(ports.gateway)}/readyz`), readyTimeoutMs);
  console.log('waiting for the first figures to arrive');
  const query = `${local(ports.prometheus)}/api/v1/query?query=tidegauge_connection_active`;
  await untilReady(gateway, () => hasResult(query), readyTimeoutMs);
}

function collectorArguments(): string[] {
  const files = ['gateway.yaml', 'exits/prometheus-otlp.yaml', 'exits/debug.yaml'];
  return files.flatMap((file) => ['--config', join(pipelines, file)]);
}

/** The settings for pushes, the rules that alerts and error budgets come from, and a scrape of the collector itself. */
function prometheusArguments({ folder, ports }: Stack): string[] {
  const settings = parse(readFileSync(join(import.meta.dirname, 'prometheus/push.yml'), 'utf8')) as object;
  const itself = {
    job_name: 'otelcol',
    scrape_interval: '2s',
    static_configs: [{ targets: [`127.0.0.1:${ports.collectorMetrics}`] }],
  };
  const configFile = join(folder, 'prometheus.yml');
  const rules = join(root, 'grafana/alerts/tidegauge-*.yaml');
  writeFileSync(configFile, stringify({ ...settings, rule_files: [rules], scrape_configs: [itself] }));
  return [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${join(folder, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${ports.prometheus}`,
    '--web.enable-otlp-receiver',
  ];
}

function whereToLook({ folder, ports }: Stack): string {
  const query = new URLSearchParams({
    'g0.expr': 'sum(rate(tidegauge_deliveries_sent_total[1m]))',
    'g0.tab': 'graph',
    'g0.range_input': '5m',
  });
  return `
  Tidegauge    ${local(ports.gateway)}/            (figures: /metrics/enhanced, /metrics)
  Prometheus   ${local(ports.prometheus)}/query?${query}
  Alerts       ${local(ports.prometheus)}/alerts
  Collector    ${local(ports.otlpHttp)}             (OTLP over HTTP; its own figures: ${local(ports.collectorMetrics)}/metrics)
  Logs, data   ${folder}

  Tidegauge pushes every ${exportIntervalMs / 1000} s. Ctrl-C ends everything.
`;
}

/** In the order in which figures flow. Nobody waits for who is gone already. */
async function end({ programs }: Stack): Promise<void> {
  for (const program of [...programs].reverse()) await program.end(endGraceMs);
}

async function answers(url: string): Promise<true | undefined> {
  const answer = await fetch(url);
  await answer.arrayBuffer();
  return answer.ok ? true : undefined;
}

async function hasResult(url: string): Promise<true | undefined> {
  const { data } = (await (await fetch(url)).json()) as { data: { result: unknown[] } };
  return data.result.length > 0 ? true : undefined;
}

function local(port: number): string {
  return `http://127.0.0.1:${port}`;
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
