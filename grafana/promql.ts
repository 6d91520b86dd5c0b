/**
 * PromQL as values: what an expression is called in text, what it was built from, in which unit it is, and by which
 * attributes its elements can be told apart. The last is a type only: an aggregation by an attribute that the series do
 * not have would silently put everything into one element, so it does not compile. Pure; knows no instrument, which is
 * the work of series.ts.
 */
import { labelName } from '../src/telemetry/metric-names.ts';

/** Labels that come with a target, whichever way the figures take. */
export const targetLabels = ['cluster', 'namespace', 'job', 'instance'] as const;
export type TargetLabel = (typeof targetLabels)[number];

/** `5m`, or a variable that Grafana fills in. */
export type Span =
  | `${number}${'s' | 'm' | 'h' | 'd' | 'w'}`
  | '$__rate_interval'
  | '$__range'
  | '$__interval';

export type Aggregation = 'sum' | 'max' | 'min' | 'avg' | 'count';
export type Comparison = '>' | '>=' | '<' | '<=' | '==' | '!=';

type By<Attribute extends string> = Attribute | TargetLabel | 'le';

/** How elements of two sides find each other where they do not have all labels in common. */
export type Matching<Attribute extends string> = {
  on: readonly By<Attribute>[];
  /** The side on which several elements may share one of the other. */
  many?: 'left' | 'right';
};

/** What is known of an expression beside its text. */
export type Origin = {
  /** Names of the instruments that it asks for, each once. */
  readonly instruments: readonly string[];
  /** As the catalogue writes it, or `By/s`; undefined where it has none that is known. */
  readonly unit: string | undefined;
};

const unknownOrigin: Origin = { instruments: [], unit: undefined };

/** An instant vector. `Attribute`: what its elements can still be told apart by, beside the target. */
export class Vector<Attribute extends string = never> {
  readonly promql: string;
  /** Whether it can stand beside an operator without parentheses. */
  readonly #isAtom: boolean;
  readonly origin: Origin;

  constructor(promql: string, isAtom: boolean, origin: Origin = unknownOrigin) {
    this.promql = promql;
    this.#isAtom = isAtom;
    this.origin = origin;
  }

  sum<Kept extends By<Attribute>>(...by: readonly Kept[]): Vector<Exclude<Kept, TargetLabel>> {
    return this.aggregate('sum', by);
  }

  max<Kept extends By<Attribute>>(...by: readonly Kept[]): Vector<Exclude<Kept, TargetLabel>> {
    return this.aggregate('max', by);
  }

  min<Kept extends By<Attribute>>(...by: readonly Kept[]): Vector<Exclude<Kept, TargetLabel>> {
    return this.aggregate('min', by);
  }

  avg<Kept extends By<Attribute>>(...by: readonly Kept[]): Vector<Exclude<Kept, TargetLabel>> {
    return this.aggregate('avg', by);
  }

  count<Kept extends By<Attribute>>(...by: readonly Kept[]): Vector<Exclude<Kept, TargetLabel>> {
    return this.aggregate('count', by);
  }

  aggregate<Kept extends By<Attribute>>(
    operator: Aggregation,
    by: readonly Kept[],
  ): Vector<Exclude<Kept, TargetLabel>> {
    const origin = operator === 'count' ? { ...this.origin, unit: undefined } : this.origin;
    return new Vector(`${operator}${byClause(by)} (${this.promql})`, true, origin);
  }

  /** The elements with the largest values. */
  top(count: number): Vector<Attribute> {
    return new Vector(`topk(${count}, ${this.promql})`, true, this.origin);
  }

  plus(other: Operand<Attribute>): Vector<Attribute> {
    return this.#binary('+', other);
  }

  minus(other: Operand<Attribute>): Vector<Attribute> {
    return this.#binary('-', other);
  }

  /** The number less this. */
  subtractedFrom(number: number): Vector<Attribute> {
    return new Vector(`${number} - ${this.#isAtom ? this.promql : `(${this.promql})`}`, false, this.origin);
  }

  times(other: Operand<Attribute>, matching?: Matching<Attribute>): Vector<Attribute> {
    return this.#binary('*', other, matching);
  }

  dividedBy(other: Operand<Attribute>, matching?: Matching<Attribute>): Vector<Attribute> {
    return this.#binary('/', other, matching);
  }

  /** Keeps the elements for which it holds. */
  where(
    comparison: Comparison,
    other: Operand<Attribute>,
    matching?: Matching<Attribute>,
  ): Vector<Attribute> {
    return this.#binary(comparison, other, matching);
  }

  /** 1 for the elements for which it holds, 0 for the others. */
  whether(comparison: Comparison, other: Operand<Attribute>): Vector<Attribute> {
    return this.#binary(`${comparison} bool`, other);
  }

  and(other: Vector<string>, matching?: Matching<Attribute>): Vector<Attribute> {
    return this.#binary('and', other, matching);
  }

  or(other: Vector<string>): Vector<Attribute> {
    return this.#binary('or', other);
  }

  unless(other: Vector<string>, matching?: Matching<Attribute>): Vector<Attribute> {
    return this.#binary('unless', other, matching);
  }

  /** 0 where there is nothing at all. Only for an aggregation to one element. */
  orZero(): Vector<Attribute> {
    return this.#binary('or', new Vector('vector(0)', true));
  }

  atLeast(bound: number): Vector<Attribute> {
    return new Vector(`clamp_min(${this.promql}, ${bound})`, true, this.origin);
  }

  atMost(bound: number): Vector<Attribute> {
    return new Vector(`clamp_max(${this.promql}, ${bound})`, true, this.origin);
  }

  /** A function of one vector that PromQL has by this name. */
  apply(name: 'abs' | 'absent' | 'ceil' | 'floor' | 'round' | 'timestamp'): Vector<Attribute> {
    const origin = {
      ...this.origin,
      unit: name === 'absent' || name === 'timestamp' ? undefined : this.origin.unit,
    };
    return new Vector(`${name}(${this.promql})`, true, origin);
  }

  #binary(operator: string, other: Operand<string>, matching?: Matching<string>): Vector<Attribute> {
    const right =
      typeof other === 'number' ? String(other) : other.#isAtom ? other.promql : `(${other.promql})`;
    const left = this.#isAtom ? this.promql : `(${this.promql})`;
    const origin = typeof other === 'number' ? this.origin : joined(operator, this.origin, other.origin);
    return new Vector(`${left} ${operator}${matchingClause(matching)} ${right}`, false, {
      ...origin,
      unit: operator.endsWith('bool') ? undefined : origin.unit,
    });
  }
}

/** A vector that has the attributes of the other side or fewer, or a number. */
export type Operand<Attribute extends string> = number | Vector<Attribute> | Vector;

/** Of two sides with an operator between them. */
function joined(operator: string, left: Origin, right: Origin): Origin {
  const instruments = [...new Set([...left.instruments, ...right.instruments])];
  switch (operator) {
    case '/':
      return { instruments, unit: left.unit !== undefined && left.unit === right.unit ? '1' : undefined };
    case '*':
      return { instruments, unit: right.unit === undefined ? left.unit : undefined };
    default:
      return { instruments, unit: left.unit };
  }
}

function byClause(by: readonly string[]): string {
  return by.length === 0 ? '' : ` by (${by.map(labelName).join(', ')})`;
}

function matchingClause(matching: Matching<string> | undefined): string {
  if (matching === undefined) return '';
  const { on, many } = matching;
  return ` on (${on.map(labelName).join(', ')})${many === undefined ? '' : ` group_${many}`}`;
}
