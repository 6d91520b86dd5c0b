/**
 * The machine that the process runs on, shared with whatever else runs there. In a container these are the node's
 * figures, not the container's. No figure is per CPU, so the number of points does not depend on the machine.
 */
import { hostCpuModes, memoryStates, pagingStates } from '../figures.ts';
import type { Declarations } from './declaration.ts';

export const hostInstruments = {
  'system.memory.usage': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'development',
    attributes: [['system.memory.state', memoryStates]],
    counts:
      'Memory of the machine: used by programs and the kernel, or available to new ones without swapping. The two make up system.memory.limit.',
    not: 'Free memory, which is always little: the page cache is available, though not free. In a container it is not what the container may use.',
    source: 'MemTotal and MemAvailable of /proc/meminfo (Linux 3.14 and newer); on Windows os.freemem()',
    question: 'Is the machine short of memory, though we are not?',
  },
  'system.memory.limit': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'development',
    counts: 'Memory of the machine.',
    not: 'The limit of the container; that is tidegauge.container.memory.limit. Swap space is not in it.',
    source: 'MemTotal of /proc/meminfo, else os.totalmem()',
    question: 'On how large a machine does it run?',
  },
  'system.paging.usage': {
    kind: 'upDownCounter',
    unit: 'By',
    stability: 'development',
    attributes: [['system.paging.state', pagingStates]],
    counts: 'Swap space of the machine, used and free; both 0 where it has none.',
    not: 'Our own part of it; that is tidegauge.process.memory.swap.',
    source: 'SwapTotal and SwapFree of /proc/meminfo',
    question: 'Does the machine swap?',
  },
  'system.cpu.time': {
    kind: 'counter',
    unit: 's',
    stability: 'development',
    attributes: [['cpu.mode', hostCpuModes]],
    counts:
      'Seconds that all CPUs of the machine together have spent in each mode since it started. The modes make up all of their time; guests of a hypervisor count as user and nice.',
    not: 'Time of this process or container. For a share divide the rates: busy modes by all modes.',
    source:
      "the first line of /proc/stat, in steps of 10 ms, else os.cpus(). Where the kernel's own idle or iowait steps back, it stands still",
    question: 'Do neighbours take the CPUs, or does the hypervisor (steal)?',
  },
  'system.cpu.logical.count': {
    kind: 'upDownCounter',
    unit: '{cpu}',
    stability: 'development',
    counts: 'CPUs of the machine that are online.',
    not: 'What this process may use; that is tidegauge.cpu.limit.',
    source: 'the lines of /proc/stat, else os.cpus()',
    question: 'What is the machine a multiple of?',
  },
} as const satisfies Declarations;
