import { MemoryBus } from '../../src/bus/memory-bus.ts';
import { describeBus } from './bus.ts';

describeBus({
  name: 'MemoryBus',
  create: async () => new MemoryBus(),
  script: async () => `
    import { MemoryBus } from ${JSON.stringify(import.meta.resolve('../../src/bus/memory-bus.ts'))};
    const bus = new MemoryBus();
  `,
});
