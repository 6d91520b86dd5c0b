/** Figures as Grafana writes them, for the units that the dashboards use. */

const steps =
  (base: number, names: readonly string[]) =>
  (value: number, decimals: number | undefined): string => {
    let size = Math.abs(value);
    let index = 0;
    while (size >= base && index < names.length - 1) {
      size /= base;
      index += 1;
    }
    return join(trimmed(Math.sign(value) * size, decimals), names[index]!);
  };

const writers: Readonly<Record<string, (value: number, decimals: number | undefined) => string>> = {
  none: (value, decimals) => trimmed(value, decimals),
  short: steps(1000, ['', 'K', 'Mil', 'Bil']),
  percentunit: (value, decimals) => `${trimmed(value * 100, decimals)}%`,
  bytes: steps(1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']),
  binBps: steps(1024, ['B/s', 'KiB/s', 'MiB/s', 'GiB/s']),
  cps: steps(1000, ['c/s', 'Kc/s', 'Mc/s']),
  reqps: steps(1000, ['req/s', 'Kreq/s']),
  s: seconds,
  dtdurations: (value) => seconds(Math.round(value), 0),
};

export function formatValue(value: number, unit: string, decimals?: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '-' : value > 0 ? '∞' : '-∞';
  const write = writers[unit];
  if (write === undefined) throw new Error(`no way to write ${unit}`);
  return write(value, decimals);
}

function seconds(value: number, decimals: number | undefined): string {
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 1e-3) return `${trimmed(value * 1e6, decimals)} µs`;
  if (size < 1) return `${trimmed(value * 1e3, decimals)} ms`;
  if (size < 60) return `${trimmed(value, decimals)} s`;
  if (size < 3600) return `${trimmed(value / 60, decimals ?? 1)} min`;
  return `${trimmed(value / 3600, decimals ?? 1)} h`;
}

/** Three significant digits unless told otherwise, and no zeros at the end. */
function trimmed(value: number, decimals: number | undefined): string {
  if (decimals !== undefined) return value.toFixed(decimals);
  return String(Number(value.toPrecision(Math.abs(value) >= 1000 ? 4 : 3)));
}

function join(figure: string, unit: string): string {
  return unit === '' ? figure : `${figure} ${unit}`;
}

/** Round values for an axis, from the lowest to the highest. */
export function ticks(low: number, high: number, unit: string, count = 5): number[] {
  const isBinary = unit === 'bytes' || unit === 'binBps';
  const raw = (high - low) / count;
  const step = isBinary ? 2 ** Math.ceil(Math.log2(raw)) : niceStep(raw);
  const found: number[] = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) {
    found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  }
  return found;
}

function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const share = raw / power;
  return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}
