/**
 * Where a process under measurement may run: on the machine as it is, and in a control group with a memory limit. What
 * holds of its figures must hold in both.
 */
import { createControlGroup, type TestGroup } from './control-groups.ts';
import { createSubject, type Subject } from './figures-subject.ts';

export type Place = {
  name: string;
  /** Why it cannot be had; false where it can. */
  skip: string | false;
  /** One at a time. Without `start` it waits for the order. */
  createSubject(options?: { execArgv?: string[]; start?: boolean }): Promise<Subject>;
  /** Once the process has ended. */
  leave(): Promise<void>;
};

export function createPlaces(memoryLimitBytes: number): Place[] {
  const made = createControlGroup(`tidegauge-place-${process.pid}`, { memoryLimitBytes });
  if (typeof made === 'string' && process.env.CI === 'true') throw new Error(made);
  const group = made as TestGroup;
  return [
    {
      name: 'on the machine',
      skip: false,
      createSubject,
      async leave() {},
    },
    {
      name: 'in a control group with a memory limit',
      skip: typeof made === 'string' ? made : false,
      async createSubject({ start = true, ...options } = {}) {
        const subject = await createSubject({ ...options, start: false });
        group.add(subject.pid);
        if (start) await subject.ask('start');
        return subject;
      },
      leave: () => group.remove(),
    },
  ];
}
