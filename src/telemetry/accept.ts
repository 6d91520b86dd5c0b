/**
 * Which exposition format a scraper wants, from its Accept header (RFC 9110 section 12.5.1).
 *
 * OpenMetrics only for those who name it, in version 1.0.0 or without a version, and who do not like plain text
 * better: a person with curl gets text. Whoever wants neither gets text too, for an answer that can be read is
 * worth more than a 406.
 */

export type ExpositionFormat = 'text' | 'openmetrics';

type MediaRange = { type: string; parameters: Readonly<Record<string, string>>; quality: number };

export function expositionFormat(accept: string | undefined): ExpositionFormat {
  const ranges = parseAccept(accept ?? '');
  const openMetrics = bestQuality(ranges, 'application/openmetrics-text', '1.0.0');
  const text = bestQuality(ranges, 'text/plain', '0.0.4');
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'text';
}

function bestQuality(ranges: readonly MediaRange[], type: string, version: string): number {
  const named = ranges.filter(
    (range) => range.type === type && (range.parameters.version ?? version) === version,
  );
  return Math.max(0, ...named.map((range) => range.quality));
}

function parseAccept(accept: string): MediaRange[] {
  return accept.split(',').map((range) => {
    const [type = '', ...rest] = range.split(';').map((part) => part.trim().toLowerCase());
    const parameters: Record<string, string> = {};
    for (const parameter of rest) {
      const [name = '', value = ''] = parameter.split('=', 2);
      parameters[name.trim()] = value.trim().replace(/^"(.*)"$/, '$1');
    }
    return { type, parameters, quality: parseQuality(parameters.q) };
  });
}

/** 0..1. A weight that is none counts as unacceptable. */
function parseQuality(text: string | undefined): number {
  if (text === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}
