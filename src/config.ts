/**
 * The settings table: every environment variable that Tidegauge reads, declared once. The process edge hands
 * in the environment; nothing else in the service looks at it. Faults are collected, never thrown one by one.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { isPattern } from './bus/subjects.ts';
import { parseDurationMs } from './durations.ts';
import { MESSAGE_BYTES, PLACE_BYTES } from './gateway/backlog.ts';
import { isNetwork } from './gateway/remote-address.ts';
import { shownValue } from './shown-value.ts';

export type SettingKind = 'text' | 'integer' | 'number' | 'duration' | 'size' | 'choice' | 'flag' | 'list';

export type SettingDeclaration = {
  env: string;
  kind: SettingKind;
  /** As one would write it in the environment; undefined: unset. */
  default: string | undefined;
  /** What a value must be, for the message of a fault and for the page of settings. */
  accepts: string;
  doc: string;
  isSecret: boolean;
  /** Of an integer or a number: the least and the most that it may be. */
  bounds?: readonly [least: number, most: number];
  /** Of a choice: what there is to choose from. */
  choices?: readonly string[];
  schema: z.ZodType;
};

const sizeUnits: Record<string, number> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
};

/** `512B`, `16KiB`, `1MiB`, `1.5GiB`, decimal `kB`, `MB`, `GB`, or a bare number of bytes. Undefined when it is not a size. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|kB|MB|GB)?$/.exec(text);
  return match ? Math.floor(Number(match[1]) * sizeUnits[match[2] ?? 'B']!) : undefined;
}

type Base = { doc: string; default?: string; accepts?: string; isSecret?: boolean };

/** Keeps, in the type, whether there is a default: a setting without one may be undefined. */
type Declared<Value, Given extends Base> = Omit<SettingDeclaration, 'env' | 'schema' | 'default'> & {
  default: Given extends { default: string } ? string : undefined;
  schema: z.ZodType<Value>;
};

function declare<Value, Given extends Base>(
  kind: SettingKind,
  accepts: string,
  given: Given,
  parse: (text: string) => Value | undefined,
): Declared<Value, Given> {
  const says = given.accepts ?? accepts;
  const schema = z.string().transform((text, context) => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: says });
    return z.NEVER;
  });
  const declared = {
    kind,
    accepts: says,
    default: given.default,
    doc: given.doc,
    isSecret: given.isSecret ?? false,
    schema,
  };
  return declared as unknown as Declared<Value, Given>;
}

const text = <const Given extends Base & { matches?: (value: string) => boolean }>(given: Given) =>
  declare('text', 'text', given, (value) =>
    given.matches === undefined || given.matches(value) ? value : undefined,
  );

const integer = <const Given extends Base>(least: number, most: number, given: Given) => ({
  ...declare('integer', `a whole number from ${least} to ${most}`, given, (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : undefined;
  }),
  bounds: [least, most] as const,
});

const number = <const Given extends Base>(least: number, most: number, given: Given) => ({
  ...declare('number', `a number from ${least} to ${most}`, given, (value) => {
    const parsed = /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
    return parsed >= least && parsed <= most ? parsed : undefined;
  }),
  bounds: [least, most] as const,
});

const duration = <const Given extends Base>(least: string, most: string, given: Given) =>
  declare('duration', `a duration from ${least} to ${most}, such as ${given.default}`, given, (value) => {
    const ms = parseDurationMs(value);
    return ms !== undefined && ms >= parseDurationMs(least)! && ms <= parseDurationMs(most)! ? ms : undefined;
  });

const size = <const Given extends Base>(least: string, most: string, given: Given) =>
  declare('size', `a size from ${least} to ${most}, such as ${given.default}`, given, (value) => {
    const bytes = parseSizeBytes(value);
    return bytes !== undefined && bytes >= parseSizeBytes(least)! && bytes <= parseSizeBytes(most)!
      ? bytes
      : undefined;
  });

