/**
 * Who subscribes to what, when not everybody hears everything: each client to some of many channels, the popular
 * ones more often by Zipf's law. Drawn from a fixed seed, so every contender gets the same audience, and whoever
 * knows the numbers knows how many deliveries each message makes.
 */
export type ChannelPlan = { channels: number; perClient: number };

/** The n-th channel; the publisher takes them in turn. */
export function channelName(subject: string, channel: number): string {
  return `${subject}.${channel}`;
}

/** For each client the channels that it subscribes to, all different. */
export function drawSubscriptions(clients: number, { channels, perClient }: ChannelPlan): number[][] {
  const random = createRandom(20_260_101);
  const cumulative: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= channels; rank += 1) {
    sum += 1 / rank;
    cumulative.push(sum);
  }
  return Array.from({ length: clients }, () => {
    const chosen = new Set<number>();
    while (chosen.size < Math.min(perClient, channels)) chosen.add(place(cumulative, random() * sum));
    return [...chosen];
  });
}

/** How many deliveries `published` messages make, when they go to the channels in turn from the first. */
export function expectedDeliveries(
  subscriptions: readonly (readonly number[])[],
  channels: number,
  published: number,
): number {
  const rounds = Math.floor(published / channels);
  const rest = published % channels;
  let deliveries = 0;
  for (const own of subscriptions) {
    for (const channel of own) deliveries += rounds + (channel < rest ? 1 : 0);
  }
  return deliveries;
}

/** The first index whose cumulative weight exceeds the given one. */
function place(cumulative: readonly number[], weight: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulative[middle]! > weight) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Mulberry32: small, quick, and the same everywhere. Numbers from 0 to under 1. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
