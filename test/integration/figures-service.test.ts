/**
 * What a whole service does with the sources of its figures: it starts them, with the window that was asked for, hears
 * each pause of the collector once, and /metrics tells this process and no other. The sources have tests of their own.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gcTypes } from '../../src/telemetry/figures.ts';
import { parseText } from '../support/openmetrics.ts';
import { scrapeText, summed, valuesOf } from '../support/series.ts';
import { startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';

describe('figures of a whole service', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService({ TIDEGAUGE_SAMPLE_INTERVAL: '250ms' });
  });
  after(() => service.stop());

  const scrape = async () => valuesOf(parseText(await scrapeText(service)).flatMap(({ samples }) => samples));

  it('close a window each TIDEGAUGE_SAMPLE_INTERVAL', async () => {
    const startMs = performance.now();
    let lastAge = Number.POSITIVE_INFINITY;
    let closed = 0;
    await until('four windows have been closed', async () => {
      const age = (await service.collect()).value('tidegauge.sampler.window.age')!;
      if (age < lastAge) closed += 1;
      lastAge = age;
      return closed >= 5;
    });
    // With the default of 5 s, three of the four would have taken a quarter of a minute.
    assert.ok(performance.now() - startMs < 10_000);
    const { last_update: lastUpdate, timestamp } = (await service.getJson('/metrics/enhanced'))
      .body as unknown as Record<string, number>;
    assert.ok(timestamp! - lastUpdate! <= 2, `${lastUpdate} at ${timestamp}`);
  });

  it('have each pause of the collector in the histogram and in the sums', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const major = (series: Awaited<ReturnType<typeof scrape>>): number =>
      summed(series, 'tidegauge_v8_gc_count_total', '="major"');
    const earlier = major(await scrape());
    for (let round = 0; round < 3; round++) collect();
    const series = await until('three collections are counted', async () => {
      const now = await scrape();
      return major(now) >= earlier + 3 && now;
    });
    for (const type of gcTypes) {
      const label = `="${type}"`;
      assert.equal(
        summed(series, 'v8js_gc_duration_seconds_count', label),
        summed(series, 'tidegauge_v8_gc_count_total', label),
        type,
      );
      const [recorded, counted] = [
        summed(series, 'v8js_gc_duration_seconds_sum', label),
        summed(series, 'tidegauge_v8_gc_time_seconds_total', label),
      ];
      assert.ok(Math.abs(recorded - counted) <= 1e-4, `${type}: ${recorded} and ${counted}`);
    }
  });

  it('are those of this process', async () => {
    const usage = process.cpuUsage();
    const series = await scrape();
    const usageAfter = process.cpuUsage();
    for (const mode of ['user', 'system'] as const) {
      const told = summed(series, 'process_cpu_time_seconds_total', `="${mode}"`);
      assert.ok(
        told >= usage[mode] / 1e6 - 1e-6 && told <= usageAfter[mode] / 1e6 + 1e-6,
        `${mode}: ${told}`,
      );
    }
  });
});