const choice = <const Choice extends string, const Given extends Base>(
  choices: readonly Choice[],
  given: Given,
) => ({
  ...declare('choice', `one of ${choices.join(', ')}`, given, (value) =>
    choices.find((one) => one === value),
  ),
  choices,
});

const flag = <const Given extends Base>(given: Given) =>
  declare('flag', 'true or false', given, (value) =>
    value === 'true' ? true : value === 'false' ? false : undefined,
  );

const list = <const Given extends Base>(
  accepts: string,
  isElement: (element: string) => boolean,
  given: Given,
) =>
  declare('list', accepts, given, (value) => {
    const elements = value.split(',').map((element) => element.trim());
    return elements.every((element) => element !== '' && isElement(element)) ? elements : undefined;
  });

const patterns = <const Given extends Base>(given: Given) =>
  list('NATS subjects or patterns, separated by commas, such as public.>', isPattern, given);
/** An address, or what may be a name: labels of letters, digits, `-` and `_`, of which the last is no number. */
const isHost = (text: string): boolean =>
  isIP(text) !== 0 ||
  (text.length <= 253 &&
    /^(?:[a-z\d_](?:[a-z\d_-]*[a-z\d_])?\.)*(?!\d+\.?$)[a-z\d_](?:[a-z\d_-]*[a-z\d_])?\.?$/i.test(text));
