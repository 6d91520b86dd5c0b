/**
 * The figures of one instant: every part of the service is asked once per collection, and all instruments of that
 * collection are observed from what was answered. So sums and ratios between instruments hold.
 *
 * An OpenTelemetry callback belongs to the instruments of one scope, and a collection runs one callback for each
 * scope. They all run in one synchronous stretch, and each once: hence a scope that asks for the second time
 * belongs to the next collection, and gets a new instant. No clock and no tick is needed to tell collections of
 * several readers apart, however they collide.
 */

import type { ErrorSource } from './catalogue/telemetry.ts';
import type { Scope } from './catalogue.ts';
import type {
  BusFigures,
  ContainerFigures,
  GatewayFigures,
  HostFigures,
  HttpFigures,
  PlatformFigures,
  ProcessFigures,
  RuntimeFigures,
  WindowFigures,
} from './figures.ts';

/** Who can be asked. A function that throws is counted, and its figures are left out of that collection. */
export type FigureSources = {
  gateway(): GatewayFigures;
  bus(): BusFigures;
  http(): HttpFigures;
  platform: PlatformFigures;
};

type Parts = {
  gateway: GatewayFigures;
  bus: BusFigures;
  http: HttpFigures;
  process: ProcessFigures;
  runtime: RuntimeFigures;
  container: ContainerFigures | undefined;
  host: HostFigures;
  window: WindowFigures;
  errors: Readonly<Record<ErrorSource, number>>;
};

/** Thrown by an Instant when a part is asked for that could not be read. */
export class UnreadablePart extends Error {
  override name = 'UnreadablePart';
}

/** The parts as properties. Reading one that failed throws UnreadablePart. */
export type Instant = Readonly<Parts>;

export type ErrorCounts = Record<ErrorSource, number>;

export function readInstant(sources: FigureSources, errors: ErrorCounts): Instant {
  const { platform } = sources;
  const instant: Partial<Parts> = {};
  define(instant, errors, 'gateway', 'gateway', () => sources.gateway());
  define(instant, errors, 'bus', 'bus', () => sources.bus());
  define(instant, errors, 'http', 'http', () => sources.http());
  define(instant, errors, 'process', 'platform', () => platform.process());
  define(instant, errors, 'runtime', 'platform', () => platform.runtime());
  define(instant, errors, 'container', 'platform', () => platform.container());
  define(instant, errors, 'host', 'platform', () => platform.host());
  define(instant, errors, 'window', 'platform', () => platform.window());
  // Last, so that what has just failed is in it.
  define(instant, errors, 'errors', 'platform', () => ({ ...errors, ...platform.errors }));
  return instant as Instant;
}

function define<Part extends keyof Parts>(
  instant: Partial<Parts>,
  errors: ErrorCounts,
  part: Part,
  source: ErrorSource,
  read: () => Parts[Part],
): void {
  try {
    instant[part] = read();
  } catch {
    errors[source] += 1;
    Object.defineProperty(instant, part, {
      get() {
        throw new UnreadablePart(part);
      },
    });
  }
}

/** Hands each scope the instant of the collection that it is called for. */
export class InstantOfCollection {
  readonly #read: () => Instant;
  readonly #served = new Set<Scope>();
  #instant: Instant | undefined;

  constructor(read: () => Instant) {
    this.#read = read;
  }

  for(scope: Scope): Instant {
    if (this.#instant === undefined || this.#served.has(scope)) {
      this.#served.clear();
      this.#instant = this.#read();
    }
    this.#served.add(scope);
    return this.#instant;
  }
}
