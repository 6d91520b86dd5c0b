/**
 * From an instrument to the name of its series in Prometheus, by the rules that Prometheus' own OTLP endpoint and
 * the Collector's exporter follow ("OTLP Metric points to Prometheus" in the OpenTelemetry specification). So one
 * dashboard serves whoever scrapes /metrics and whoever pushes by OTLP. Pure.
 *
 * A name is taken apart into words; the unit's word is added unless it is there; a monotonic sum ends in `total`,
 * a gauge of unit 1 in `ratio`. What stands in braces, as in `{connection}`, is no unit.
 */

export type SeriesKind = 'counter' | 'upDownCounter' | 'gauge' | 'histogram';

const unitWords: Readonly<Record<string, string>> = {
  d: 'days',
  h: 'hours',
  min: 'minutes',
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
  By: 'bytes',
  KiBy: 'kibibytes',
  MiBy: 'mebibytes',
  GiBy: 'gibibytes',
  TiBy: 'tibibytes',
  KBy: 'kilobytes',
  MBy: 'megabytes',
  GBy: 'gigabytes',
  TBy: 'terabytes',
  m: 'meters',
  V: 'volts',
  A: 'amperes',
  J: 'joules',
  W: 'watts',
  g: 'grams',
  Cel: 'celsius',
  Hz: 'hertz',
  '1': '',
  '%': 'percent',
};

const perUnitWords: Readonly<Record<string, string>> = {
  s: 'second',
  m: 'minute',
  h: 'hour',
  d: 'day',
  w: 'week',
  mo: 'month',
  y: 'year',
};

/**
 * The name of the family: as in text format 0.0.4, with the `_total` of counters, and for a histogram without
 * `_bucket`, `_sum` and `_count`.
 */
export function seriesName(name: string, unit: string, kind: SeriesKind): string {
  const [main = '', per = ''] = unit.split(/\/(.*)/s, 2);
  const words = name.split(/[^a-zA-Z0-9:]+/).filter((word) => word !== '');
  for (const suffix of [unitWord(main, unitWords), prefixed('per_', unitWord(per, perUnitWords))]) {
    if (suffix !== '' && !words.includes(suffix)) words.push(suffix);
  }
  const last = kind === 'counter' ? 'total' : kind === 'gauge' && unit === '1' ? 'ratio' : undefined;
  const ordered = last === undefined ? words : [...words.filter((word) => word !== last), last];
  const series = ordered.join('_');
  return /^\d/.test(series) ? `_${series}` : series;
}

/** The unit in Prometheus' words, which is the end of the family's name (before `_total`); '' where there is none. */
export function seriesUnit(unit: string, kind: SeriesKind): string {
  if (unit === '1') return kind === 'gauge' ? 'ratio' : '';
  return unit.includes('/') ? '' : unitWord(unit, unitWords);
}

/** `cpu.mode` becomes `cpu_mode`. */
export function labelName(attribute: string): string {
  const label = attribute.replace(/[^a-zA-Z0-9]+/g, '_');
  return /^\d/.test(label) ? `key_${label}` : label;
}

function unitWord(unit: string, words: Readonly<Record<string, string>>): string {
  const bare = unit.trim();
  if (bare === '' || /[{}]/.test(bare)) return '';
  return (Object.hasOwn(words, bare) ? words[bare]! : bare).replace(/[^a-zA-Z0-9:]+/g, '_').replace(/^_/, '');
}

function prefixed(prefix: string, word: string): string {
  return word === '' ? '' : prefix + word;
}
