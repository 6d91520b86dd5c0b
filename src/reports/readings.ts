/**
 * Readings: the neutral form of one collection, which reports are rendered from. It knows names, attributes
 * and numbers, and nothing of the SDK that collected them.
 */
export type Attributes = Record<string, string | number | boolean>;

export type HistogramReading = {
  count: number;
  sum: number;
  min?: number;
  max?: number;
  boundaries: number[];
  buckets: number[];
};

export interface Readings {
  /** When this collection was made, Unix milliseconds. */
  readonly timestampMs: number;
  /** The value of the point with exactly these attributes; undefined where there is no such point. */
  value(name: string, attributes?: Attributes): number | undefined;
  /** All points of an instrument that is not a histogram. */
  points(name: string): readonly { attributes: Attributes; value: number }[];
  /** The sum over all points; undefined where there is none. */
  sum(name: string): number | undefined;
  histogram(name: string, attributes?: Attributes): HistogramReading | undefined;
}
