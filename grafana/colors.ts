/** Colours of values that mean something: green is how it should be, blue is on purpose, red is a fault. */

import type { Color } from './panels.ts';
import type { AttributeValue } from './series.ts';

type Colors<Value extends string> = Readonly<Record<Value, Color>>;

export const busStateColors: Colors<AttributeValue<'tidegauge.bus.state', 'tidegauge.bus.state'>> = {
  connected: 'green',
  connecting: 'yellow',
  reconnecting: 'red',
  draining: 'light-blue',
  closed: 'blue',
};

export const readyReasonColors: Colors<AttributeValue<'tidegauge.ready', 'tidegauge.ready.reason'>> = {
  starting: 'yellow',
  draining: 'blue',
  bus: 'red',
  capacity: 'orange',
};

/** What is lost, in warm colours; what somebody chose, or who has gone, in cool ones. */
export const dropReasonColors: Colors<
  AttributeValue<'tidegauge.deliveries.dropped', 'tidegauge.drop.reason'>
> = {
  slow_consumer: 'orange',
  overload: 'red',
  conflated: 'purple',
  closed: 'blue',
};

export const connectionStateColors: Colors<
  AttributeValue<'tidegauge.connection.state', 'tidegauge.connection.state'>
> = {
  open: 'green',
  congested: 'orange',
  closing: 'blue',
};