const isServer = (text: string): boolean => {
  const [, bracketed, name, port] =
    /^(?:(?:nats|tls):\/\/)?(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [];
  // The client library knows no zones.
  const isKnown =
    bracketed === undefined ? isHost(name ?? '') : isIP(bracketed) === 6 && !bracketed.includes('%');
  return isKnown && (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535));
};
const isOrigin = (text: string): boolean => {
  const url = text.endsWith(':*') ? text.slice(0, -2) : text;
  // No wildcards in a host, and a backslash would be a slash.
  return /^https?:\/\/[^/?#@*\\]+$/i.test(url) && URL.canParse(url);
};
const origins = <const Given extends Base>(given: Given) =>
  list('origins such as https://app.example.com, separated by commas; a port may be *', isOrigin, given);

/**
 * One entry per setting: its key in the code, and its declaration. The order is the order of the documents.
 */
const table = {
  host: {
    env: 'HOST',
    ...text({
      default: '127.0.0.1',
      matches: isHost,
      accepts: 'an address or a host name',
      doc: 'The address to listen on. In a container: 0.0.0.0.',
    }),
  },
  port: {
    env: 'PORT',
    ...integer(0, 65535, {
      default: '3002',
      doc: 'The port for clients. 0 picks a free one; the chosen address is in the log line "listening".',
    }),
  },
  reusePort: {
    env: 'TIDEGAUGE_REUSE_PORT',
    ...flag({
      default: 'false',
      doc: 'Several processes on one machine share PORT, each a gateway of its own; the kernel spreads new connections. Give each its own ADMIN_PORT to see its figures. One that leaves stops listening on PORT when it begins to close, and the others get the newcomers.',
    }),
  },
  adminHost: {
    env: 'ADMIN_HOST',
    ...text({
      matches: isHost,
      accepts: 'an address or a host name',
      doc: 'The address of the admin listener. Unset: as HOST.',
    }),
  },
  adminPort: {
    env: 'ADMIN_PORT',
    ...integer(0, 65535, {
      doc: 'A second listener for everything that is not for clients. Unset: all on PORT.',
    }),
  },
  natsUrl: {
    env: 'NATS_URL',
    ...list(
      'server addresses such as nats://host:4222, separated by commas, without credentials (they have settings of their own)',
      isServer,
      { doc: 'The NATS server, or the members of a cluster. Unset: an in-memory bus inside the process.' },
    ),
  },
  natsCreds: { env: 'NATS_CREDS', ...text({ doc: 'Path of a credentials file (JWT and seed).' }) },
  natsToken: { env: 'NATS_TOKEN', ...text({ isSecret: true, doc: 'Token for the NATS server.' }) },
  natsUser: { env: 'NATS_USER', ...text({ doc: 'User for the NATS server.' }) },
  natsPassword: { env: 'NATS_PASSWORD', ...text({ isSecret: true, doc: 'Password for the NATS server.' }) },
  natsTlsCa: {
    env: 'NATS_TLS_CA',
    ...text({
      doc: "Path of a PEM file with the authority that signed the NATS server's certificate. Set: TLS is required.",
    }),
  },
  readyBusGraceMs: {
    env: 'TIDEGAUGE_READY_BUS_GRACE',
    ...duration('0', '1h', {
      default: '15s',
      doc: 'How long the bus may be away before the gateway says that it is not ready.',
    }),
  },
  subjects: {
    env: 'TIDEGAUGE_SUBJECTS',
    ...patterns({
      default: 'public.>',
      doc: 'Patterns bridged from the bus, and heard by clients that do not subscribe.',
    }),
  },
  allowedChannels: {
    env: 'TIDEGAUGE_ALLOWED_CHANNELS',
    ...patterns({ doc: 'What a client may subscribe to. Unset: as TIDEGAUGE_SUBJECTS.' }),
  },
  publishSubjects: {
    env: 'TIDEGAUGE_PUBLISH_SUBJECTS',
    ...patterns({ doc: 'Where POST /publish may send. Unset: as TIDEGAUGE_SUBJECTS.' }),
  },
  publishSizeMax: {
    env: 'TIDEGAUGE_MAX_PUBLISH_SIZE',
    ...size('1B', '64MiB', { default: '1MiB', doc: 'The largest body of POST /publish.' }),
  },
  capabilities: {
    env: 'TIDEGAUGE_CAPABILITIES',
    ...list(
      'words of letters, digits, _, . and -, of at most 64 each, separated by commas',
      (one) => /^[\w.-]{1,64}$/.test(one),
      {
        default: 'price-updates,trade-notifications,market-stats',
        doc: 'Words in the welcome message.',
      },
    ),
  },
  subscriptionsMax: {
    env: 'TIDEGAUGE_MAX_SUBSCRIPTIONS',
    ...integer(1, 10_000, { default: '100', doc: 'Channels that one connection may be subscribed to.' }),
  },
  sampleIntervalMs: {
    env: 'TIDEGAUGE_SAMPLE_INTERVAL',
    ...duration('250ms', '60s', {
      default: '5s',
      doc: 'The window over which CPU use and the utilization and delay of the event loop are measured.',
    }),
  },
  connectionsMax: {
    env: 'TIDEGAUGE_MAX_CONNECTIONS',
    ...integer(1, 10_000_000, {
      default: '50000',
      doc: 'Connections admitted at most. In force is the smaller of this and the file-descriptor limit less a reserve.',
    }),
  },
  connectionsPerAddressMax: {
    env: 'TIDEGAUGE_MAX_CONNECTIONS_PER_IP',
    ...integer(0, 10_000_000, {
      default: '0',
      doc: 'Connections admitted from one address at most, or from one /64 of IPv6; the next is refused with 429. 0 is no limit. Each process counts for itself. Behind a proxy all come from its address, unless it is one of TIDEGAUGE_TRUSTED_PROXIES.',
    }),
  },
  trustedProxies: {
    env: 'TIDEGAUGE_TRUSTED_PROXIES',
    ...list('addresses and networks, separated by commas, such as 10.0.0.0/8 or 2001:db8::/32', isNetwork, {
      doc: 'Proxies whose X-Forwarded-For is believed (the client is the last address in it that is none of them), and whose X-Forwarded-Proto is the scheme that an Origin is compared with. Unset: none. ::/0 is everybody, 0.0.0.0/0 those with IPv4.',
    }),
  },
  messageSizeMax: {
    env: 'TIDEGAUGE_MAX_MESSAGE_SIZE',
    ...size('64B', '16MiB', { default: '16KiB', doc: 'The largest message taken from a client.' }),
  },
  bufferedMax: {
    env: 'TIDEGAUGE_MAX_BUFFERED',
    ...size('1KiB', '1GiB', {
      default: '1MiB',
      doc: 'Bytes that one connection may leave untaken before it is a slow consumer.',
    }),
  },
  bufferedAgeMaxMs: {
    env: 'TIDEGAUGE_MAX_BUFFERED_AGE',
    ...duration('100ms', '1h', {
      default: '10s',
      doc: 'Age of the oldest untaken byte at which a connection is a slow consumer.',
    }),
  },
  slowPolicy: {
    env: 'TIDEGAUGE_SLOW_POLICY',
    ...choice(['disconnect', 'drop', 'conflate'], {
      default: 'disconnect',
      doc: 'What becomes of a slow consumer: closed with 4408; or it misses the newest messages until it has caught up, and is told how many; or while it is behind it gets only the last message of each subject.',
    }),
  },
  pingIntervalMs: {
    env: 'TIDEGAUGE_PING_INTERVAL',
    ...duration('100ms', '1h', { default: '25s', doc: 'How often each connection is pinged.' }),
  },
  pongTimeoutMs: {
    env: 'TIDEGAUGE_PONG_TIMEOUT',
    ...duration('100ms', '1h', { default: '10s', doc: 'How long the answer to a ping may take.' }),
  },
  idleMaxMs: {
    env: 'TIDEGAUGE_MAX_IDLE',
    ...duration('0', '8760h', {
      default: '0',
      doc: 'A connection without a message in either direction for so long, or for nine tenths of it at the least, is closed with 1000; 0 is no limit. Ping and pong frames are no messages, but what a client sends of type ping or heartbeat is one.',
    }),
  },
  ageMaxMs: {
    env: 'TIDEGAUGE_MAX_AGE',
    ...duration('0', '8760h', {
      default: '0',
      doc: 'A connection of that age, or of nine tenths of it at the least, is closed with 1012, so that clients come to new instances; 0 is no limit.',
    }),
  },
  receiveRate: {
    env: 'TIDEGAUGE_RECEIVE_RATE',
    ...integer(1, 1_000_000, {
      default: '50',
      doc: 'Messages per second taken from one client, pings included. Over it: an error, then close code 1008.',
    }),
  },
  receiveBurst: {
    env: 'TIDEGAUGE_RECEIVE_BURST',
    ...integer(1, 1_000_000, { default: '100', doc: 'How many of them may come at once.' }),
  },
  badMessagesMax: {
    env: 'TIDEGAUGE_BAD_MESSAGES',
    ...integer(0, 1_000_000, {
      default: '10',
      doc: 'Messages a minute that cannot be used, each answered with an error; with one more, after its answer, the client is closed with 1008.',
    }),
  },
  flushPacing: {
    env: 'TIDEGAUGE_FLUSH_PACING',
    ...number(0, 10, {
      default: '0.5',
      doc: 'Share of the time that a flush took which the next one waits, so that the event loop keeps time for everything else.',
    }),
  },
  pendingMax: {
    env: 'TIDEGAUGE_MAX_PENDING',
    ...size('4MiB', '16GiB', {
      default: '64MiB',
      doc: `Memory of messages taken from the bus and not yet written to all: their bytes, ${MESSAGE_BYTES} each, and ${PLACE_BYTES} for each set of channels that one is for. Over it the oldest are dropped, and clients are told by a gap with the reason overload.`,
    }),
  },
  fanoutLagMaxMs: {
    env: 'TIDEGAUGE_MAX_FANOUT_LAG',
    ...duration('10ms', '10m', {
      default: '1s',
      doc: 'Age of the oldest message waiting for the flush at which the saturation of fanout is 1.',
    }),
  },
  dedupeWindowMs: {
    env: 'TIDEGAUGE_DEDUPE_WINDOW',
    ...duration('0', '24h', {
      default: '2m',
      doc: 'How long a message is remembered, to suppress duplicates. 0 is off.',
    }),
  },
  dedupeEntriesMax: {
    env: 'TIDEGAUGE_DEDUPE_ENTRIES',
    ...integer(0, 10_000_000, {
      default: '100000',
      doc: 'Messages remembered at most; the oldest are forgotten first. 0 is off.',
    }),
  },
  dedupeBy: {
    env: 'TIDEGAUGE_DEDUPE_BY',
    ...choice(['msg-id', 'msg-id,nonce'], {
      default: 'msg-id',
      accepts: 'msg-id or msg-id,nonce',
      doc: 'What makes two messages the same: subject and Nats-Msg-Id header; with nonce, also subject and a top-level string nonce of a JSON payload.',
    }),
  },
  origins: {
    env: 'TIDEGAUGE_ORIGINS',
    ...origins({
      doc: 'Origins whose pages may open a WebSocket. Unset: loopback origins on any port when HOST is a loopback address, else the same origin only. A client without an Origin header is not a browser and passes.',
    }),
  },
  corsOrigins: {
    env: 'TIDEGAUGE_CORS_ORIGINS',
    ...origins({
      default: 'http://localhost:*,http://127.0.0.1:*',
      doc: 'Origins whose pages may read the JSON reports; and, where no token is set, may also publish from a browser on this machine.',
    }),
  },
  adminToken: {
    env: 'TIDEGAUGE_ADMIN_TOKEN',
    ...text({
      isSecret: true,
      matches: (value) => /^[\x21-\x7e]{8,}$/.test(value),
      accepts: 'at least 8 printable ASCII characters without blanks',
      doc: 'Bearer token for actions and, once set, for all reports.',
    }),
  },
  publicReports: {
    env: 'TIDEGAUGE_PUBLIC_REPORTS',
    ...flag({
      default: 'false',
      doc: 'Serve /stats, /metrics/enhanced and /metrics/system on PORT without a token, for a client in a browser.',
    }),
  },
  remoteAddr: {
    env: 'TIDEGAUGE_REMOTE_ADDR',
    ...choice(['full', 'masked', 'off'], {
      default: 'full',
      doc: 'How client addresses are shown in reports: full, masked to /24 or /48 without the port, or not at all.',
    }),
  },
  drainDelayMs: {
    env: 'TIDEGAUGE_DRAIN_DELAY',
    ...duration('0', '1h', {
      default: '0s',
      doc: 'How long the gateway goes on taking clients after it was told to leave and has said that it is not ready: the time that load balancers need to notice. In Kubernetes, this or a preStop sleep.',
    }),
  },
  drainWindowMs: {
    env: 'TIDEGAUGE_DRAIN_WINDOW',
    ...duration('0', '1h', {
      default: '10s',
      doc: 'The time over which the closes are spread when the gateway leaves, so that its clients do not all reconnect at once. Closes are 100 ms apart at most, so fewer clients than fill the window take less: 20 take two seconds.',
    }),
  },
  logLevel: {
    env: 'TIDEGAUGE_LOG_LEVEL',
    ...choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      default: 'info',
      doc: 'The least severe line that is logged.',
    }),
  },
} satisfies Record<string, SettingDeclaration>;

