/**
 * Seconds on a grid, so that adding them up is exact.
 *
 * Whoever is told differences adds them up again, by collections of its own; a histogram's sum comes about in the same
 * way, in the SDK. With arbitrary fractions each reader would end up with other last digits. Multiples of a power of two
 * add and subtract without rounding as long as they fit into 53 bits: on the default grid up to 272 years, on a coarser
 * one accordingly longer.
 */

/** Just under a microsecond. */
export const defaultGridSeconds = 2 ** -20;

export function roundToGrid(seconds: number, grid: number): number {
  return Math.round(seconds / grid) * grid;
}
