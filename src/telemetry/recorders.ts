/**
 * The histograms, behind functions that say what happened. Called once per fan-out, close, handshake, message,
 * request or collection of garbage, never once per delivery.
 *
 * Values of attributes are made sure to be of their closed sets here, and attribute objects are made once; so
 * whatever a client sends, the number of series stays below the product of the sets.
 */

import { STATUS_CODES } from 'node:http';
import type { Attributes, Histogram, MeterProvider } from '@opentelemetry/api';
import type { GatewayRecorder } from '../gateway/recorder.ts';
import { httpErrors, httpMethods, httpRoutesMax, httpSchemes } from './catalogue/http.ts';
import { type HistogramName, type Instrument, instruments, isWhole } from './catalogue.ts';
import { scopeMeter } from './conventions.ts';
import type { GcType } from './figures.ts';
import { defaultGridSeconds, roundToGrid } from './rounding.ts';

export type RequestFacts = {
  method: string;
  /** The template of the route, never the path; '' for a path that is not known. */
  route: string;
  /** Undefined when the caller went away before a status was sent. */
  status: number | undefined;
  scheme: string;
  /** `aborted`, or a status from 500 on. */
  errorType?: string;
};

export type Meters = {
  gateway: GatewayRecorder;
  recordGcPause(seconds: number, type: GcType): void;
  recordRequest(seconds: number, facts: RequestFacts): void;
  recordBusRoundTrip(seconds: number): void;
};

export function createRecorders(provider: MeterProvider): Meters {
  const record = createHistograms(provider);
  const closedBy = attributeObjects('tidegauge.close.reason');
  const failedBy = attributeObjects('error.type');
  const towards = attributeObjects('network.io.direction');
  const ofType = attributeObjects('v8js.gc.type');
  const httpAttributes = createHttpAttributes();
  return {
    gateway: {
      handshake(seconds, rejected) {
        record['tidegauge.handshake.duration'](seconds, rejected === undefined ? none : failedBy(rejected));
      },
      connectionClosed: (seconds, reason) =>
        record['tidegauge.connection.duration'](seconds, closedBy(reason)),
      messageSize: (bytes, direction) => record['tidegauge.message.size'](bytes, towards(direction)),
      fanoutDuration: (seconds) => record['tidegauge.fanout.duration'](seconds, none),
      fanoutRecipients: (connections) => record['tidegauge.fanout.recipients'](connections, none),
      fanoutBatch: (messages) => record['tidegauge.fanout.batch'](messages, none),
      pingRoundTrip: (seconds) => record['tidegauge.ping.duration'](seconds, none),
    },
    recordGcPause: (seconds, type) => record['v8js.gc.duration'](seconds, ofType(type)),
    recordRequest: (seconds, facts) => record['http.server.request.duration'](seconds, httpAttributes(facts)),
    recordBusRoundTrip: (seconds) => record['tidegauge.bus.round_trip'](seconds, none),
  };
}

const none: Attributes = {};

type Record = (value: number, attributes: Attributes) => void;

type Records = { [Name in HistogramName]: Record };

function createHistograms(provider: MeterProvider): Records {
  const histograms = instruments.filter((one) => one.kind === 'histogram');
  return Object.fromEntries(histograms.map((one) => [one.name, createRecord(provider, one)])) as Records;
}

function createRecord(provider: MeterProvider, instrument: Instrument): Record {
  const { name, scope, unit, counts, boundaries = [], gridSeconds = defaultGridSeconds } = instrument;
  const histogram: Histogram = scopeMeter(provider, scope).createHistogram(name, {
    unit,
    description: counts,
    advice: { explicitBucketBoundaries: [...boundaries] },
  });
  if (isWhole(instrument)) return (value, attributes) => histogram.record(value, attributes);
  return (value, attributes) => histogram.record(roundToGrid(Math.max(0, value), gridSeconds), attributes);
}

/** One attribute object per value, made when the value comes for the first time; its type bounds their number. */
function attributeObjects(name: string): (value: string) => Attributes {
  const made = new Map<string, Attributes>();
  return (value) => {
    let attributes = made.get(value);
    if (attributes === undefined) {
      attributes = { [name]: value };
      made.set(value, attributes);
    }
    return attributes;
  };
}

function createHttpAttributes(): (facts: RequestFacts) => Attributes {
  const made = new Map<string, Attributes>();
  const routes = new Set<string>();
  return (facts) => {
    const method = oneOf(httpMethods, facts.method, '_OTHER');
    const scheme = oneOf(httpSchemes, facts.scheme, 'http');
    const route = knownRoute(facts.route, routes);
    const status = facts.status !== undefined && facts.status in STATUS_CODES ? facts.status : undefined;
    const error = facts.errorType === undefined ? undefined : oneOf(httpErrors, facts.errorType, '_OTHER');
    const key = `${method} ${scheme} ${status} ${error} ${route}`;
    let attributes = made.get(key);
    if (attributes === undefined) {
      attributes = {
        'http.request.method': method,
        'url.scheme': scheme,
        ...(route === '' ? {} : { 'http.route': route }),
        ...(status === undefined ? {} : { 'http.response.status_code': status }),
        ...(error === undefined ? {} : { 'error.type': error }),
      };
      made.set(key, attributes);
    }
    return attributes;
  };
}

/** Templates come from our own router, so there are few. Should a path ever come in their place, it ends here. */
function knownRoute(route: string, routes: Set<string>): string {
  if (route === '' || routes.has(route)) return route;
  if (routes.size >= httpRoutesMax - 1) return 'other';
  routes.add(route);
  return route;
}

function oneOf<Value extends string>(values: readonly Value[], given: string, otherwise: Value): Value {
  return values.find((value) => value === given) ?? otherwise;
}
