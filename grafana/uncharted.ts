/** Instruments that are on no panel, each with the reason. Whatever is not here has to be on one: a test looks. */
import type { InstrumentName } from '../src/telemetry/catalogue.ts';

export const uncharted: Partial<Record<InstrumentName, string>> = {
  'tidegauge.go.memory':
    'the words of another runtime for what the heap panels show in those of V8; kept for clients of the JSON reports',
  'process.memory.virtual': 'V8 reserves far more addresses than it ever touches; the figure leads nowhere',
  'tidegauge.process.memory.stack':
    'does not move; a recursion ends in an exception long before it would show here',
};
