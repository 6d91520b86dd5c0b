/** The peer of everything that collects: no dependency of the project, but looked for where NODE_PATH says. */
import { createRequire } from 'node:module';
import { isInstalled } from '../contenders.ts';

export type PromClient = {
  collectDefaultMetrics(): void;
  register: { contentType: string; metrics(): Promise<string> };
};

/** Undefined where it is not installed. */
export function findPromClient(): PromClient | undefined {
  return isInstalled('prom-client') ? createRequire(import.meta.url)('prom-client') : undefined;
}
