/**
 * A program for a test: a gateway in a process of its own, that its parent can tell to drain. Other than `main`, it
 * stays after the drain and answers scrapes, so that the last figures can be read at leisure. Its environment is its
 * argument, as JSON. Needs an IPC channel.
 */
import { startTestService } from './test-service.ts';

const service = await startTestService(JSON.parse(process.argv[2] ?? '{}') as Record<string, string>);

process.on('message', async (order: 'drain' | 'stop') => {
  if (order === 'drain') {
    await service.service.drain();
    process.send!('drained');
    return;
  }
  await service.stop();
  process.disconnect!();
});

process.send!({ url: service.url, adminUrl: service.adminUrl, wsUrl: service.wsUrl });
