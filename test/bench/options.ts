/** Options of the benches that take numbers only. Whoever asks for help, or errs, gets the usage. */
import { parseArgs } from 'node:util';

/** `presets`: names of options and their values if not given. `inside`: another one, for a bench's own processes. */
export function numbersGiven<Name extends string>(
  command: string,
  presets: Readonly<Record<Name, number>>,
): Record<Name, number> & { inside: boolean } {
  const names = Object.keys(presets) as Name[];
  const usage = `Usage: ${command} [-- ${names.map((name) => `--${name} ${presets[name]}`).join(' ')}]`;
  const leave = (text: string, code: number): never => {
    (code === 0 ? console.log : console.error)(text);
    return process.exit(code);
  };
  try {
    const number = { type: 'string' } as const;
    const flag = { type: 'boolean', default: false } as const;
    const options = { ...Object.fromEntries(names.map((name) => [name, number])), help: flag, inside: flag };
    const values = parseArgs({ options }).values as Record<string, string | boolean | undefined>;
    if (values.help === true) return leave(usage, 0);
    const given = names.map((name) => {
      const value = Number(values[name] ?? presets[name]);
      if (!Number.isInteger(value) || value < 1)
        throw new Error(`--${name} must be a whole number from 1 on`);
      return [name, value] as const;
    });
    return { ...(Object.fromEntries(given) as Record<Name, number>), inside: values.inside === true };
  } catch (error) {
    return leave(`${(error as Error).message}\n${usage}`, 2);
  }
}