type Table = typeof table;
type Value<Key extends keyof Table> = z.output<Table[Key]['schema']>;
type Parsed = {
  [Key in keyof Table]: Table[Key]['default'] extends string ? Value<Key> : Value<Key> | undefined;
};

/** The effective settings: what was unset and follows another setting has been filled in. */
export type Settings = Readonly<
  Omit<Parsed, 'adminHost' | 'allowedChannels' | 'publishSubjects'> & {
    adminHost: string;
    allowedChannels: string[];
    publishSubjects: string[];
  }
>;

export const settingDeclarations: readonly (SettingDeclaration & { key: keyof Settings })[] = Object.entries(
  table,
).map(([key, declaration]) => ({ key: key as keyof Settings, ...declaration }));

export type Environment = Readonly<Record<string, string | undefined>>;
export type ParsedSettings = { settings: Settings; faults?: never } | { settings?: never; faults: string[] };

/**
 * Reads the settings from an environment. An empty or blank value counts as unset. Answers with the effective settings,
 * or with every fault at once, each naming the setting, the value and what it must be.
 */
export function parseSettings(env: Environment): ParsedSettings {
  const faults: string[] = [];
  const parsed: Record<string, unknown> = {};
  for (const { key, env: name, default: preset, schema, accepts, isSecret } of settingDeclarations) {
    const given = env[name]?.trim() || preset;
    if (given === undefined) continue;
    const result = schema.safeParse(given);
    if (result.success) parsed[key] = result.data;
    else
      faults.push(
        `${name}: ${isSecret ? 'the value' : shownValue(given)} cannot be used; it must be ${accepts}`,
      );
  }
  faults.push(...unknownNames(env));
  const settings = { ...parsed } as Parsed;
  if (faults.length === 0) faults.push(...contradictions(settings));
  if (faults.length > 0) return { faults };
  return {
    settings: {
      ...settings,
      adminHost: settings.adminHost ?? settings.host,
      allowedChannels: settings.allowedChannels ?? settings.subjects,
      publishSubjects: settings.publishSubjects ?? settings.subjects,
    },
  };
}

