/**
 * How often a property is tried: as often as the quick loop allows, and a hundred times that for whoever hunts what is
 * rarer than one case in ten thousand (`npm run test:hunt`).
 */
export function propertyRuns(usual: number): { numRuns: number } {
  return { numRuns: usual * (process.env.PROPERTIES === 'hunt' ? 100 : 1) };
}
