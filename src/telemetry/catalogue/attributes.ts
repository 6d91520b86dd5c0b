/**
 * What our own attributes say of a point, in one sentence each. Attributes of the semantic conventions are explained
 * there. The values of each are with the instruments, from the file that owns the set.
 */
import type { OwnAttribute } from '../catalogue.ts';

export const attributeBriefs: Readonly<Record<OwnAttribute, string>> = {
  'tidegauge.bus.state': 'The state of the link to the bus.',
  'tidegauge.close.initiator': 'Who began the end of a connection.',
  'tidegauge.close.reason': 'The first cause of the end of a connection.',
  'tidegauge.connection.state': 'Whether a connection is open, congested, or on its way out.',
  'tidegauge.control_frame.type': 'The kind of a WebSocket control frame.',
  'tidegauge.drop.reason': 'Why a delivery will not happen.',
  'tidegauge.gap.reason': 'Why a client has missed something.',
  'tidegauge.go.kind': 'The figure of a Go runtime that the amount stands in for.',
  'tidegauge.io.layer': 'Where bytes are counted: in messages, or on the TCP connection.',
  'tidegauge.memory.event': 'What happened to a control group at a bound of its memory.',
  'tidegauge.memory.kind': 'What backs resident memory: nothing, a file, or shared memory.',
  'tidegauge.pressure.kind': 'Whether some or all tasks waited for the resource.',
  'tidegauge.pressure.resource': 'The resource that tasks waited for.',
  'tidegauge.ready.reason': 'What keeps the gateway from being ready.',
  'tidegauge.resource': 'What can be full.',
  'tidegauge.telemetry.source': 'Where reading a figure failed.',
  'tidegauge.thread.role': 'What a thread of the process is for.',
};
