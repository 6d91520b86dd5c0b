/** What a panel says about itself: a note of its own, then the catalogue's words on each instrument that it asks for. */
import type { InstrumentName } from '../src/telemetry/catalogue.ts';
import type { GrafanaUnit, Panel } from './panels.ts';
import { find } from './series.ts';

/** Markdown, as Grafana shows it beside the title. */
export function describePanel({ note, queries }: Panel): string {
  const names = [...new Set(queries.flatMap(({ ask }) => ask.origin.instruments))] as InstrumentName[];
  const instruments = names.map(describeInstrument);
  const parts = [...(note === undefined ? [] : [note]), ...instruments];
  return parts.join('\n\n');
}

function describeInstrument(name: InstrumentName): string {
  const { counts, not, question } = find(name);
  return `**${name}** *${question}* ${counts} Not: ${lowerFirst(not)}`;
}

function lowerFirst(text: string): string {
  // Names of signals, products and units keep their capitals.
  return /^[A-Z][a-z' ]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

/** From the unit of the catalogue; undefined where a panel has to say. */
export function grafanaUnit(unit: string | undefined): GrafanaUnit | undefined {
  if (unit === undefined) return undefined;
  const known: Readonly<Record<string, GrafanaUnit>> = {
    s: 's',
    By: 'bytes',
    '1': 'percentunit',
    'By/s': 'binBps',
    's/s': 'percentunit',
    '{request}/s': 'reqps',
    '{cpu}': 'none',
  };
  return known[unit] ?? (unit.endsWith('/s') ? 'cps' : 'short');
}
