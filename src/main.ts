/**
 * The process edge: environment, arguments and signals in, log lines and an exit code out. The only reader of
 * process.env. Exit codes: 0 after a drain, 78 for settings, or a limit on descriptors, that it cannot work with, 1 for
 * anything else.
 */
import { fork, type StdioOptions } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { readAuthority, readCredentials } from './bus/nats-options.ts';
import { parseSettings, renderSettings, type Settings } from './config.ts';
import type { DemoTarget } from './demo.ts';
import { LAST_EXPORT_MS, LAST_LINES_MS } from './leaving.ts';
import { LogOutput } from './log-output.ts';
import { faultsOfFiles } from './named-files.ts';
import { type Addresses, type Log, Service } from './service.ts';
import { renderTelemetryEnv } from './telemetry/otel-env.ts';
import { checkTelemetryEnv, startTelemetry, type Telemetry } from './telemetry/sdk.ts';

const EXIT_BAD_SETTINGS = 78;
/** How long the last export may take when a second signal asks to hurry. */
const HURRIED_EXPORT_MS = 500;

const usage = `Usage: npm start [-- OPTION]
  --check-config  check the settings in the environment, show what is in force, and exit
  --demo          add a synthetic price feed and a few clients
  --help          this text
Settings are environment variables: see src/settings.md.`;

await main();

async function main(): Promise<void> {
  const options = readArguments();
  if (options.help) {
    console.log(usage);
    return;
  }
  const { settings, faults } = readSettings();
  if (faults !== undefined) {
    for (const fault of faults) console.error(fault);
    process.exitCode = EXIT_BAD_SETTINGS;
    return;
  }
  if (options['check-config']) {
    console.log(renderSettings(settings));
    for (const line of renderTelemetryEnv(process.env)) console.log(line);
    return;
  }
  await serve(settings, options.demo);
}

function readArguments() {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({ options: { 'check-config': flag, demo: flag, help: flag } }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return process.exit(EXIT_BAD_SETTINGS);
  }
}

function readSettings() {
  const { settings, faults = [] } = parseSettings(process.env);
  faults.push(...checkTelemetryEnv(process.env), ...unusableFiles(settings));
  return settings === undefined || faults.length > 0 ? { faults } : { settings };
}

/** Files that settings name and that cannot be used: found here, so that --check-config tells what a start would. */
function unusableFiles({ natsCreds, natsTlsCa }: Partial<Settings> = {}): string[] {
  return faultsOfFiles([
    ['NATS_CREDS', natsCreds, readCredentials],
    ['NATS_TLS_CA', natsTlsCa, readAuthority],
  ]);
}

async function serve(settings: Settings, isDemo: boolean): Promise<void> {
  const output = new LogOutput();
  const log = pino({ level: settings.logLevel, base: { pid: process.pid } }, output);
  process.on('uncaughtExceptionMonitor', () => output.flushAtOnce());
  const exit = async (code: number): Promise<void> => {
    await output.flush(LAST_LINES_MS);
    process.exit(code);
  };
  const telemetry = startTelemetry({ env: process.env, registerGlobally: true, log });
  let service: Service;
  try {
    service = new Service({ settings, telemetry, log });
  } catch (error) {
    // Too few descriptors, or a file with credentials or an authority that has become unusable just now.
    console.error((error as Error).message);
    return exit(EXIT_BAD_SETTINGS);
  }
  leaveWhenTold(service, telemetry, log, exit);
  let addresses: Addresses;
  try {
    addresses = await service.start();
  } catch (error) {
    log.fatal({ err: error }, `cannot listen: ${(error as Error).message}`);
    return exit(1);
  }
  if (settings.natsUrl === undefined) console.error(invitation(addresses, settings));
  if (isDemo) startDemo({ ...addresses, adminToken: settings.adminToken });
}

function invitation({ clientUrl, adminUrl }: Addresses, settings: Settings): string {
  const subject = settings.publishSubjects[0]!.replaceAll(/[*>]/g, 'hello');
  const token = settings.adminToken === undefined ? '' : ` -H "authorization: Bearer $TIDEGAUGE_ADMIN_TOKEN"`;
  const [page, client] = [adminUrl, clientUrl].map(reachable) as [string, string];
  return `
  Tidegauge runs on its in-memory bus (set NATS_URL to bridge a NATS server).
    see     ${page}/
    hear    ${client.replace(/^http/, 'ws')}/ws
    speak   curl -d '{"hello":"tide"}' -H 'content-type: application/json'${token} '${page}/publish/${subject}'
    figures ${page}/metrics/enhanced and ${page}/metrics
`;
}

/** What listens on all addresses is reached by one of them. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}

/** The first signal drains, as POST /drain does; a second one hurries what is left. */
function leaveWhenTold(
  service: Service,
  telemetry: Telemetry,
  log: Log,
  exit: (code: number) => Promise<void>,
): void {
  const hurried = Promise.withResolvers<void>();
  let signals = 0;
  let isLeaving = false;
  const begin = (): void => {
    if (isLeaving) return;
    isLeaving = true;
    leave(service, telemetry, hurried.promise, () => signals > 1).then(
      () => {
        log.info({}, 'gone');
        return exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'could not leave in order');
        return exit(1);
      },
    );
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) {
      log.warn({ signal }, 'hurrying');
      hurried.resolve();
      void service.hurry();
      return;
    }
    log.info({ signal }, 'leaving; a second signal hurries it');
    begin();
  };
  // A signal after that is the first: an orchestrator sends it to whoever has been drained, and means no hurry.
  void service.drainRequested.then(() => {
    log.info({}, 'leaving, for POST /drain');
    begin();
  });
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

async function leave(
  service: Service,
  telemetry: Telemetry,
  hurried: Promise<void>,
  isHurried: () => boolean,
): Promise<void> {
  await service.drain();
  // The last export carries the final totals: everything that is counted has been counted.
  const lastExport = telemetry.shutdown(isHurried() ? HURRIED_EXPORT_MS : LAST_EXPORT_MS);
  await Promise.race([lastExport, hurried.then(() => telemetry.shutdown(HURRIED_EXPORT_MS))]);
  await service.close();
}

function startDemo(target: DemoTarget): void {
  // An inherited standard output would block in both processes, and with it whoever waits for the last log line.
  const stdio: StdioOptions = ['ignore', 'ignore', 'inherit', 'ipc'];
  const demo = fork(join(import.meta.dirname, 'demo.ts'), { stdio });
  demo.send(target);
  process.once('exit', () => demo.kill());
}
