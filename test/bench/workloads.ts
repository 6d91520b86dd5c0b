/** What is asked of the contenders: the table of workloads, and who takes part in each. Data only. */
import type { ContenderName } from './contenders.ts';
import type { ChannelPlan } from './subscriptions.ts';

export type Workload = {
  what: string;
  connections: number;
  /** Messages a second, from one publisher. */
  rate: number;
  bytes: number;
  /** How long it is measured in a full run, and at least in any run: some things take their time to show. */
  seconds: number;
  secondsMin?: number;
  /** Before the window in a full run, if not `usualWarmUpSeconds`. */
  warmUpSeconds?: number;
  /** Undefined: all clients hear everything. */
  channels?: ChannelPlan;
  /** Every k-th client never reads. */
  slowEvery?: number;
  /** Further settings for the gateway. One that it does not know yet makes the workload a line in the output. */
  env?: Record<string, string>;
  contenders: readonly ContenderName[];
};

const everybody: readonly ContenderName[] = [
  'tidegauge',
  'forty-paced',
  'forty',
  'uws',
  'ws-frame',
  'ws-send',
  'socket.io',
];
/** Those that are known to live at rates where the others only fill the memory. */
const strong: readonly ContenderName[] = ['tidegauge', 'forty-paced', 'forty', 'uws'];
const SMALL_BYTES = 200;
export const usualWarmUpSeconds = 2;
/**
 * V8's young generation has grown to what it will be (before, that alone is a fifth of the memory), the kernel has taken
 * what it takes for clients that do not read, and a backlog has reached its bound.
 */
const SETTLED_SECONDS = 20;

function fanout(connections: number, rate: number, seconds: number, who: readonly ContenderName[]): Workload {
  const what = `${connections} clients hear everything: ${rate} messages/s of ${SMALL_BYTES} B`;
  return { what, connections, rate, bytes: SMALL_BYTES, seconds, contenders: who };
}

function sustained(rate: number, who: readonly ContenderName[]): Workload {
  return { ...fanout(1_000, rate, 60, who), warmUpSeconds: SETTLED_SECONDS };
}

/**
 * The forty lines are beside the gateway to show what slow clients do to the fast ones in the kernel alone.
 *
 * What a client that never reads needs to be noticed: the kernel takes some 4 MiB for it, the gateway 1 MiB more,
 * which at this rate is reached in a quarter of a minute.
 */
function slow(policy: string, env?: Record<string, string>): Workload {
  return {
    ...fanout(1_000, 2_000, 40, ['tidegauge', 'forty-paced']),
    what: `as fanout-1000x2000, but 1 client in 16 never reads; policy ${policy}`,
    secondsMin: 20,
    warmUpSeconds: SETTLED_SECONDS,
    slowEvery: 16,
    ...(env && { env }),
  };
}

/**
 * More than the publisher, which shares a core with the broker and the clients, gets out on two cores: 65,000 to 100,000 a
 * second arrive at the broker, one to three times what the gateway can take in. --overload-rate is for other machines.
 */
const OVERLOAD_RATE = 150_000;
const zipf: ChannelPlan = { channels: 1_000, perClient: 20 };

export const workloads: Record<string, Workload> = {
  'fanout-1000x100': fanout(1_000, 100, 20, everybody),
  'fanout-1000x250': fanout(1_000, 250, 20, everybody),
  'fanout-1000x500': fanout(1_000, 500, 20, everybody),
  'fanout-1000x1000': sustained(1_000, everybody),
  'fanout-1000x2000': sustained(2_000, strong),
  'fanout-1000x4000': sustained(4_000, strong),
  'fanout-10000x10': fanout(10_000, 10, 20, ['tidegauge', 'forty-paced', 'uws', 'ws-send']),
  'fanout-10000x100': fanout(10_000, 100, 20, ['tidegauge', 'forty-paced', 'uws']),
  'fanout-10000x400': fanout(10_000, 400, 20, ['tidegauge', 'forty-paced']),
  // As many deliveries a second, and as many messages to each client, as fanout-1000x500.
  'zipf-1000x20': {
    what: '1,000 clients hear 20 of 1,000 channels each, by Zipf: 25,000 messages/s of 200 B, to the channels in turn',
    connections: 1_000,
    rate: 25_000,
    bytes: SMALL_BYTES,
    seconds: 20,
    channels: zipf,
    contenders: ['tidegauge', 'forty-paced', 'uws', 'ws-send'],
  },
  'large-16KiB': {
    ...fanout(1_000, 25, 20, everybody),
    what: '1,000 clients hear everything: 25 messages/s of 16 KiB',
    bytes: 16 * 1024,
  },
  'slow-disconnect': slow('disconnect'),
  'slow-drop': slow('drop', { TIDEGAUGE_SLOW_POLICY: 'drop' }),
  'slow-conflate': slow('conflate', { TIDEGAUGE_SLOW_POLICY: 'conflate' }),
  overload: {
    ...fanout(1_000, OVERLOAD_RATE, 60, ['tidegauge']),
    // With few listeners a message it is the gateway that is overrun, not the clients or the kernel.
    what: 'as zipf-1000x20, but published as fast as the publisher can (--overload-rate)',
    channels: zipf,
    secondsMin: 10,
    warmUpSeconds: SETTLED_SECONDS,
  },
  // Five times as many listeners a message, so that several times what can be sent is easily published: of 12,000 a second
  // (--overload-rate) everything was sent on the slow machine that this was set on.
  'overload-wide': {
    ...fanout(1_000, 36_000, 60, ['tidegauge']),
    what: '1,000 clients hear 100 of 1,000 channels each, by Zipf: 36,000 messages/s, about three times what can be sent',
    channels: { channels: 1_000, perClient: 100 },
    secondsMin: 10,
    warmUpSeconds: SETTLED_SECONDS,
  },
  telemetry: {
    ...fanout(1_000, 1_000, 30, ['telemetry-on', 'telemetry-off']),
    warmUpSeconds: SETTLED_SECONDS,
    what: 'as fanout-1000x1000: all instruments, three readers and a scrape each second, against none',
  },
};

/** Those that publish more than can be sent. */
export const overloads = ['overload', 'overload-wide'] as const;
