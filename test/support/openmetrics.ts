/**
 * A strict reader of the two exposition formats, for tests: whatever the formats' grammars and rules do not allow
 * is an error that names the line. It knows what we use (counter, gauge, histogram, info), no exemplars and no
 * timestamps.
 */

export type Sample = { name: string; labels: Readonly<Record<string, string>>; value: number };
export type Family = { name: string; type: string; unit?: string; help?: string; samples: Sample[] };

const samplePattern = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const metadataPattern = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const numberPattern = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$|^(?:NaN|[+-]Inf)$/;
const labelPattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;

/** All samples of an exposition in either format; OpenMetrics is known by its last line. */
export function parseExposition(text: string): Sample[] {
  const families = text.endsWith('# EOF\n') ? parseOpenMetrics(text) : parseText(text);
  return families.flatMap(({ samples }) => samples);
}

/** Prometheus text format 0.0.4. */
export function parseText(text: string): Family[] {
  const families = parseLines(text, {
    // A comment that is neither HELP nor TYPE is free text in this format.
    isComment: (line) => line === '' || (line.startsWith('#') && !/^# (?:HELP|TYPE) /.test(line)),
    suffixes: { counter: [''], gauge: [''], histogram: ['_bucket', '_sum', '_count'], untyped: [''] },
  });
  for (const { name, type } of families) {
    if (type === 'counter' && !name.endsWith('_total'))
      throw new Error(`counter ${name} does not end in _total`);
  }
  return families;
}

/** OpenMetrics 1.0.0. */
export function parseOpenMetrics(text: string): Family[] {
  if (!text.endsWith('\n# EOF\n')) throw new Error('the text does not end with # EOF');
  const families = parseLines(text.slice(0, -'# EOF\n'.length), {
    isComment: () => false,
    suffixes: { counter: ['_total'], gauge: [''], histogram: ['_bucket', '_sum', '_count'], info: ['_info'] },
  });
  for (const { name, type, unit } of families) {
    if (unit !== undefined && !name.endsWith(`_${unit}`))
      throw new Error(`${name} does not end in its unit ${unit}`);
    if (type === 'counter' && name.endsWith('_total'))
      throw new Error(`counter family ${name} ends in _total`);
  }
  return families;
}

type Format = { isComment(line: string): boolean; suffixes: Readonly<Record<string, readonly string[]>> };

function parseLines(text: string, format: Format): Family[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  if (text.includes('\r')) throw new Error('a line ends in CR');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: Family | undefined;
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    const refuse = (why: string): never => {
      throw new Error(`line ${index + 1}: ${why}: ${line}`);
    };
    if (format.isComment(line)) continue;
    const metadata = metadataPattern.exec(line);
    if (metadata !== null) {
      const [, keyword, name, rest] = metadata as unknown as [string, string, string, string];
      if (current?.name !== name) {
        if (families.has(name)) refuse('the family comes twice');
        current = { name, type: '', samples: [] };
        families.set(name, current);
      }
      if (current.samples.length > 0) refuse('metadata after samples');
      const field = keyword.toLowerCase() as 'help' | 'type' | 'unit';
      if (current[field]) refuse(`a second ${keyword}`);
      current[field] = field === 'help' ? unescapeText(rest, refuse) : rest;
      if (field === 'type' && !(rest in format.suffixes)) refuse('unknown type');
      continue;
    }
    const sample = parseSample(line, refuse);
    const family = current ?? refuse('a sample before any metadata');
    const suffixes = format.suffixes[family.type] ?? refuse('no type');
    if (!suffixes.some((suffix) => sample.name === family.name + suffix))
      refuse(`not of family ${family.name}`);
    const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(key)) refuse('the series comes twice');
    seen.add(key);
    family.samples.push(sample);
  }
  for (const family of families.values()) checkFamily(family);
  return [...families.values()];
}

function parseSample(line: string, refuse: (why: string) => never): Sample {
  const match = samplePattern.exec(line) ?? refuse('not a sample');
  const [, name = '', labelText, valueText = ''] = match;
  if (!numberPattern.test(valueText)) refuse('not a number');
  const labels: Record<string, string> = {};
  labelPattern.lastIndex = 0;
  while (labelText !== undefined && labelPattern.lastIndex < labelText.length) {
    const [, label = '', value = '', comma] = labelPattern.exec(labelText) ?? refuse('not a label');
    if (label in labels) refuse(`label ${label} comes twice`);
    if (label.startsWith('__')) refuse(`label ${label} is reserved`);
    labels[label] = unescapeText(value, refuse);
    if (comma === '') break;
  }
  return { name, labels, value: Number(valueText.replace('Inf', 'Infinity')) };
}

function unescapeText(text: string, refuse: (why: string) => never): string {
  return text.replaceAll(/\\(.?)/gs, (_, escaped: string) => {
    if (escaped === 'n') return '\n';
    return escaped === '\\' || escaped === '"' ? escaped : refuse('unknown escape');
  });
}

/** Counters and histograms neither fall below 0 nor lack a part; buckets rise to the count. */
function checkFamily({ name, type, samples }: Family): void {
  if (samples.length === 0 || samples.some(({ value }) => Number.isNaN(value))) {
    throw new Error(`${name} has no sample, or one that is no number`);
  }
  if (type === 'counter' && samples.some(({ value }) => value < 0))
    throw new Error(`counter ${name} is negative`);
  if (type !== 'histogram') return;
  const counts = samples.filter((sample) => sample.name === `${name}_count`);
  for (const { labels, value: count } of counts) {
    const isOfSameSeries = (other: Sample): boolean =>
      Object.entries(labels).every(([label, value]) => other.labels[label] === value) &&
      Object.keys(other.labels).length ===
        Object.keys(labels).length + (other.labels.le === undefined ? 0 : 1);
    const ofSeries = samples.filter(isOfSameSeries);
    const buckets = ofSeries.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = '' } }) => Number(le.replace('Inf', 'Infinity')));
    const isRising = (numbers: number[]) =>
      numbers.every((one, index) => index === 0 || one >= numbers[index - 1]!);
    if (!isRising(bounds) || !isRising(buckets.map(({ value }) => value)))
      throw new Error(`${name}: buckets fall`);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || buckets.at(-1)!.value !== count) {
      throw new Error(`${name}: the last bucket is not +Inf with the count`);
    }
    if (!ofSeries.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name} has no sum`);
  }
}
