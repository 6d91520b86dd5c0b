/**
 * From where on a figure is drawn in another colour. Red is where an alert fires or a promise is broken, orange is on
 * the way there; what has neither has no colours.
 */
import { burnPolicies, burnRateOf, deliveryLatencyBoundary } from './alerts/slo.ts';
import { goodBelow, type Thresholds } from './panels.ts';

/** Anything at all is too much. */
export const noneAtAll: Thresholds = goodBelow([1, 'red']);
/** Worth a look, and no fault in itself. */
export const noneAsARule: Thresholds = goodBelow([1, 'orange']);
/** Shares of a limit; the autoscaler adds instances before the orange is reached. */
export const fullness: Thresholds = goodBelow([0.75, 'orange'], [0.9, 'red']);
export const latency: Thresholds = goodBelow(
  [deliveryLatencyBoundary / 2.5, 'orange'],
  [deliveryLatencyBoundary, 'red'],
);
/** Of deliveries; the promise allows one in a thousand. */
export const dropped: Thresholds = goodBelow([0.0001, 'orange'], [0.001, 'red']);
export const loopDelay: Thresholds = goodBelow([0.05, 'orange'], [0.1, 'red']);
/** Share of the periods; a few are no harm. */
export const throttled: Thresholds = goodBelow([0.05, 'orange'], [0.25, 'red']);
/** Share of the time. */
export const collecting: Thresholds = goodBelow([0.05, 'orange'], [0.15, 'red']);
export const budgetLeft: Thresholds = {
  base: 'red',
  steps: [
    [0, 'orange'],
    [0.25, 'green'],
  ],
};
/** 1 uses up the budget in just the 30 days that it is for; from the others on somebody is called. */
export const burning: Thresholds = goodBelow([1, 'orange'], [Math.min(...pagingRates()), 'red']);

function pagingRates(): number[] {
  return burnPolicies.filter(({ severity }) => severity === 'critical').map(burnRateOf);
}
