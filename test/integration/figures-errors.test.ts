/**
 * A figure that cannot be read, in a whole service: a file of /proc fails, and comes back. Seen on /metrics: the figure
 * is absent, the failure is counted each time, and everything else is there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPlatformFiles } from '../../src/telemetry/sources/files.ts';
import { skipWithoutLinux } from '../support/figures-subject.ts';
import { parseText } from '../support/openmetrics.ts';
import { type SeriesValues, scrapeText, summed, valuesOf } from '../support/series.ts';
import { startTestService } from '../support/test-service.ts';

const errorsSeries = 'tidegauge_telemetry_collection_errors_total';

test('a file that cannot be read costs its own figures and a count', { skip: skipWithoutLinux }, async () => {
  const failing = new Set(['/proc/meminfo', '/proc/stat']);
  const files = createPlatformFiles();
  const service = await startTestService(
    {},
    { platform: { files: { ...files, read: (path) => (failing.has(path) ? undefined : files.read(path)) } } },
  );
  try {
    const scrape = async (): Promise<SeriesValues> =>
      valuesOf(parseText(await scrapeText(service)).flatMap(({ samples }) => samples));
    const names = (series: SeriesValues): Set<string> =>
      new Set([...series.keys()].map((key) => key.slice(0, key.indexOf('{'))));
    const procfsErrors = (series: SeriesValues): number => summed(series, errorsSeries, '="procfs"');

    await scrape();
    const first = await scrape();
    const second = await scrape();
    assert.equal(procfsErrors(second) - procfsErrors(first), failing.size, 'each file once per collection');
    assert.equal(summed(second, errorsSeries), procfsErrors(second), 'and nothing else');
    failing.clear();
    const repaired = await scrape();
    const afterwards = await scrape();
    assert.equal(procfsErrors(afterwards), procfsErrors(repaired));
    const missing = [...names(afterwards)].filter((name) => !names(second).has(name));
    assert.deepEqual(
      missing
        // The first request that has ended makes the histogram of requests appear.
        .filter(
          (name) => !name.startsWith('http_server_request_duration') && !name.startsWith('v8js_gc_duration'),
        )
        .sort(),
      [
        'system_cpu_logical_count',
        'system_cpu_time_seconds_total',
        'system_memory_limit_bytes',
        'system_memory_usage_bytes',
        'system_paging_usage_bytes',
      ],
    );
    assert.deepEqual(
      [...names(second)].filter((name) => !names(afterwards).has(name)),
      [],
    );
  } finally {
    await service.stop();
  }
});
