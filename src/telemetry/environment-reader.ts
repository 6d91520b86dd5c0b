/**
 * Environment variables by name and kind, with what is wrong with them gathered as faults: the variable, the value
 * and what it must be. An empty value counts as unset.
 */
import { shownValue } from '../shown-value.ts';

export type OtelEnvironment = Readonly<Record<string, string | undefined>>;

export const otlpPrefix = 'OTEL_EXPORTER_OTLP_';

/** The two variables of an OTLP option: the one for metrics goes before the general one. */
export function otlpNames(suffix: string): { metrics: string; general: string } {
  return { metrics: `${otlpPrefix}METRICS_${suffix}`, general: `${otlpPrefix}${suffix}` };
}

/** Reads variables by name and gathers what is wrong with them. */
export class EnvironmentReader {
  readonly faults: string[] = [];
  readonly #env: OtelEnvironment;

  constructor(env: OtelEnvironment) {
    this.#env = env;
  }

  fault(name: string, mustBe: string): void {
    this.faults.push(`${name}: ${shownValue(this.#env[name])} cannot be used; it must be ${mustBe}`);
  }

  text(name: string | undefined): string | undefined {
    return name === undefined ? undefined : this.#env[name]?.trim() || undefined;
  }

  /** Of the variable for metrics and the general one, the name of the first that is set. */
  first(suffix: string): string | undefined {
    const { metrics, general } = otlpNames(suffix);
    return [metrics, general].find((name) => this.text(name) !== undefined);
  }

  flag(name: string | undefined): boolean {
    return this.oneOf(name, ['false', 'true'], 'false') === 'true';
  }

  oneOf<Value extends string>(name: string | undefined, values: readonly Value[], preset: Value): Value {
    const text = this.text(name)?.toLowerCase();
    if (name === undefined || text === undefined) return preset;
    const value = values.find((one) => one === text);
    if (value === undefined) this.fault(name, `one of ${values.join(', ')}`);
    return value ?? preset;
  }

  list<Value extends string>(name: string, values: readonly Value[]): Value[] {
    const given = (this.text(name) ?? '')
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
    const known = given.filter((one): one is Value => (values as readonly string[]).includes(one));
    if (known.length < given.length)
      this.fault(name, `one or more of ${values.join(', ')}, separated by commas`);
    return known;
  }

  milliseconds(name: string | undefined, preset: number): number {
    const text = this.text(name);
    if (name === undefined || text === undefined) return preset;
    // Above 2^31 - 1 a timer of Node would fire at once.
    if (/^\d+$/.test(text) && Number(text) > 0 && Number(text) < 2 ** 31) return Number(text);
    this.fault(name, 'a whole number of milliseconds above 0');
    return preset;
  }

  /** For gRPC, `host:port` will do. */
  url(name: string, isGrpc: boolean): string | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (isGrpc && /^[^\s/@]+:\d+$/.test(text)) return text;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url !== undefined && /^https?:$/.test(url.protocol)) return text;
    this.fault(
      name,
      isGrpc ? 'a URL such as http://host:4317, or host:port' : 'a URL such as http://host:4318',
    );
    return undefined;
  }

  /** `key=value,key=value`, percent-encoded where needed. */
  pairs(name: string): Record<string, string> {
    return this.#pairs(name, () => this.fault(name, 'pairs key=value, separated by commas'));
  }

  /** As pairs, for values that no log may show. */
  secretPairs(name: string): Record<string, string> {
    const accepts = 'pairs key=value, separated by commas, of names and values that a header may have';
    const onFault = (): void => {
      this.faults.push(`${name}: the value cannot be used; it must be ${accepts}`);
    };
    const pairs = this.#pairs(name, onFault);
    if (Object.entries(pairs).every(([key, value]) => isHeaderName(key) && isHeaderValue(value)))
      return pairs;
    onFault();
    return {};
  }

  #pairs(name: string, onFault: () => void): Record<string, string> {
    const pairs: Record<string, string> = {};
    for (const pair of (this.text(name) ?? '').split(',')) {
      if (pair.trim() === '') continue;
      const [key, value] = splitPair(pair);
      if (key === undefined || value === undefined) {
        onFault();
        return {};
      }
      pairs[key] = value;
    }
    return pairs;
  }
}

/** For HTTP and for gRPC, where a name that ends with -bin is one of bytes. */
const isHeaderName = (name: string): boolean => /^[\w.-]+$/.test(name) && !/-bin$/i.test(name);
const isHeaderValue = (value: string): boolean => /^[\x20-\x7e]*$/.test(value);

function splitPair(pair: string): [key: string | undefined, value: string | undefined] {
  const at = pair.indexOf('=');
  const key = pair.slice(0, at).trim();
  if (at < 0 || key === '') return [undefined, undefined];
  try {
    return [decodeURIComponent(key), decodeURIComponent(pair.slice(at + 1).trim())];
  } catch {
    return [undefined, undefined];
  }
}
