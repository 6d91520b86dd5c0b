/** promtool, for checks of rule files and for running their cases. */
import { execFile } from 'node:child_process';
import { partPath } from './real-part.ts';

/** Cases over many hours take it half a minute of a CPU, and there may be others at work. */
const timeoutMs = 600_000;

export type PromtoolAnswer = { code: number; said: string };

/** Runs it to its end. A code other than 0 is an answer, not an error. */
export async function promtool(args: readonly string[], cwd: string): Promise<PromtoolAnswer> {
  const binary = await partPath('promtool');
  return await new Promise((resolve, reject) => {
    // It lives for seconds and has memory to spare: let it collect garbage seldom.
    const env = { ...process.env, GOGC: '800' };
    const options = { cwd, env, timeout: timeoutMs, maxBuffer: 64 * 2 ** 20 };
    execFile(binary, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, said: stdout + stderr });
      else reject(error);
    });
  });
}
