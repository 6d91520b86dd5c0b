/**
 * What a gateway exports, held against the registry, as weaver's live check would: everything that leaves our scopes is
 * defined or imported there, with its unit and kind of instrument, and each point of what is defined has the attributes
 * that are required, no others, and values out of their sets. And the other way round: everything defined is exported.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { schemaUrl } from '../../src/telemetry/conventions.ts';
import type { OtlpMetric, OtlpPoint, OtlpSink } from '../support/collector.ts';
import { startOtlpSink } from '../support/collector.ts';
import { allSeriesExist, exercise, exerciseEnv } from '../support/exercise.ts';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { readAtMs } from '../support/otlp-series.ts';
import { skipWithout } from '../support/real-part.ts';
import { attributes, importedMetrics, type MetricDefinition, metrics } from '../support/registry.ts';
import { until } from '../support/until.ts';

type Exported = OtlpMetric & { scope: string; scopeUrl: string | undefined };

/** What there is of these depends on the control group that the test runs in: a limit that is not set is no series. */
const dependsOnMachine = /^tidegauge\.container\./;

const definitionOf = new Map(metrics.map((one) => [one.name, one]));
const valuesOf = new Map(attributes.map(({ key, type }) => [key, type.members.map(({ value }) => value)]));

describe('what a gateway exports', { skip: await skipWithout('otelcol') }, () => {
  let sink: OtlpSink;
  let gateway: GatewayProcess;
  let exported: Exported[];

  before(async () => {
    sink = await startOtlpSink();
    gateway = await startGateway({
      ...exerciseEnv,
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.httpEndpoint,
      OTEL_METRIC_EXPORT_INTERVAL: '500',
    });
    await exercise(gateway);
    await allSeriesExist(gateway);
    const nowMs = Date.now();
    const request = await until(
      'an export of all that',
      async () => (await sink.received()).find((one) => readAtMs(one) > nowMs),
      { timeoutMs: 60_000, everyMs: 100 },
    );
    exported = request.resourceMetrics.flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap(({ scope, schemaUrl: scopeUrl, metrics: given }) =>
        given.map((metric) => ({ ...metric, scope: scope.name, scopeUrl })),
      ),
    );
  });
  after(async () => {
    await gateway?.stop();
    await sink?.stop();
  });

  const ours = (): Exported[] => exported.filter(({ scope }) => scope.startsWith('tidegauge/'));
  const defined = (): [Exported, MetricDefinition][] =>
    ours().flatMap((metric) => {
      const definition = definitionOf.get(metric.name);
      return definition === undefined ? [] : [[metric, definition]];
    });

  test('from our scopes is in the registry, and the registry is in it', () => {
    const known = new Set([...definitionOf.keys(), ...importedMetrics]);
    assert.deepEqual(
      ours().filter(({ name }) => !known.has(name)),
      [],
    );
    const names = new Set(ours().map(({ name }) => name));
    assert.deepEqual(
      [...definitionOf.keys()].filter((name) => !names.has(name) && !dependsOnMachine.test(name)),
      [],
    );
    assert.ok(defined().length > 55, String(defined().length));
  });

  test('has the kind, the unit, the description and the scope that are defined', () => {
    for (const [metric, { instrument, unit, brief, annotations }] of defined()) {
      assert.equal(kindOf(metric), instrument, metric.name);
      assert.deepEqual([metric.unit, metric.description], [unit, brief], metric.name);
      assert.equal(metric.scope, annotations.instrumentation_scope, metric.name);
      assert.equal(metric.scopeUrl, schemaUrl);
    }
  });

  test('has on each point the attributes that are required, no others, and values out of their sets', () => {
    for (const [{ name, ...metric }, { attributes: given = [] }] of defined()) {
      const required = given.filter(({ requirement_level }) => requirement_level === 'required');
      for (const point of pointsOf(metric)) {
        const there = new Map((point.attributes ?? []).map(({ key, value }) => [key, value.stringValue]));
        const missing = required.filter(({ ref }) => !there.has(ref));
        assert.deepEqual(missing, [], name);
        for (const [key, value] of there) {
          assert.ok(
            given.some(({ ref }) => ref === key),
            `${name} has ${key}`,
          );
          assert.ok(valuesOf.get(key)?.includes(String(value)) !== false, `${name} ${key}=${value}`);
        }
      }
    }
  });

  test('has an attribute that is conditionally required on some points, and not on others', () => {
    const conditional = defined().flatMap(([metric, { attributes: given = [] }]) =>
      given
        .filter(({ requirement_level }) => typeof requirement_level === 'object')
        .map(({ ref }) => ({ metric, ref })),
    );
    assert.ok(conditional.length > 0);
    for (const { metric, ref } of conditional) {
      const has = pointsOf(metric).map((point) => point.attributes?.some(({ key }) => key === ref) === true);
      assert.deepEqual(new Set(has), new Set([true, false]), metric.name);
    }
  });

  test('has numbers of the type that is defined', () => {
    for (const [metric, { annotations }] of defined()) {
      if (metric.histogram !== undefined) continue;
      const isInt = annotations.code_generation.metric_value_type === 'int';
      for (const point of pointsOf(metric)) assert.equal(point.asInt !== undefined, isInt, metric.name);
    }
  });
});

function kindOf({ sum, gauge, histogram }: OtlpMetric): MetricDefinition['instrument'] {
  if (histogram !== undefined) return 'histogram';
  if (gauge !== undefined) return 'gauge';
  return sum?.isMonotonic === true ? 'counter' : 'updowncounter';
}

function pointsOf({ sum, gauge, histogram }: Pick<OtlpMetric, 'sum' | 'gauge' | 'histogram'>): OtlpPoint[] {
  return (sum ?? gauge ?? histogram)?.dataPoints ?? [];
}
