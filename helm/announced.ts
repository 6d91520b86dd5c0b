/**
 * Settings that the chart counts on and that the settings table does not declare yet: they come with the drain.
 *
 * The gateway refuses what it does not know, so until then they take part in every calculation of the chart, and are
 * not handed to the gateway. On the day on which the table declares one, generating fails and says so: then this file
 * goes, with what names it (./settings.ts, and `announced` in the chart's config.yaml).
 */
import type { SettingDeclaration } from '../src/config.ts';

type Announced = Pick<SettingDeclaration, 'env' | 'kind' | 'default' | 'accepts' | 'doc' | 'isSecret'>;

export const announced: readonly Announced[] = [
  {
    env: 'TIDEGAUGE_DRAIN_DELAY',
    kind: 'duration',
    default: '0s',
    accepts: 'a duration, such as 5s',
    doc: 'How long after it has become not ready the gateway still takes connections, so that everybody has heard of it.',
    isSecret: false,
  },
  {
    env: 'TIDEGAUGE_DRAIN_WINDOW',
    kind: 'duration',
    default: '10s',
    accepts: 'a duration, such as 10s',
    doc: 'The time over which the closes of a drain are spread.',
    isSecret: false,
  },
];

/** @throws when the table has caught up. */
export function stillAnnounced(declared: ReadonlySet<string>): readonly Announced[] {
  const late = announced.filter(({ env }) => declared.has(env)).map(({ env }) => env);
  if (late.length > 0) {
    throw new Error(`the settings table declares ${late.join(', ')} now: remove helm/announced.ts`);
  }
  return announced;
}
