/** The published rules for series names, case by case. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelName, type SeriesKind, seriesName, seriesUnit } from '../../../src/telemetry/metric-names.ts';

const cases: [rule: string, name: string, unit: string, kind: SeriesKind, series: string][] = [
  [
    'a dot becomes an underscore',
    'tidegauge.connection.active',
    '{connection}',
    'upDownCounter',
    'tidegauge_connection_active',
  ],
  ['bytes are added', 'process.memory.usage', 'By', 'upDownCounter', 'process_memory_usage_bytes'],
  ['seconds come before total', 'process.cpu.time', 's', 'counter', 'process_cpu_time_seconds_total'],
  [
    'a histogram gets its unit and no more',
    'http.server.request.duration',
    's',
    'histogram',
    'http_server_request_duration_seconds',
  ],
  ['a gauge of unit 1 is a ratio', 'process.cpu.utilization', '1', 'gauge', 'process_cpu_utilization_ratio'],
  ['a counter of unit 1 is none', 'a.hits', '1', 'counter', 'a_hits_total'],
  ['an up-down counter of unit 1 is none', 'a.parts', '1', 'upDownCounter', 'a_parts'],
  ['braces are no unit', 'tidegauge.cpu.limit', '{cpu}', 'gauge', 'tidegauge_cpu_limit'],
  [
    'braces are no unit in a counter either',
    'tidegauge.v8.gc.count',
    '{gc}',
    'counter',
    'tidegauge_v8_gc_count_total',
  ],
  ['no unit, no suffix', 'a.b', '', 'gauge', 'a_b'],
  ['a unit that is in the name is not added again', 'a.bytes.read', 'By', 'counter', 'a_bytes_read_total'],
  ['total moves to the end', 'a.total.hits', '{hit}', 'counter', 'a_hits_total'],
  ['total stays where it is in a gauge', 'a.total', '{hit}', 'gauge', 'a_total'],
  ['ratio moves to the end', 'a.ratio.x', '1', 'gauge', 'a_x_ratio'],
  ['underscores stay, and only one of several', 'a__b_.c', '', 'gauge', 'a_b_c'],
  ['a name does not begin with a digit', '2xx.answers', '', 'counter', '_2xx_answers_total'],
  ['per second', 'a.flow', 'By/s', 'gauge', 'a_flow_bytes_per_second'],
  ['per something in braces is left out', 'a.flow', 'By/{packet}', 'gauge', 'a_flow_bytes'],
  ['something in braces per minute', 'a.flow', '{packet}/m', 'gauge', 'a_flow_per_minute'],
  ['an unknown unit is taken as it is', 'a.b', 'widgets', 'gauge', 'a_b_widgets'],
  ['a percentage', 'a.share', '%', 'gauge', 'a_share_percent'],
];

for (const [rule, name, unit, kind, series] of cases) {
  test(`${rule}: ${name} (${unit}) is ${series}`, () => assert.equal(seriesName(name, unit, kind), series));
}

test('a unit is the last word of a family, or empty', () => {
  const units: [string, SeriesKind, string][] = [
    ['s', 'counter', 'seconds'],
    ['By', 'gauge', 'bytes'],
    ['1', 'gauge', 'ratio'],
    ['1', 'counter', ''],
    ['{gc}', 'counter', ''],
    ['By/s', 'gauge', ''],
  ];
  for (const [unit, kind, word] of units) assert.equal(seriesUnit(unit, kind), word, `${unit} ${kind}`);
});

test('a label is an attribute with underscores', () => {
  assert.deepEqual(['cpu.mode', 'a..b', 'a-b', '1st'].map(labelName), ['cpu_mode', 'a_b', 'a_b', 'key_1st']);
});