function contradictions(settings: Parsed): string[] {
  const faults: string[] = [];
  if (settings.natsUrl === undefined) {
    for (const { key, env } of settingDeclarations) {
      if (key !== 'natsUrl' && env.startsWith('NATS_') && settings[key] !== undefined) {
        faults.push(`${env} is set, but NATS_URL is not: set NATS_URL too, or unset ${env}`);
      }
    }
  }
  if ((settings.natsUser === undefined) !== (settings.natsPassword === undefined)) {
    faults.push('NATS_USER and NATS_PASSWORD belong together: set both or neither');
  }
  const { host, port, adminHost = host, adminPort } = settings;
  const isOneAddress = [host, adminHost].some((one) => /^(0\.0\.0\.0|::)$/.test(one)) || host === adminHost;
  if (adminPort !== undefined && adminPort !== 0 && adminPort === port && isOneAddress) {
    faults.push(`ADMIN_PORT: "${adminPort}" is PORT too; choose another, or unset ADMIN_PORT`);
  }
  return faults;
}

/** What Kubernetes injects into every pod for a Service named tidegauge. */
const injectedByKubernetes = /^TIDEGAUGE_(?:SERVICE_|PORT$|PORT_\d+_)/;

function unknownNames(env: Environment): string[] {
  const known = settingDeclarations.map((one) => one.env).filter((name) => name.startsWith('TIDEGAUGE_'));
  return Object.keys(env)
    .filter(
      (name) => name.startsWith('TIDEGAUGE_') && !known.includes(name) && !injectedByKubernetes.test(name),
    )
    .map((name) => {
      const guess = nearest(name, known);
      return `${name} is not a setting${guess === undefined ? '' : `; did you mean ${guess}?`}`;
    });
}

/** Changes of a letter by which a name may differ from what was meant. Over it, a guess would mislead. */
const TYPOS_MAX = 3;

function nearest(name: string, candidates: readonly string[]): string | undefined {
  const distances = candidates.map((one) => ({ one, distance: editDistance(name, one) }));
  const [first] = distances.sort((a, b) => a.distance - b.distance);
  return first !== undefined && first.distance <= TYPOS_MAX ? first.one : undefined;
}

/** Levenshtein distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length]!;
}

/** The effective settings as lines NAME=value, secrets hidden, for --check-config. */
export function renderSettings(settings: Settings): string {
  return settingDeclarations
    .map(({ key, env, kind, isSecret }) => {
      const value = settings[key];
      if (value === undefined) return `${env} (unset)`;
      if (isSecret) return `${env} (set, not shown)`;
      if (kind === 'duration') return `${env}=${value}ms`;
      if (kind === 'size') return `${env}=${value}B`;
      return `${env}=${Array.isArray(value) ? value.join(',') : value}`;
    })
    .join('\n');
}
