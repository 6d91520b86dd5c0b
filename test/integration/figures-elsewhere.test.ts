/**
 * A whole service on systems that have neither /proc nor control groups: it starts, every report answers with all of
 * its keys, figures that only Linux tells are absent, and nothing of it is an error. Node is this machine's; what is
 * injected is the name of the system, and a file system in which there is nothing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText } from '../support/openmetrics.ts';
import { recordedFiles } from '../support/recorded-files.ts';
import { scrapeText, summed, valuesOf } from '../support/series.ts';
import { startTestService } from '../support/test-service.ts';

const onlyLinux = [
  'container_memory_usage_bytes',
  'process_memory_virtual_bytes',
  'process_thread_count',
  'process_unix_file_descriptor_count',
  'tidegauge_process_memory_resident_bytes',
  'tidegauge_process_thread_cpu_time_seconds_total',
];
const notOnWindows = ['process_context_switches_total', 'process_paging_faults_total'];
const everywhere = [
  'process_cpu_time_seconds_total',
  'process_cpu_utilization_ratio',
  'process_memory_usage_bytes',
  'nodejs_eventloop_delay_p99_seconds',
  'system_memory_limit_bytes',
  'tidegauge_go_memory_bytes',
  'tidegauge_v8_gc_count_total',
];

for (const system of ['darwin', 'win32', 'freebsd']) {
  test(`on ${system} it serves with fewer figures`, async () => {
    const files = recordedFiles(new Map());
    const service = await startTestService({}, { platform: { system, files } });
    try {
      for (const path of ['/stats', '/metrics/enhanced', '/metrics/system', '/health', '/readyz', '/livez']) {
        const { status, body } = await service.getJson(path);
        assert.equal(status, 200, path);
        assertNumbers(body, path);
      }
      const samples = parseText(await scrapeText(service)).flatMap((family) => family.samples);
      const names = new Set(samples.map(({ name }) => name));
      for (const name of onlyLinux) assert.equal(names.has(name), false, name);
      for (const name of everywhere) assert.equal(names.has(name), true, name);
      for (const name of notOnWindows) assert.equal(names.has(name), system !== 'win32', name);
      assert.equal(summed(valuesOf(samples), 'tidegauge_telemetry_collection_errors_total'), 0);
      assert.deepEqual(files.reads, [], 'nothing of Linux is even asked for');
    } finally {
      await service.stop();
    }
  });
}

function assertNumbers(value: unknown, path: string): void {
  if (typeof value === 'number') assert.ok(Number.isFinite(value) && value >= 0, `${path} is ${value}`);
  if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) assertNumbers(inner, `${path}.${key}`);
}
