/**
 * What the last stage of a Dockerfile says about the image, so that nobody has to write it down twice.
 *
 * Not a builder: of the instructions it knows those that the last stage of ours uses, in their plain form, and refuses
 * all others rather than making an image that differs.
 */

import type { ImageConfig } from './archive.ts';

export type LastStage = {
  base: string;
  /** `COPY --from=STAGE SOURCE TARGET`, one layer each. */
  copies: { from: string; source: string; target: string }[];
  config: ImageConfig;
};

/** One instruction a line, comments and continuations taken away. */
export function parseInstructions(text: string): { word: string; rest: string }[] {
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word = '', rest = ''] = /^(\S+)\s+(.*?)\s*$/.exec(line) ?? [];
      return { word: word.toUpperCase(), rest };
    });
}

export function parseLastStage(text: string): LastStage {
  const instructions = parseInstructions(text);
  const start = instructions.findLastIndex(({ word }) => word === 'FROM');
  if (start < 0) throw new Error('a Dockerfile without FROM');
  const stage: LastStage = { base: instructions[start]!.rest, copies: [], config: {} };
  for (const { word, rest } of instructions.slice(start + 1)) apply(stage, word, rest);
  return stage;
}

function apply({ copies, config }: LastStage, word: string, rest: string): void {
  switch (word) {
    case 'COPY': {
      const match = /^--from=(\S+) (\S+) (\S+)$/.exec(rest);
      if (match === null) throw new Error(`COPY ${rest}: only --from=STAGE SOURCE TARGET is understood`);
      copies.push({ from: match[1]!, source: match[2]!, target: match[3]! });
      return;
    }
    case 'ENV':
      config.Env = [...(config.Env ?? []), ...pairs(rest).map(([key, value]) => `${key}=${value}`)];
      return;
    case 'LABEL':
      config.Labels = { ...config.Labels, ...Object.fromEntries(pairs(rest)) };
      return;
    case 'USER':
      config.User = rest;
      return;
    case 'WORKDIR':
      config.WorkingDir = rest;
      return;
    case 'EXPOSE':
      config.ExposedPorts = Object.fromEntries(rest.split(' ').map((port) => [`${port}/tcp`, {}]));
      return;
    case 'STOPSIGNAL':
      config.StopSignal = rest;
      return;
    case 'ENTRYPOINT':
      config.Entrypoint = words(rest);
      return;
    case 'HEALTHCHECK':
      config.Healthcheck = parseHealthcheck(rest);
      return;
    default:
      throw new Error(`${word} is not understood in the last stage`);
  }
}

/** `KEY=value` or `KEY="a value"`, any number of them. */
function pairs(rest: string): [string, string][] {
  const found = [...rest.matchAll(/(\S+?)=(?:"([^"]*)"|(\S*))(?:\s+|$)/g)];
  if (found.map(([all]) => all).join('') !== rest) throw new Error(`${rest}: not a list of KEY=value`);
  return found.map(([, key, quoted, plain]) => [key!, quoted ?? plain!]);
}

/** The form that needs no shell. */
function words(rest: string): string[] {
  return JSON.parse(rest) as string[];
}

function parseHealthcheck(rest: string): NonNullable<ImageConfig['Healthcheck']> {
  const command = rest.indexOf('CMD ');
  if (command < 0) throw new Error('HEALTHCHECK without CMD');
  const options = new Map(pairs(rest.slice(0, command).trim()));
  const time = (name: string): number | undefined => {
    const value = options.get(name);
    return value === undefined ? undefined : Number(/^(\d+)s$/.exec(value)![1]) * 1e9;
  };
  const [interval, timeout, startPeriod] = ['--interval', '--timeout', '--start-period'].map(time);
  return {
    Test: ['CMD', ...words(rest.slice(command + 'CMD '.length))],
    ...(interval !== undefined && { Interval: interval }),
    ...(timeout !== undefined && { Timeout: timeout }),
    ...(startPeriod !== undefined && { StartPeriod: startPeriod }),
  };
}
