/**
 * One collection as text that Prometheus reads: format 0.0.4, or OpenMetrics 1.0.0. The SDK's own serializer writes the
 * older format only, works every name and label out anew at each scrape, and names series otherwise than the push way
 * does. Created timestamps and exemplars are left out: they would make other series than the push way has.
 *
 * From one scrape to the next the series stay as a rule, and so do most of their numbers. So each page is made of the one
 * before: the bytes between two numbers that have changed are copied as they are. To put a page together from strings, and
 * turn those into bytes, costs several times as much, most of all where scrapes are seconds apart.
 */
import type { MetricData } from '@opentelemetry/sdk-metrics';
import type { ExpositionFormat } from './accept.ts';
import { type Layout, type LayoutTexts, layOut, readNumbers } from './exposition-layout.ts';
import type { Labels } from './series.ts';

/** A double takes no more: -2.2250738585072014e-308. */
const numberBytesMax = 24;

/** The pages of one format, one after the other. */
export class Exposition {
  readonly #format: ExpositionFormat;
  #layout: Layout | undefined;
  /** It may still be on its way to whoever asked for it, so it is never written to again. */
  #page = Buffer.alloc(0);
  /** The numbers on the page, and where each begins and ends, in bytes. */
  #numbers = new Float64Array(0);
  #begins = new Uint32Array(0);
  #ends = new Uint32Array(0);
  /** Those of the next page. */
  #next = new Float64Array(0);

  constructor(format: ExpositionFormat) {
    this.#format = format;
  }

  /** In UTF-8. The same objects as resource and attributes stand for the same text. */
  render(resource: Labels, metrics: readonly MetricData[]): Buffer {
    if (this.#layout === undefined || !readNumbers(this.#layout, resource, metrics, this.#next)) {
      const { layout, texts } = layOut(this.#format, resource, metrics);
      this.#layout = layout;
      this.#startAnew(texts);
      readNumbers(layout, resource, metrics, this.#next);
    }
    this.#renderChanges();
    return this.#page;
  }

  /** A page without any number, so that each differs from what is there. */
  #startAnew({ starts, end }: LayoutTexts): void {
    const count = starts.length;
    this.#page = Buffer.from(starts.join('') + end);
    this.#numbers = new Float64Array(count).fill(Number.NaN);
    this.#next = new Float64Array(count);
    this.#begins = new Uint32Array(count);
    let bytes = 0;
    for (const [index, start] of starts.entries()) {
      bytes += Buffer.byteLength(start);
      this.#begins[index] = bytes;
    }
    this.#ends = this.#begins.slice();
  }

  #renderChanges(): void {
    const [before, now] = [this.#numbers, this.#next];
    let changes = 0;
    for (let index = 0; index < now.length; index += 1) if (now[index] !== before[index]) changes += 1;
    if (changes === 0) return;
    const from = this.#page;
    const page = Buffer.allocUnsafeSlow(from.length + changes * numberBytesMax);
    let copied = 0;
    // How much further on than on the page before.
    let shift = 0;
    for (let index = 0; index < now.length; index += 1) {
      const begin = this.#begins[index]!;
      const end = this.#ends[index]!;
      this.#begins[index] = begin + shift;
      if (now[index] !== before[index]) {
        from.copy(page, copied + shift, copied, begin);
        const length = page.write(renderNumber(now[index]!), begin + shift, 'latin1');
        copied = end;
        shift += length - (end - begin);
      }
      this.#ends[index] = end + shift;
    }
    from.copy(page, copied + shift, copied);
    this.#page = page.subarray(0, from.length + shift);
    this.#numbers = now;
    this.#next = before;
  }
}

function renderNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
